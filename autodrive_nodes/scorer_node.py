"""Judges a simulated run from the simulator's truth, measures how long each stage takes, and tells the supervisor.

It talks to the supervisor in lines on standard output: ``PROGRESS {json}`` every simulated second, ``DONE {json}`` at
the end, or ``FATAL: text`` when a stage stays silent or fails frame after frame.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import String

from autodrive.errors import InputError
from autodrive.files import write_json
from autodrive.plain import PROBLEMS, from_json, from_plain
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts, messages
from autodrive_nodes.frame_tally import FrameTally
from autodrive_nodes.judges import make_judge
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.truth import truth_from_json

UNDER_WAY_NS = 1_000_000_000  # so late an answer may still come in, behind newer frames


class ScorerNode(StageNode):
    """Listens only; ``body`` chooses the judge, ``task`` is what it judges by.

    ``silence_s`` (wall clock) without a frame or ``failures`` spoilt frames in a row end the run.
    """

    defaults = {"out": "", "body": "car", "task": "", "silence_s": 30.0, "failures": 50}  # noqa: RUF012

    def setup(self) -> None:
        """Subscribe to the truth and, undecoded, to the output of each stage."""
        self._judge = make_judge(self.value("body"), self.value("task"))
        stages = self._judge.stages
        self._waiting: list[dict[str, Any]] = []
        self._tally = FrameTally(stages, answering="perception")
        self._given_up = False
        self._frame_came = time.monotonic()
        self._score = self.say(contracts.SCORE)
        self._judge.listen(self, self._score_waiting)
        self.hear(contracts.TRUTH_EVENTS, self._on_event, required=True)
        self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        for stage, topic in stages.items():
            self.hear(topic, partial(self._on_stage, stage), raw=True, required=True)

    def started(self) -> None:
        """Watch for silence."""
        self.every(1.0, self._watch)

    def _on_event(self, message: String) -> None:
        event = _event(message.data)
        self._frame_came = time.monotonic()
        self._tally.publish(event["stamp_ns"], event["wall_ns"])
        self._give_up_if_hopeless()
        self._waiting.append(event)
        self._score_waiting()

    def _score_waiting(self) -> None:
        if self._judge.ready:
            waiting, self._waiting = self._waiting, []
            for event in waiting:
                self._score_event(event)

    def _on_stage(self, stage: str, data: bytes) -> None:
        self._tally.answer(stage, messages.stamp_of(data), time.monotonic_ns())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        for status in message.status:
            if status.level == DiagnosticStatus.ERROR and stamp_ns:
                self._tally.complain(stamp_ns, f"{status.name}: {status.message}")

    def _watch(self) -> None:
        """In lockstep a frame stands until it is answered."""
        if time.monotonic() - self._frame_came > self.value("silence_s") and (text := self._tally.silent()):
            self._give_up(text)

    def _give_up_if_hopeless(self) -> None:
        if text := self._tally.spoilt(self.value("failures")):
            self._give_up(f"{text} ({self.value('failures')} frames in a row; {self._judge.when_blind})")

    def _give_up(self, text: str) -> None:
        if not self._given_up:
            self._given_up = True
            self.say_fatal(text)

    def _score_event(self, event: dict[str, Any]) -> None:
        truth = truth_from_json(event["truth"])
        self._judge.update(truth)
        if event["stamp_ns"] % 1_000_000_000 == 0 or "end" in event:
            told = self._counts(event["stamp_ns"] - UNDER_WAY_NS) | {"sim_seconds": event["stamp_ns"] / 1e9}
            _tell("PROGRESS", {**told, **self._judge.progress(truth)})
        if "end" in event:
            self._finish(event, truth)

    def _counts(self, stamp_ns: int) -> dict[str, Any]:
        """Of the frames before ``stamp_ns``: later ones are under way, the last is only shown and not acted on."""
        return {
            "sim_seconds": stamp_ns / 1e9,
            "frames": self._tally.frames(stamp_ns),
            "frames_dropped": self._tally.dropped(stamp_ns),
            "latency_ms": self._tally.recent_latency_ms(),
        }

    def _finish(self, event: dict[str, Any], truth: GroundTruth) -> None:
        result = {
            **self._judge.result(truth),
            "end": event["end"],
            **self._counts(event["stamp_ns"]),
            "latency_ms": self._tally.latency_ms(),
            "state_sha256": event["state_sha256"],
        }
        self._score.publish(String(data=json.dumps(result)))
        if self.value("out"):
            write_json(Path(self.value("out")) / "score.json", result)
        _tell("DONE", result)


def _event(text: str) -> dict[str, Any]:
    """A truth event as far as the scorer itself reads it; raises InputError."""
    try:
        event: dict[str, Any] = from_json(text)
        for key in ("stamp_ns", "wall_ns"):
            from_plain(int, event[key], key)
        if "end" in event:
            from_plain(str, event["state_sha256"], "state_sha256")
        from_plain(float, event["truth"]["speed"], "speed")
    except PROBLEMS as error:
        raise InputError(f"{contracts.TRUTH_EVENTS.name} is malformed ({error}): {text[:200]}") from error
    return event


def _tell(word: str, document: dict[str, Any]) -> None:
    sys.stdout.write(f"{word} {json.dumps(document)}\n")
    sys.stdout.flush()
