"""The picture that a recording without images has: the front camera once a second, as JPEG, live and in the bag."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import CompressedImage

from autodrive.errors import InputError
from autodrive.rig import Rig
from autodrive.transport.ring import RingReader
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.camera_tap import jpeg_bytes
from autodrive_nodes.recorded_topics import preview_camera
from autodrive_nodes.stage_node import StageNode

PERIOD_NS = 1_000_000_000


class Preview:
    """Hears frame sets for ``node`` and publishes; ``record`` gets the bytes of what is to be in the bag, if any."""

    def __init__(self, node: StageNode, rig: Rig, record: Callable[[bytes], None] | None) -> None:
        self._node, self._camera, self._record = node, preview_camera(rig), record
        self._reader = RingReader()
        self._said_ns: int | None = None
        self._out = node.say(contracts.FRONT_PREVIEW)
        node.hear(contracts.FRAME_SET, self._on_frames)

    def _on_frames(self, message: CompressedImage) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        if self._said_ns is not None and 0 <= stamp_ns - self._said_ns < PERIOD_NS:
            return
        descriptors = dict(frame_set.from_message(message))
        if self._camera not in descriptors:
            raise InputError(f"frame set has no camera {self._camera!r}; it has {list(descriptors)}")
        image = self._reader.view(descriptors[self._camera])
        jpeg = jpeg_bytes(stamp_ns, f"camera/{self._camera}_optical", image)
        self._said_ns = stamp_ns
        if self._record is not None:
            self._record(jpeg)
        # else a camera of that name publishes itself
        if self._node.count_publishers(contracts.FRONT_PREVIEW.name) == 1:
            self._out.publish(jpeg)
