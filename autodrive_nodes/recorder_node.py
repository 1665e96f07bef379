"""Keeps everything that happened: a rosbag2 MCAP of every recorded topic, and a low-rate picture of the front camera.

Messages are written as the bytes in which they came, by a thread of its own: a slow disk loses messages, which are
counted and said on /diagnostics, and never stalls the graph. They are stamped with the newest /clock, so that a
recording of a simulation or of a replayed bag is in its time and not in ours.
"""

from __future__ import annotations

import importlib
import struct
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger as KeepMoment

from autodrive.data.bags import typestore
from autodrive.errors import ConfigError, EnvironmentProblem, InputError
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.spool import Spool
from autodrive.recording.triggers import make_triggers
from autodrive.rig import Rig, load_rig
from autodrive.transport.ring import RingReader
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.moments import Moments
from autodrive_nodes.stage_node import StageNode

DEPTH = 2000  # messages that may wait while the disk is slow; a lockstep graph sends about 20 per tick
PREVIEW_PERIOD_NS = 1_000_000_000
CLOCK_PATIENCE_S = 5.0
_TIME = struct.Struct("<iI")  # Clock's only field, behind the four bytes of the CDR header


class RecorderNode(StageNode):
    """Writes OUT/bag; one that was interrupted has no metadata.yaml, and `autodrive bag repair` finishes it."""

    # the reasons for which moments are kept (autodrive/recording/triggers.py)
    defaults = {"rig": "", "out": "", "triggers": ["hard_braking", "disagreement", "operator_button"]}  # noqa: RUF012

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
        out = Path(self.value("out"))
        self._spool: Spool | None = Spool(open_bag(out / "bag", topics))
        triggers = make_triggers([name for name in self.value("triggers") if name])
        self._moments = Moments(out / "moments", triggers, lambda path: open_bag(path, topics))
        self.create_service(KeepMoment, "~/keep_moment", self._on_keep_moment)
        self._said_lost = 0
        self._preview = self.say(contracts.FRONT_PREVIEW)
        for name, topic in topics.items():
            if topic is not contracts.FRONT_PREVIEW:  # our own
                concrete = Topic(name, topic.type, topic.owner, latched=topic.latched)
                self.hear(concrete, lambda data, n=name: self._record(n, data), depth=DEPTH, raw=True)  # type: ignore[misc]
        self.hear(contracts.FRAME_SET, self._on_frames)

    def started(self) -> None:
        """Wait for a clock, but not for ever; look after the disk."""
        self._started = time.monotonic()
        self.every(1.0, self._look_at_disk)
        self._waiting = self.every(1.0, self._do_without_clock)

    def shutdown(self) -> None:
        """Finish the bag."""
        if (spool := getattr(self, "_spool", None)) is None:
            return
        self._without_clock = True
        self._flush()
        spool.close()
        self._moments.close()
        self._spool = None
        if spool.problem:
            self.get_logger().error(f"recording: {spool.problem}")
        if spool.lost:
            self.get_logger().error(f"recording: {spool.bag.path} lacks {_counts(spool.lost)}")

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
        if self._spool is not None:
            self._spool.put(name, stamp_ns, data)
            if fired := self._moments.put(name, stamp_ns, data):
                self.get_logger().info(f"a moment worth keeping at {stamp_ns * 1e-9:.1f} s: {fired}")

    def _on_keep_moment(self, _: KeepMoment.Request, response: KeepMoment.Response) -> KeepMoment.Response:
        response.success = bool(self._moments.press(self._clock_ns or time.time_ns()))
        response.message = "kept" if response.success else "not kept: one is being kept, or no trigger is set"
        return response

    def _look_at_disk(self) -> None:
        """Say once why writing ended, and every second in which messages were lost how many."""
        if self._spool is None or (lost := self._spool.lost.total()) == self._said_lost:
            return
        self._said_lost = lost
        if self._spool.problem:
            raise EnvironmentProblem(f"recording stopped: {self._spool.problem}")
        text = "the disk is too slow for what is recorded: messages are lost"
        self.diagnose(self._clock_ns or 0, DiagnosticStatus.WARN, text, dict(self._spool.lost))

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
        latched = {name for name, topic in topics.items() if topic.latched}
        return BagWriter(path, [(name, topic.type) for name, topic in topics.items()], store, latched=latched)
    except OSError as error:
        raise EnvironmentProblem(f"cannot record to {path}: {error.strerror}") from error


def _counts(lost: Counter[str]) -> str:
    return ", ".join(f"{count} of {topic}" for topic, count in lost.most_common())


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
