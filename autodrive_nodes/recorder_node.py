"""Keeps everything that happened: a rosbag2 MCAP of every recorded topic, and a low-rate picture of the front camera.

Messages are written as the bytes in which they came, by a thread of its own: a slow disk loses messages, which are
counted and said on /diagnostics, and never stalls the graph. They are stamped with the newest /clock, so that a
recording of a simulation or of a replayed bag is in its time and not in ours.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger as KeepMoment

from autodrive.errors import ConfigError, EnvironmentProblem
from autodrive.recording.bag_writer import describe, offered_qos
from autodrive.recording.spool import Spool
from autodrive.recording.triggers import make_triggers
from autodrive.rig import load_rig
from autodrive_nodes import contracts
from autodrive_nodes.camera_tap import JPEG, CameraTap
from autodrive_nodes.contracts import Topic
from autodrive_nodes.moments import Moments
from autodrive_nodes.preview import Preview
from autodrive_nodes.recorded_topics import (
    Found,
    add_types,
    discover,
    find,
    image_topics,
    make_store,
    open_bag,
    recorded_topics,
)
from autodrive_nodes.stage_node import StageNode

DEPTH = 2000  # messages that may wait while the disk is slow; a lockstep graph sends about 20 per tick
IMAGE_DEPTH = 100  # of plain images and of topics that are not ours, whose messages may be large
CLOCK_PATIENCE_S = 5.0
LOOK_EVERY_S = 0.5
_TIME = struct.Struct("<iI")  # Clock's only field, behind the four bytes of the CDR header


class RecorderNode(StageNode):
    """Writes OUT/bag; one that was interrupted has no metadata.yaml, and `autodrive bag repair` finishes it.

    ``topics`` are patterns as of a shell of what is recorded, also of nodes that are not ours (none: all that
    ``contracts`` marks); ``images`` are "raw" or "jpeg" to record every camera as well; ``triggers`` are the reasons
    for which moments are kept (autodrive/recording/triggers.py).
    """

    defaults = {  # noqa: RUF012
        "rig": "",
        "out": "",
        "topics": [""],
        "images": "",
        "triggers": ["hard_braking", "disengagement", "planner_fallback", "disagreement", "operator_button"],
    }

    _spool: Spool | None
    _moments: Moments

    def setup(self) -> None:
        """Open the bag and subscribe to every recorded topic."""
        rig = load_rig(Path(self.value("rig")))
        if not self.value("out"):
            raise ConfigError("recorder: parameter out is empty; name the folder for the recording")
        self._patterns = tuple(pattern for pattern in self.value("topics") if pattern)
        self._clock_ns: int | None = None
        self._without_clock = False
        self._early: list[tuple[str, bytes]] = []  # came before the first /clock
        images = image_topics(rig, self.value("images"))
        self._topics = {**recorded_topics(rig, self._patterns), **images}
        self._open(Path(self.value("out")))
        self.create_service(KeepMoment, "~/keep_moment", self._on_keep_moment)
        self._passed_over: set[str] = set()
        self._without_memory: set[str] = set()
        self._tap = CameraTap(self.value("images"))
        self._overwritten: Counter[str] = Counter()  # images that were gone before they were copied
        self._said_lost, self._said_problems = 0, 0
        keep = contracts.FRONT_PREVIEW.name in self._topics and self.value("images") != JPEG
        self._preview = Preview(self, rig, partial(self._record, contracts.FRONT_PREVIEW.name) if keep else None)
        for name, topic in {**self._topics, contracts.CLOCK.name: contracts.CLOCK}.items():
            if topic is not contracts.FRONT_PREVIEW and name not in images:
                self._hear_bytes(Topic(name, topic.type, topic.owner, latched=topic.latched), DEPTH)
        self._cameras = {c.name: name for c, name in zip(rig.cameras, images, strict=bool(images))}
        for camera, name in self._cameras.items():
            self.hear(contracts.IMAGE_SHM, partial(self._on_descriptor, name), depth=DEPTH, camera=camera)

    def started(self) -> None:
        """Wait for a clock, but not for ever; look after the disk, and for topics that come."""
        self._started = time.monotonic()
        self.every(1.0, self._look_at_disk)
        self.every(LOOK_EVERY_S, self._look_for_topics)
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
        for problem in filter(None, (spool.problem, *self._moments.problems)):
            self.get_logger().error(f"recording: {problem}")
        lacks = {"bag": spool.lost + self._overwritten, "moments": self._moments.lost}
        for name, lost in lacks.items():
            if lost:
                self.get_logger().error(f"recording: {self.value('out')}/{name} lacks {_counts(lost)}")

    def _open(self, out: Path) -> None:
        self._store = make_store(self._topics.values())
        bag = open_bag(out / "bag", self._topics, self._store)  # what cannot be written is refused here
        self._spool = Spool(lambda: bag)
        triggers = make_triggers([name for name in self.value("triggers") if name])
        self._moments = Moments(out / "moments", triggers, lambda path: open_bag(path, self._topics, self._store))

    def _hear_bytes(self, topic: Topic, depth: int, *, reliable: bool = True) -> None:
        self.hear(topic, partial(self._record, topic.name), depth=depth, raw=True, reliable=reliable)

    def _look_for_topics(self) -> None:
        """Others that match the patterns, and images of cameras that share no memory with us."""
        known = self._topics.keys() | self._passed_over
        found = list(discover(self, self._patterns, known))
        for one in found:
            self._add(one)
        for camera, name in self._cameras.items():
            if name not in self._passed_over:
                self._hear_plain_images(camera, name)

    def _hear_plain_images(self, camera: str, name: str) -> None:
        """Where nobody shares memory: whether that is so is known when it was so twice, as discovery takes its time."""
        if self.count_publishers(contracts.IMAGE_SHM.name.format(camera=camera)):
            self._without_memory.discard(name)
        elif (image := find(self, name, self._topics[name].type)) is None:
            return
        elif name not in self._without_memory:
            self._without_memory.add(name)
        else:
            self._passed_over.add(name)
            self._hear_bytes(image.topic, IMAGE_DEPTH, reliable=image.reliable)

    def _add(self, found: Found) -> None:
        """Record one more topic from now on."""
        topic = found.topic
        self._passed_over.add(topic.name)  # a failure below is said once
        add_types(self._store, topic)
        self._topics = {**self._topics, topic.name: topic}
        offered = offered_qos(topic.latched, reliable=found.reliable)
        connection = describe(topic.name, topic.type, self._store, offered)
        if self._spool is not None:
            self._spool.declare(connection)
        self._moments.declare(connection)
        self._hear_bytes(topic, IMAGE_DEPTH, reliable=found.reliable)

    def _on_descriptor(self, name: str, message: CompressedImage) -> None:
        if (data := self._tap.take(message)) is None:
            self._overwritten[name] += 1
        else:
            self._record(name, data)

    def _record(self, name: str, data: bytes) -> None:
        if name == contracts.CLOCK.name:
            seconds, nanoseconds = _TIME.unpack_from(data, 4)
            self._clock_ns = seconds * 1_000_000_000 + nanoseconds
        if name in self._topics:
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
        response.message = "kept" if response.success else "no new one: one is being kept and lengthened, or no trigger"
        return response

    def _look_at_disk(self) -> None:
        """Say why writing ended, and every second in which messages were lost how many."""
        if self._spool is None:
            return
        self._moments.look_after()
        for problem in self._moments.problems[self._said_problems :]:
            self.report_failure(f"recording: {problem}")
        self._said_problems = len(self._moments.problems)
        lost = self._spool.lost + self._overwritten + self._moments.lost
        if lost.total() == self._said_lost:
            return
        self._said_lost = lost.total()
        if self._spool.problem:
            raise EnvironmentProblem(f"recording stopped: {self._spool.problem}")
        text = "the disk is too slow for what is recorded: messages are lost"
        self.diagnose(self._clock_ns or 0, DiagnosticStatus.WARN, text, dict(lost))


def _counts(lost: Counter[str]) -> str:
    return ", ".join(f"{count} of {topic}" for topic, count in lost.most_common())
