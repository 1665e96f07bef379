"""Images in shared memory as a broken camera would deliver them, in rings of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from autodrive.errors import InputError
from autodrive.faults.images import black, half_size, noisy
from autodrive.rig import Rig
from autodrive.transport.ring import Descriptor, RingReader, RingWriter
from autodrive_nodes import messages

MISTIMED_S = -0.35  # three and a half frames late, by its stamp
Image = NDArray[np.uint8]


class FaultyCamera:
    """One camera at a time; ``forget`` ends its fault."""

    def __init__(self, rig: Rig, rng: np.random.Generator) -> None:
        self._bytes = max(camera.width * camera.height * 3 for camera in rig.cameras)
        self._reader = RingReader()
        self._ring: RingWriter | None = None
        self._frozen: Image | None = None
        self._changes: dict[str, Callable[[Image], Image]] = {
            "camera_black": black,
            "camera_noisy": lambda image: noisy(image, rng),
            "camera_wrong_size": half_size,
            "camera_frozen": self._freeze,
        }

    def forget(self) -> None:
        """The fault is over."""
        self._frozen = None

    def spoil(self, kind: str, message: CompressedImage) -> CompressedImage:
        """The message that the broken camera sends; raises InputError for an unknown kind or a lost image."""
        if kind == "camera_mistimed":
            stamp_ns = messages.stamp_ns(message.header.stamp) + round(MISTIMED_S * 1e9)
            message.header.stamp = messages.to_time(max(stamp_ns, 0))
            return message
        if kind not in self._changes:
            raise InputError(f"no fault of a camera is called {kind!r}")
        descriptor = Descriptor.unpack(bytes(message.data))
        image = self._changes[kind](self._reader.view(descriptor))
        if self._ring is None:
            self._ring = RingWriter("faulty", self._bytes)
        message.data = self._ring.write(image).pack()
        return message

    def close(self) -> None:
        """Remove the ring."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        self._reader.close()

    def _freeze(self, image: Image) -> Image:
        if self._frozen is None:
            self._frozen = image.copy()
        return self._frozen
