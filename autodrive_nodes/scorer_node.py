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

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import String

from autodrive.files import write_json
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts, messages
from autodrive_nodes.judges import make_judge
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.truth import truth_from_json


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
        self._published_ns: dict[int, int] = {}
        self._latency_ms: dict[str, list[float]] = {stage: [] for stage in stages}
        self._newest_ns = dict.fromkeys(stages, -1)
        self._answered: set[int] = set()
        self._complaints: dict[int, str] = {}  # by the stamp of the frame that was spoilt
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
        event = json.loads(message.data)
        self._frame_came = time.monotonic()
        self._published_ns[event["stamp_ns"]] = event["wall_ns"]
        self._give_up_if_hopeless()
        self._waiting.append(event)
        self._score_waiting()

    def _score_waiting(self) -> None:
        if self._judge.ready:
            waiting, self._waiting = self._waiting, []
            for event in waiting:
                self._score_event(event)

    def _on_stage(self, stage: str, data: bytes) -> None:
        now = time.monotonic_ns()
        stamp = messages.stamp_of(data)
        self._newest_ns[stage] = max(stamp, self._newest_ns[stage])
        if (published := self._published_ns.get(stamp)) is not None:
            self._latency_ms[stage].append((now - published) / 1e6)
        if stage == "perception":
            self._answered.add(stamp)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        for status in message.status:
            if status.level == DiagnosticStatus.ERROR and stamp_ns:
                self._complaints.setdefault(stamp_ns, f"{status.name}: {status.message}")

    def _watch(self) -> None:
        """In lockstep a frame stands until it is answered."""
        if not self._published_ns or time.monotonic() - self._frame_came < self.value("silence_s"):
            return
        stamp = max(self._published_ns)
        silent = next((stage for stage, newest in self._newest_ns.items() if newest < stamp), "world")
        why = f" ({self._complaints[stamp]})" if stamp in self._complaints else ""
        self._give_up(f"no answer from {silent} to the frame of {stamp / 1e9:.1f} s{why}")

    def _give_up_if_hopeless(self) -> None:
        recent = sorted(self._published_ns)[-self.value("failures") - 1 : -1]
        if len(recent) == self.value("failures") and all(stamp in self._complaints for stamp in recent):
            self._give_up(f"{self._complaints[recent[-1]]} ({len(recent)} frames in a row; {self._judge.when_blind})")

    def _give_up(self, text: str) -> None:
        if not self._given_up:
            self._given_up = True
            self.say_fatal(text)

    def _score_event(self, event: dict[str, Any]) -> None:
        truth = truth_from_json(event["truth"])
        self._judge.update(truth)
        if event["stamp_ns"] % 1_000_000_000 == 0 or "end" in event:
            _tell("PROGRESS", {"sim_seconds": event["stamp_ns"] / 1e9, **self._judge.progress(truth)})
        if "end" in event:
            self._finish(event, truth)

    def _finish(self, event: dict[str, Any], truth: GroundTruth) -> None:
        # the last frame is only shown, not acted on: it ends the run
        frames = [stamp for stamp in self._published_ns if stamp < event["stamp_ns"]]
        result = {
            **self._judge.result(truth),
            "end": event["end"],
            "sim_seconds": event["stamp_ns"] / 1e9,
            "frames": len(frames),
            "frames_dropped": sum(stamp not in self._answered for stamp in frames),
            "latency_ms": {stage: _percentiles(values) for stage, values in self._latency_ms.items()},
            "state_sha256": event["state_sha256"],
        }
        self._score.publish(String(data=json.dumps(result)))
        if self.value("out"):
            write_json(Path(self.value("out")) / "score.json", result)
        _tell("DONE", result)


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p99": 0.0}
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}


def _tell(word: str, document: dict[str, Any]) -> None:
    sys.stdout.write(f"{word} {json.dumps(document)}\n")
    sys.stdout.flush()
