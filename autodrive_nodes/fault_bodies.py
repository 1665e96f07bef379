"""What a campaign of faults must know of a body: how it is started, kept moving, and what of it can be broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from autodrive.errors import NoTaskError
from autodrive.faults.campaign import Targets
from autodrive.faults.judge import Bounds, Sample
from autodrive.rig import load_rig
from autodrive.safety.envelope import Envelope, WalkEnvelope, load_envelope
from autodrive.scene import Command
from autodrive_nodes import contracts, messages
from autodrive_nodes.fault_graph import owner_of, topics_by_name
from autodrive_nodes.fault_watch import FaultWatch
from autodrive_nodes.graph import NodeSpec, Options, build
from autodrive_nodes.paths import ENVELOPES, RIGS

DURATION_S = 240.0  # of one run at most
WINDOW_S = 0.3  # before and behind: a walker's pelvis sways


@dataclass(frozen=True)
class FaultBody:
    """``moving_mps``: faster than this it is on its way; ``keep_going`` is called while it should be."""

    name: str
    options: Callable[[int], dict[str, Any]]
    bounds: Bounds
    moving_mps: float
    samples: Callable[[FaultWatch], list[Sample]]
    keep_going: Callable[[FaultWatch, int], Callable[[], None]]
    intruder: dict[str, Callable[[int], Any]]
    world: str  # the node that writes the images

    def graph(self, seed: int) -> Options:
        """A run without anything faulted."""
        return Options(
            system=self.name,
            seed=seed,
            mode="realtime",
            duration_s=DURATION_S,
            record=False,
            **self.options(seed),
        )

    def targets(self) -> Targets:
        """All that can be broken."""
        options = replace(self.graph(1), out="out", record=True)
        system = build(options)
        cameras = tuple(camera.name for camera in load_rig(Path(options.rig)).cameras)
        names = [name for name, topic in topics_by_name(cameras).items() if owner_of(topic, system)]
        return Targets(cameras, tuple(names), system.order)

    def group_of(self, options: Options, node: str) -> str:
        """The process that hosts a node."""
        groups: dict[str, tuple[NodeSpec, ...]] = build(options).groups
        return next(group for group, nodes in groups.items() if node in [spec.name for spec in nodes])


def _car() -> FaultBody:
    envelope = load_envelope(ENVELOPES / "car.yaml", Envelope)

    def full_throttle(stamp_ns: int) -> Any:
        return messages.to_control(Command(stamp_ns, 0.3, envelope.max_acceleration, envelope.max_speed))

    return FaultBody(
        name="car",
        options=lambda seed: {"rig": str(RIGS / "car.yaml"), "town": "summit"},
        bounds=Bounds(envelope.max_age_s, envelope.stop_deceleration, 0.1),
        moving_mps=3.0,
        samples=lambda watch: watch.samples,
        keep_going=lambda watch, seed: lambda: None,
        intruder={t.name: full_throttle for t in (contracts.CONTROL, contracts.COMMAND)},
        world="world_bridge",
    )


def _humanoid() -> FaultBody:
    from autodrive.body import WalkCommand
    from optimus_nodes.body_messages import to_twist

    envelope = load_envelope(ENVELOPES / "humanoid.yaml", WalkEnvelope)

    def full_speed(stamp_ns: int) -> Any:
        return to_twist(WalkCommand(stamp_ns, envelope.max_forward, 0.0, envelope.max_yaw_rate))

    return FaultBody(
        name="humanoid",
        options=lambda seed: {"rig": str(RIGS / "humanoid.yaml"), "robot": "g1"},
        bounds=Bounds(envelope.max_age_s, 1.0, 0.12),
        moving_mps=0.25,
        samples=_steadied,
        keep_going=_walk_about,
        intruder={t.name: full_speed for t in (contracts.WALK, contracts.CMD_VEL)},
        world="body_bridge",
    )


def _steadied(watch: FaultWatch) -> list[Sample]:
    """Speeds from where the pelvis was before and was later: of the walk, without its sway."""
    samples, places = watch.samples, watch.places
    found = []
    for k, sample in enumerate(samples):
        a = next((i for i in range(k, -1, -1) if samples[i].at_s <= sample.at_s - WINDOW_S), 0)
        b = next((i for i in range(k, len(samples)) if samples[i].at_s >= sample.at_s + WINDOW_S), len(samples) - 1)
        span_s = samples[b].at_s - samples[a].at_s
        speed = math.dist(places[a], places[b]) / span_s if span_s > 0 else sample.speed
        found.append(Sample(sample.at_s, speed, sample.contacts, sample.fallen))
    return found


def _walk_about(watch: FaultWatch, seed: int) -> Callable[[], None]:
    """Tells the humanoid where to go next whenever it is where it was told to go, or gave that up."""
    errands = cycle(_errands(watch, seed))
    told: dict[str, float] = {}
    aims: list[str] = []

    def keep_going() -> None:
        state = watch.grounding.get("state", "idle")
        if state in ("done", "failed", "refused", "question", "idle") and watch.now_s > told.get("at", -9.0) + 4.0:
            told["at"] = watch.now_s
            aim, text = next(errands)
            aims[:] = [*aims[-1:], aim]
            watch.aims = set(aims)
            watch.instruct(text)

    return keep_going


def _errands(watch: FaultWatch, seed: int) -> list[tuple[str, str]]:
    """Names of things of the hall, and the words that send the robot there."""
    from autodrive.humanoid.robot import load_robot
    from autodrive.sim.hall_tasks import GOTO, TaskScene, make_task

    assert watch.truth is not None
    scene, arms = TaskScene.of(watch.truth), load_robot("g1").arms
    texts: list[tuple[str, str]] = []
    for k in range(30):
        try:
            task = make_task(GOTO, seed + k, scene, arms)
        except NoTaskError:
            continue
        if task.target not in [target for target, _ in texts]:
            texts.append((task.target, task.text))
    return texts or [("", "go to the nearest box")]


MAKERS = {"car": _car, "humanoid": _humanoid}


def fault_body(name: str) -> FaultBody:
    """The body of that name."""
    return MAKERS[name]()
