"""Keeps everything that happened: a rosbag2 MCAP of every recorded topic, and a low-rate picture of the front camera.

Messages are written as the bytes in which they came. They are stamped with the newest /clock, so that a recording of a
simulation or of a replayed bag is in its time and not in ours.
"""

from __future__ import annotations

import importlib
import shutil
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage

from autodrive.data.bags import BagWriter, typestore
from autodrive.errors import ConfigError, EnvironmentProblem, InputError
from autodrive.rig import Rig, load_rig
from autodrive.transport.ring import RingReader
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.stage_node import StageNode

DEPTH = 2000  # messages that may wait while the disk is slow; a lockstep graph sends about 20 per tick
PREVIEW_PERIOD_NS = 1_000_000_000
CLOCK_PATIENCE_S = 5.0
_TIME = struct.Struct("<iI")  # Clock's only field, behind the four bytes of the CDR header


class RecorderNode(StageNode):
    """Writes OUT/bag; the bag gets its name when the node shuts down, an interrupted one has none."""

    defaults = {"rig": "", "out": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Open the bag and subscribe to every recorded topic."""
        rig = load_rig(Path(self.value("rig")))
        if not self.value("out"):
            raise ConfigError("recorder: parameter out is empty; name the folder for the recording")
        self._preview_camera = preview_camera(rig)
        self._reader = RingReader()
        self._preview_ns: int | None = None
        self._clock_ns: int | None = None
        self._without_clock = False
        self._early: list[tuple[str, bytes]] = []  # came before the first /clock
        topics = recorded_topics(rig)
        self._bag: BagWriter | None = open_bag(Path(self.value("out")) / "bag", topics)
        self._preview = self.say(contracts.FRONT_PREVIEW)
        for name, topic in topics.items():
            if topic is not contracts.FRONT_PREVIEW:  # our own
                concrete = Topic(name, topic.type, topic.owner, latched=topic.latched)
                self.hear(concrete, lambda data, n=name: self._record(n, data), depth=DEPTH, raw=True)  # type: ignore[misc]
        self.hear(contracts.FRAME_SET, self._on_frames)

    def started(self) -> None:
        """Wait for a clock, but not for ever."""
        self._started = time.monotonic()
        self._waiting = self.every(1.0, self._do_without_clock)

    def shutdown(self) -> None:
        """Finish the bag."""
        if (bag := getattr(self, "_bag", None)) is None:
            return
        self._without_clock = True
        try:
            self._flush()
            bag.close()
        except (OSError, EnvironmentProblem) as error:
            self.get_logger().error(f"recording: {bag.path} could not be finished: {error}")
        self._bag = None

    def _record(self, name: str, data: bytes) -> None:
        if name == contracts.CLOCK.name:
            seconds, nanoseconds = _TIME.unpack_from(data, 4)
            self._clock_ns = seconds * 1_000_000_000 + nanoseconds
        self._early.append((name, data))
        if self._clock_ns is not None or self._without_clock:
            self._flush()

    def _flush(self) -> None:
        """Write what waited; by the time of day only where there is no clock."""
        early, self._early = self._early, []
        for name, data in early:
            self._write(name, time.time_ns() if self._clock_ns is None else self._clock_ns, data)

    def _do_without_clock(self) -> None:
        late = time.monotonic() - self._started > CLOCK_PATIENCE_S
        self._without_clock = late and not self.count_publishers(contracts.CLOCK.name)
        if self._without_clock or self._clock_ns is not None:
            self.stop(self._waiting)

    def _write(self, name: str, stamp_ns: int, data: bytes) -> None:
        if self._bag is None:
            return
        try:
            self._bag.write(name, stamp_ns, data)
        except OSError as error:
            bag, self._bag = self._bag, None  # half a bag never gets the final name
            raise EnvironmentProblem(f"recording to {bag.path} stopped: {error.strerror}; free some space") from error

    def _on_frames(self, message: CompressedImage) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        if self._preview_ns is not None and 0 <= stamp_ns - self._preview_ns < PREVIEW_PERIOD_NS:
            return
        descriptors = dict(frame_set.from_message(message))
        if self._preview_camera not in descriptors:
            raise InputError(f"frame set has no camera {self._preview_camera!r}; it has {list(descriptors)}")
        image = self._reader.view(descriptors[self._preview_camera])
        _, jpeg = cv2.imencode(".jpg", image[..., ::-1])
        header = messages.header(stamp_ns, f"camera/{self._preview_camera}_optical")
        preview = CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=jpeg.tobytes())
        self._preview_ns = stamp_ns
        self._record(contracts.FRONT_PREVIEW.name, serialize_message(preview))
        if self.count_publishers(contracts.FRONT_PREVIEW.name) == 1:  # else a camera of that name publishes itself
            self._preview.publish(preview)


def preview_camera(rig: Rig) -> str:
    """The first camera with "front" in its name, else the first."""
    names = [c.name for c in rig.cameras]
    return next((n for n in names if "front" in n), names[0])


def recorded_topics(rig: Rig) -> dict[str, Topic]:
    """Every topic that is recorded, by its full name."""
    return {
        topic.name.format(camera=camera.name): topic
        for topic in contracts.TOPICS
        for camera in rig.cameras
        if topic.recorded
    }


def open_bag(path: Path, topics: dict[str, Topic]) -> BagWriter:
    """A new bag for ``topics``; an older one of that name is removed, as it is not of this run."""
    store = typestore(_definitions(topic.type.split("/")[0] for topic in topics.values()))
    try:
        shutil.rmtree(path, ignore_errors=True)
        return BagWriter(path, [(name, topic.type) for name, topic in topics.items()], store)
    except OSError as error:
        raise EnvironmentProblem(f"cannot record to {path}: {error.strerror}") from error


def _definitions(packages: Iterable[str]) -> list[Path]:
    """The share directories in which installed message packages keep their .msg files.

    They are found from the Python modules, since the ament index needs an environment variable that pip does not set.
    """
    return [_share(package) for package in sorted(set(packages))]


def _share(package: str) -> Path:
    module = importlib.import_module(package)
    for prefix in Path(str(module.__file__)).resolve().parents:
        if (prefix / "share" / package / "msg").is_dir():
            return prefix / "share" / package
    raise EnvironmentProblem(f"message package {package} is installed without its definitions; run `make setup`")
