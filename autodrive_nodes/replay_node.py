"""Plays a recorded drive into some stages, frame by frame, and keeps what they answer.

The next frame follows when every answer that was recorded for this one has come again: the result does not depend on
the machine's speed. To the supervisor it talks as the scorer does: ``PROGRESS {json}``, ``DONE {json}``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from autodrive.data.bags import BagBytes, BagReader
from autodrive.errors import ConfigError, InputError
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.frames import Frame, ImageStream, gather, stamp_in, stamp_of
from autodrive_nodes import contracts
from autodrive_nodes.contracts import Topic
from autodrive_nodes.image_player import ImagePlayer
from autodrive_nodes.recorded_topics import open_bag
from autodrive_nodes.replay_topics import VISION, images_of, topics_of
from autodrive_nodes.stage_node import StageNode

SETTLE_S = 0.7
FIRST_PATIENCE_S, PATIENCE_S = 20.0, 5.0
UNSTAMPED = -1
HOPELESS = 3  # frames in a row without all answers


class ReplayNode(StageNode):
    """bag -> all that ``stages`` did not say themselves; OUT/bag keeps what they say now."""

    defaults = {"bag": "", "out": "", "stages": [""], "from_s": 0.0, "to_s": 1e9, "rate": 0.0}  # noqa: RUF012

    def setup(self) -> None:
        """Read the part of the bag that is to be played."""
        stages, path = set(self.value("stages")), Path(self.value("bag"))
        if not self.value("out"):
            raise ConfigError("replay: parameter out is empty; name the folder for the answers")
        self._source: BagReader | None = BagReader(path)
        recorded = {t.name for t in self._source.topics() if t.count}
        outputs, inputs = topics_of(stages, recorded)
        images = images_of(stages, recorded)
        if not outputs or not inputs:
            raise InputError(f"bag {path} has nothing that {sorted(stages)} said, or nothing to play to them")
        if VISION[0] in stages and not images:
            raise InputError(f"bag {path} has no images to play to {VISION[0]}; record them: run ... --record-images")
        source = self._source
        items = [i for i in source.serialized([*outputs, *inputs]) if self._is_played(source, i, stages)]
        self._frames = self._part(items, outputs, inputs)
        self._images, self._cameras = ImageStream(source.serialized(images)), ImagePlayer(self, source, images)
        self._expected = len(self._frames)
        self._pace_ns = (self._frames[0].stamp_ns, time.monotonic_ns())
        self._bag: BagWriter | None = open_bag(Path(self.value("out")) / "bag", outputs)
        self._frame: Frame | None = None
        self._came: dict[tuple[str, int], list[bytes]] = {}
        self._missing: Counter[str] = Counter()
        self._failed, self._asked = 0, 0.0
        self._players = {name: self.say(topic) for name, topic in inputs.items()}
        for name, topic in outputs.items():
            self.hear(topic, lambda data, n=name, t=topic: self._on_answer(n, t, data), raw=True, required=True)  # type: ignore[misc]

    def _part(self, items: list[BagBytes], outputs: dict[str, Topic], inputs: dict[str, Topic]) -> list[Frame]:
        latched = {name for name, topic in inputs.items() if topic.latched}
        start_ns = min(stamp_of(i) for i in items if i.topic not in latched)
        first, last = (start_ns + round(self.value(k) * 1e9) for k in ("from_s", "to_s"))
        frames = list(gather(items, outputs.keys(), latched, first, last))
        if not frames:
            raise InputError(f"bag {self.value('bag')} has nothing between --from and --to")
        return frames[::-1]

    def _is_played(self, bag: BagReader, item: BagBytes, stages: set[str]) -> bool:
        """Of /diagnostics only failures of others, which the gate answers."""
        if item.topic != contracts.DIAGNOSTICS.name:
            return True
        status = bag.decode(item).status
        return all(s.level == DiagnosticStatus.ERROR[0] and s.name not in stages for s in status)

    def started(self) -> None:
        """Begin when nobody new comes to listen."""
        self._matched: tuple[int, float] = (0, time.monotonic())
        self._timer = self.every(0.1, self._begin_when_heard)

    def shutdown(self) -> None:
        """Finish the bag of answers."""
        for bag in (getattr(self, "_bag", None), getattr(self, "_source", None)):
            if bag is not None:
                bag.close()
        self._bag = self._source = None
        if (cameras := getattr(self, "_cameras", None)) is not None:
            cameras.close()

    def _begin_when_heard(self) -> None:
        cameras = [publisher.get_subscription_count() for publisher in self._cameras.publishers.values()]
        matched = sum(cameras) + sum(player.get_subscription_count() for player in self._players.values())
        if matched != self._matched[0] or not all(cameras):
            self._matched = (matched, time.monotonic())
        if matched and time.monotonic() - self._matched[1] > SETTLE_S:
            self.stop(self._timer)
            self._timer = self.every(0.25, self._look_at_clock)
            self._began = time.monotonic()
            self._pace_ns = (self._frames[-1].stamp_ns, time.monotonic_ns())
            self._next()

    def _next(self) -> None:
        while self._frames:
            self._frame = self._frames.pop()
            self._keep_pace(self._frame.stamp_ns)
            self._asked = time.monotonic()
            for item in self._frame.inputs:
                self._players[item.topic].publish(item.data)
            for item in self._images.take(self._frame.stamp_ns):
                self._cameras.play(item)
            if (self._expected - len(self._frames)) % 10 == 0:
                _tell("PROGRESS", {"frames": self._expected - len(self._frames), "expected": self._expected})
            if self._open():
                return
            self._keep_answers()
        self._frame = None
        self.stop(self._timer)
        seconds = time.monotonic() - self._began
        self.shutdown()
        _tell("DONE", {"frames": self._expected, "seconds": seconds, "missing": dict(self._missing)})

    def _keep_pace(self, stamp_ns: int) -> None:
        if rate := self.value("rate"):
            due_ns = self._pace_ns[1] + (stamp_ns - self._pace_ns[0]) / rate
            time.sleep(max(due_ns - time.monotonic_ns(), 0) * 1e-9)

    def _on_answer(self, name: str, topic: Topic, data: bytes) -> None:
        stamp_ns = stamp_of(BagBytes(name, UNSTAMPED, topic.type, data))
        self._came.setdefault((name, stamp_ns), []).append(data)
        if self._frame is not None and not self._open():
            self._failed = 0
            self._finish_frame()

    def _open(self) -> list[str]:
        """Topics whose answer to the frame has not come."""
        assert self._frame is not None
        stamp_ns = self._frame.stamp_ns
        wanted = Counter(a.topic for a in self._frame.answers if stamp_in(a) is not None)  # others come with them
        return [name for name, count in wanted.items() if len(self._came.get((name, stamp_ns), ())) < count]

    def _finish_frame(self) -> None:
        self._keep_answers()
        self._frame = None
        self._next()

    def _keep_answers(self) -> None:
        assert self._frame is not None and self._bag is not None
        for (name, _), answers in sorted(self._came.items()):
            for data in answers:
                self._bag.write(name, self._frame.stamp_ns, data)
        self._came = {}

    def _look_at_clock(self) -> None:
        patience = PATIENCE_S if self._bag is not None and len(self._frames) < self._expected - 1 else FIRST_PATIENCE_S
        if self._frame is None or time.monotonic() - self._asked < patience:
            return
        silent = self._open()
        self._missing.update(silent)
        self._failed += 1
        if self._failed == HOPELESS:
            self.say_fatal(f"replay: no answer on {silent[0]} to {HOPELESS} frames in a row; see the stage's log")
            raise SystemExit(1)
        self._finish_frame()


def _tell(word: str, document: dict[str, Any]) -> None:
    sys.stdout.write(f"{word} {json.dumps(document)}\n")
    sys.stdout.flush()
