"""Runs a campaign: starts the graph, waits until the body moves, breaks something, watches, mends it, and goes on.

Faults that a body recovers from are made one after the other in one run; those that end a run have one of their own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import yaml

from autodrive.errors import EnvironmentProblem
from autodrive.faults.campaign import CAMERA, END, INJECTED, KINDS, NODE, STOP, Fault
from autodrive.faults.judge import Bounds, Course, Outcome, judge, stopping, untried
from autodrive.files import write_atomic
from autodrive_nodes import contracts
from autodrive_nodes import fault_processes as processes
from autodrive_nodes.fault_bodies import FaultBody
from autodrive_nodes.fault_graph import topics_by_name
from autodrive_nodes.fault_run import FaultRun
from autodrive_nodes.fault_watch import FaultWatch
from autodrive_nodes.graph import Options

PER_RUN = 16
START_WALL_S = 120.0
MOVING_S = 40.0  # to get on its way, in the beginning and after a fault
ANYWAY_S = 0.5
BEFORE_S = 1.5  # what is said so shortly before a fault is not said because of it
POLL_S = 0.05
SLOW = 3.0  # a simulated second may take so many of the wall clock
ROUTINE = ("route completed", "time is over", "the task is over")
ATTEMPTS = 3
POSE_LOST = re.compile("initial ?pose")
RECORDING = ("recorder", "video")


class RunOver(Exception):
    """The run came to its ordinary end, or the trial says nothing: a new run is needed."""


@dataclass
class Campaigner:
    """Makes faults on one body from one seed on; ``note`` is told what is being done, the world runs at ``pace``."""

    body: FaultBody
    seed: int
    out: Path
    engine: Path
    note: Callable[[str], None]
    pace: float = 1.0

    def run(self, faults: Sequence[Fault]) -> Iterator[Outcome]:
        """Every fault's outcome, in the order in which they were made."""
        solitary = [fault for fault in faults if _solitary(fault)]
        waiting = [fault for fault in faults if not _solitary(fault)]
        batches = [waiting[k : k + PER_RUN] for k in range(0, len(waiting), PER_RUN)]
        for number, batch in enumerate([*batches, *([fault] for fault in solitary)]):
            yield from self._batch(batch, self.out / f"{number:03d}")

    def _batch(self, faults: Sequence[Fault], out: Path) -> Iterator[Outcome]:
        left, failures = list(faults), 0
        for attempt in count():
            if not left:
                return
            before = len(left)
            for outcome in _Run(self, tuple(left), out / str(attempt)).outcomes():
                left.pop(0)
                yield outcome
            failures = failures + 1 if len(left) == before else 0
            if failures == ATTEMPTS:
                failures = 0
                yield untried(left.pop(0), f"the {self.body.name} did not get on its way in {ATTEMPTS} runs")


class _Run:
    """One run of the graph, and the faults that it is to take."""

    def __init__(self, campaigner: Campaigner, faults: Sequence[Fault], out: Path) -> None:
        self._body, self._faults, self._note = campaigner.body, faults, campaigner.note
        self._options = _options(campaigner, faults, out)
        self._seed = campaigner.seed
        self._keep_going: Callable[[], None] = lambda: None

    def outcomes(self) -> Iterator[Outcome]:
        """One per fault until the run is over."""
        with (
            FaultRun(self._options) as self._run,
            closing(FaultWatch(self._run.domain, self._options.pace)) as self._watch,
        ):
            self._start()
            for fault in self._faults:
                self._note(f"{fault.name}: getting on its way")
                if not self._wait(self._is_well, MOVING_S):
                    return
                try:
                    course = self._make(fault)
                except RunOver:
                    return
                yield judge(course, self._body.bounds)
                if self._run.over or fault.final or course.moving_s is None:
                    return

    def _start(self) -> None:
        self._note("starting")
        deadline = time.monotonic() + START_WALL_S
        while self._watch.truth is None or (self._options.faults and not self._watch.injector_listens()):
            self._look()
            if self._run.over or time.monotonic() > deadline:
                raise EnvironmentProblem(f"the run did not come up: {self._run.last_words or 'nothing was said'}")
        self._keep_going = self._body.keep_going(self._watch, self._seed)

    def _look(self) -> None:
        self._watch.spin(POLL_S)
        for line in self._run.lines():
            self._watch.note("supervisor", line)

    def _moves(self) -> bool:
        self._keep_going()
        watch = self._watch
        return watch.speed > self._body.moving_mps and not watch.stopped

    def _is_well(self) -> bool:
        """It moves, and has been let go for so long that what was said before is over."""
        return self._moves() and self._watch.now_s - self._watch.held_s > BEFORE_S

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether a condition came true within simulated ``seconds``; also False when the run ends."""
        end_s, end_wall_s = self._watch.now_s + seconds, time.monotonic() + SLOW * seconds / self._options.pace
        while not condition():
            if self._run.over or self._watch.now_s > end_s or time.monotonic() > end_wall_s:
                return False
            self._look()
        return True

    def _make(self, fault: Fault) -> Course:
        self._note(fault.name)
        watch = self._watch
        at_s = watch.now_s
        before = frozenset(said.key for said in watch.said if said.at_s > at_s - BEFORE_S)
        first_word, watch.effect = len(watch.said), None
        end = self._break(fault)
        try:
            self._hold(fault, at_s)
        finally:
            end()
        course = Course(fault, at_s, (), (), before)
        if fault.expect == END:
            self._wait(lambda: self._run.over, 60.0)
        released_s, moving_s = self._mend(fault)
        if (watch.ended in ROUTINE and fault.expect != END) or self._touched_anyway(at_s):
            raise RunOver
        ended = ""
        if self._run.over:
            self._run.end()
            self._look()
            ended = self._run.last_words or "without a word"
        return replace(
            course,
            samples=self._body.samples(watch),
            said=tuple(watch.said[first_word:]),
            released_s=released_s,
            moving_s=moving_s,
            ended=ended,
            effect=watch.effect if fault.kind in INJECTED else None,
        )

    def _touched_anyway(self, at_s: float) -> bool:
        """What is touched so soon after a fault would have been touched without it: that trial says nothing."""
        return any(s.contacts for s in self._watch.samples if at_s - BEFORE_S < s.at_s <= at_s + ANYWAY_S)

    def _hold(self, fault: Fault, at_s: float) -> None:
        """As long as the fault is to last; one that must stop the body lasts until it stands, if it does in time."""
        self._wait(lambda: False, fault.seconds)
        if fault.expect == STOP:
            self._wait(lambda: self._stands(at_s), _longest_stop_s(self._body.bounds, self._watch.speed))

    def _stands(self, at_s: float) -> bool:
        _, standing_s = stopping(self._body.samples(self._watch)[-200:], at_s, self._body.bounds.standing_mps)
        return standing_s is not None

    def _mend(self, fault: Fault) -> tuple[float | None, float | None]:
        """Once nothing is broken any more: forgiveness, and on. When nothing held it any more, and when it moved."""
        self._wait(lambda: False, 0.5)
        if fault.final or fault.expect == END:
            self._wait(lambda: False, 2.0)
            return None, None
        self._note(f"{fault.name}: mended")
        asked_wall_s, released_s = time.monotonic(), None

        def going() -> bool:
            nonlocal asked_wall_s, released_s
            held = self._watch.latched or self._watch.stopped
            if held and time.monotonic() - asked_wall_s > 1.0:
                asked_wall_s = time.monotonic()
                self._operate()
            if not held and released_s is None:
                released_s = self._watch.now_s
            return self._moves()

        return (released_s, self._watch.now_s) if self._wait(going, MOVING_S) else (released_s, None)

    def _operate(self) -> None:
        """What an operator does beside a body that stands: says where it is, if it asks for that, and resets."""
        recent = [said for said in self._watch.said if said.at_s > self._watch.now_s - BEFORE_S]
        if any(POSE_LOST.search(said.text) for said in recent):
            self._watch.tell_pose()
        self._watch.ask_reset()

    def _break(self, fault: Fault) -> processes.Ending:
        run, watch = self._run, self._watch
        if fault.kind in INJECTED:
            watch.order(fault.kind, fault.target)
            return lambda: watch.order("", "")
        if fault.kind == "intruder":
            topic = topics_by_name(("",))[fault.target]
            return watch.intrude(topic, self._body.intruder[fault.target])
        if fault.kind == "cpu_load":
            return processes.load_machine()
        if fault.kind == "shm_gone":
            return processes.unlink_shared_memory(run, (self._body.group_of(self._options, self._body.world),))
        group, engine = self._body.group_of(self._options, fault.target), Path(self._options.engine)
        makers: dict[str, Callable[[], processes.Ending]] = {
            "killed": lambda: processes.kill(run, group),
            "hung": lambda: processes.hang(run, group),
            "engine_deleted": lambda: processes.delete_engine(run, group, engine),
            "engine_corrupted": lambda: processes.corrupt_engine(run, group, engine),
            "memory_pressure": lambda: processes.press_memory(run, group),
            "disk_full": lambda: processes.fill_disk(run, group),
        }
        return makers[fault.kind]()


def _solitary(fault: Fault) -> bool:
    return fault.alone or fault.final or fault.expect == END


def _longest_stop_s(bounds: Bounds, speed: float) -> float:
    return bounds.timeout_s + 3.0 + speed / bounds.deceleration


def _options(campaigner: Campaigner, faults: Sequence[Fault], out: Path) -> Options:
    body = campaigner.body
    options = replace(
        body.graph(campaigner.seed),
        out=str(out.resolve()),
        engine=str(campaigner.engine.resolve()),
        pace=campaigner.pace,
    )
    # a process for every node costs time on few cores, and is needed only where processes are broken
    options = replace(options, isolated=any(KINDS[fault.kind] == NODE for fault in faults))
    if any(fault.kind.startswith("engine_") for fault in faults):
        options = replace(options, engine=str(processes.copy_engine(campaigner.engine, out.resolve() / "engine")))
    if any(fault.target in RECORDING for fault in faults):
        options = replace(options, record=True)
    options = replace(options, parameters=str(_patience(out)))
    if topics := _topics(faults, body.targets().cameras):
        options = replace(options, faults=json.dumps(topics))
    return options


def _patience(out: Path) -> Path:
    """A parameter file with which the judge of the run does not end it because stages fail: that they do is meant."""
    path = out.resolve() / "parameters.yaml"
    write_atomic(
        path, yaml.safe_dump({"scorer": {"ros__parameters": {"failures": 100_000, "silence_s": 60.0}}}).encode()
    )
    return path


def _topics(faults: Sequence[Fault], cameras: tuple[str, ...]) -> list[str]:
    """Where the injector has to stand."""
    wanted: list[str] = []
    for fault in faults:
        if KINDS[fault.kind] == CAMERA:
            at = cameras.index(fault.target)
            both = (fault.target, cameras[(at + 1) % len(cameras)])
            names = both if fault.kind == "camera_swapped" else (fault.target,)
            wanted += [contracts.IMAGE_SHM.name.format(camera=name) for name in names]
        elif fault.kind in INJECTED:
            wanted.append(fault.target)
    return list(dict.fromkeys(wanted))
