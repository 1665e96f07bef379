"""Gathers the images of all cameras that belong to one exposure, checks them, and watches each camera's health.

Cameras of one trigger (the simulator's) carry equal stamps; those of a camera setup file are brought together by the
nearest stamp. In realtime each is judged: a camera that is not fit to be used ends the frame sets until it is again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from autodrive.camera.nearest_sync import NearestSynchronizer
from autodrive.camera.recordings import decode_image
from autodrive.camera.rig_health import RigHealth
from autodrive.camera.setup_file import read_camera_setup
from autodrive.errors import ConfigError, InputError
from autodrive.lockstep import StampSynchronizer
from autodrive.rig import Camera, load_rig
from autodrive.transport.ring import Descriptor, RingReader, RingWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.camera_watch import SIMULATED, CameraWatch
from autodrive_nodes.image_messages import from_image
from autodrive_nodes.stage_node import StageNode

HEALTH_EVERY = 10  # frame sets
MISSING_AFTER_S = 2.0
HEALTH_PERIOD_S = 1.0
LOSS_PERIOD_S = 0.1
MOVING_MPS, MOVING_RADPS = 0.2, 0.1


class CameraIngestionNode(StageNode):
    """images of each camera -> frame set; ``source`` is "shm", or "auto" for plain and compressed images as well.

    In "auto", descriptors of shared memory on another host are passed over: their images come by plain DDS. ``cameras``
    is the setup file of real cameras ("": they are rendered or come from a bag, with equal stamps).
    """

    defaults = {"rig": "", "source": "shm", "cameras": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Subscribe to every camera of the rig."""
        self._rig = load_rig(Path(self.value("rig")))
        if self.value("source") not in ("shm", "auto"):
            raise ConfigError(f"camera_ingestion: source must be shm or auto, got {self.value('source')!r}")
        self._frames = self.say(contracts.FRAME_SET)
        self._watch: CameraWatch | None = None
        self._sets: StampSynchronizer | NearestSynchronizer
        names = tuple(c.name for c in self._rig.cameras)
        if self.value("cameras"):
            chosen = read_camera_setup(Path(self.value("cameras")), self._rig)
            self._sets = NearestSynchronizer(names, chosen.tolerance_ns)
            self._watch = CameraWatch(names, chosen.limits, lambda: int(self.get_clock().now().nanoseconds))
        else:
            self._sets = StampSynchronizer(names)
            if (
                not self.lockstep and self.value("source") == "shm"
            ):  # where a frame waits for every camera, and nothing may depend on when it came
                self._watch = CameraWatch(names, SIMULATED, rig=RigHealth(names))
                self.hear(contracts.ODOMETRY, self._on_odometry)
        self._rings: dict[str, RingWriter] = {}
        self._reader = RingReader()
        self._received = dict.fromkeys(self._sets.names, 0)
        self._complete, self._stalled_since = 0, time.monotonic()
        for camera in self._rig.cameras:
            self._hear_camera(camera)

    def started(self) -> None:
        """Watch for cameras that fall silent while others go on."""
        if self._watch is None:
            self.every(MISSING_AFTER_S, self._find_missing)
            return
        self.every(HEALTH_PERIOD_S, self._report_health)
        if not self.value("cameras"):
            self.every(LOSS_PERIOD_S, self._find_lost)

    def shutdown(self) -> None:
        """Release the rings that decoded images lie in."""
        for ring in getattr(self, "_rings", {}).values():
            ring.close()
        if (watch := getattr(self, "_watch", None)) is not None:
            watch.close()

    def _hear_camera(self, camera: Camera) -> None:
        auto = self.value("source") == "auto"

        def shm(message: CompressedImage) -> Descriptor | None:
            descriptor = Descriptor.unpack(bytes(message.data))
            return descriptor if not auto or self._reader.reachable(descriptor) else None

        def plain(message: Image) -> Descriptor:
            return self._store(camera, from_image(message, _topic(camera)))

        def compressed(message: CompressedImage) -> Descriptor:
            return self._store(camera, decode_image(message.data, f"{_topic(camera)}/compressed"))

        def take(convert: Callable[[Any], Descriptor | None]) -> Callable[[Any], None]:
            return lambda message: self._take(camera, message, convert)

        self.hear(contracts.IMAGE_SHM, take(shm), required=not auto, camera=camera.name)
        if auto:
            self.hear(contracts.IMAGE, take(plain), camera=camera.name)
            self.hear(contracts.IMAGE_COMPRESSED, take(compressed), camera=camera.name)

    def _store(self, camera: Camera, image: NDArray[np.uint8]) -> Descriptor:
        if camera.name not in self._rings:
            self._rings[camera.name] = RingWriter(f"ingested_{camera.name}", camera.width * camera.height * 3, slots=8)
        _check_size(camera, image.shape[1], image.shape[0])
        return self._rings[camera.name].write(image)

    def _take(self, camera: Camera, message: Any, convert: Callable[[Any], Descriptor | None]) -> None:
        try:
            if (descriptor := convert(message)) is None:
                return
            _check_size(camera, descriptor.width, descriptor.height)
        except InputError as error:
            if self._watch is not None:
                self._watch.refuse(camera.name, str(error))
            raise
        self._received[camera.name] += 1
        stamp_ns = messages.stamp_ns(message.header.stamp)
        if self._watch is not None:
            self._watch.see(camera.name, stamp_ns, descriptor)
        self._add(camera, stamp_ns, descriptor)

    def _add(self, camera: Camera, stamp_ns: int, descriptor: Descriptor) -> None:
        if not self._sets.pending:
            self._stalled_since = time.monotonic()  # nothing was missing until now
        if (frames := self._sets.add(camera.name, stamp_ns, descriptor)) is None:
            return
        newest = self._sets.newest()
        assert newest is not None
        self._frames.publish(frame_set.to_message(newest[0], tuple(frames.items())))
        self._complete += 1
        self._stalled_since = time.monotonic()
        if self._complete % HEALTH_EVERY == 1:
            counts = {"complete": self._complete, "dropped": self._sets.dropped, **self._received}
            self.diagnose(stamp_ns, DiagnosticStatus.OK, "all cameras deliver", counts)

    def _on_odometry(self, message: Odometry) -> None:
        assert self._watch is not None
        twist = message.twist.twist
        speed = math.hypot(twist.linear.x, twist.linear.y)
        self._watch.moves(speed > MOVING_MPS or abs(twist.angular.z) > MOVING_RADPS)

    def _report_health(self) -> None:
        assert self._watch is not None
        counts = {"sets": self._complete, "sets_dropped": self._sets.dropped, "late": self._sets.late}
        self._diagnostics.publish(self._watch.report(counts))

    def _find_lost(self) -> None:
        assert self._watch is not None
        if (text := self._watch.lost()) is not None:
            self.report_failure(text, self._watch.now_ns)

    def _find_missing(self) -> None:
        if not self._sets.pending or time.monotonic() - self._stalled_since < MISSING_AFTER_S:
            return
        most = max(self._received.values())
        missing = [name for name, count in self._received.items() if count < most]
        text = f"no image from {', '.join(missing)} for {MISSING_AFTER_S:.0f} s while other cameras deliver"
        self.report_failure(text, self._sets.pending[-1])


def _topic(camera: Camera) -> str:
    return contracts.IMAGE.name.format(camera=camera.name)


def _check_size(camera: Camera, width: int, height: int) -> None:
    if (width, height) != (camera.width, camera.height):
        raise InputError(
            f"{_topic(camera)}: image is {width}x{height}, the rig file says {camera.width}x{camera.height}"
        )
