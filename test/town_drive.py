"""Drives through whole towns without ROS and without pictures: the town's physics and traffic, perception imitated.

The stages are wired as the nodes wire them; only the cameras and the network are replaced (``town_senses``), so that
60 s of driving cost some ten seconds of one core. It shows why the car waits:

    python test/town_drive.py --town brook --seeds 201-220
    python test/town_drive.py --town brook --seeds 205 --trace
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from town_senses import TownSenses
from tqdm import tqdm

from autodrive.control.controller import Controller
from autodrive.errors import InputError
from autodrive.forecast import forecast
from autodrive.geometry import Pose2
from autodrive.localization.dead_reckoning import DeadReckoning
from autodrive.localization.lane_alignment import LaneAligner
from autodrive.localization.reframe import reframe_forecast, reframe_trajectory
from autodrive.planning.planner import Planner
from autodrive.rig import load_rig
from autodrive.safety.gate import SafetyGate
from autodrive.scene import ROAD_USERS, Command, EgoState, ObjectClass, Perception, Route, TrackedObject, Trajectory
from autodrive.sim.car_model import FRONT_OVERHANG_M, LENGTH_M, REAR_OVERHANG_M, WHEELBASE_M, WIDTH_M
from autodrive.sim.scoring import Score, Scorer
from autodrive.sim.town import load_town
from autodrive.sim.town_world import TownWorld
from autodrive.sim.world import GroundTruth, Sensors
from autodrive.vision.tracker import Tracker

RIG = Path(__file__).resolve().parents[1] / "config/rigs/car.yaml"
SPEED_LIMIT = 8.33  # config/nodes.yaml
WAITING_SPEED = 0.3
SLOW_SPEED = 3.0
HARSH = 4.0  # m/s2
CENTRE_M = (WHEELBASE_M + FRONT_OVERHANG_M - REAR_OVERHANG_M) / 2
WALKER_RADIUS_M = 0.25


@dataclass
class Drive:
    """What one drive shows. ``waiting`` and ``slow`` are seconds by cause; clearances [m] count above 1 m/s only."""

    town: str
    seed: int
    seconds: float = 0.0
    waiting: Counter[str] = field(default_factory=Counter)
    slow: Counter[str] = field(default_factory=Counter)
    harsh: int = 0
    emergencies: int = 0
    clearance: float = math.inf
    score: Score | None = None

    @property
    def completion(self) -> float:
        """Share of the route that was driven."""
        assert self.score is not None
        return self.score.route_completion

    @property
    def collisions(self) -> dict[str, int]:
        """Number by kind."""
        assert self.score is not None
        return self.score.collisions


class Stack:
    """The car's stages behind perception, wired as the nodes are."""

    def __init__(self, route: Route) -> None:
        first = route.points[1] - route.points[0]
        start = Pose2(*(float(v) for v in route.points[0]), math.atan2(first[1], first[0]))
        self.route = Route(route.points, start, SPEED_LIMIT, route.name)
        self._reckoning = DeadReckoning(route.start)
        self._tracker, self._aligner = Tracker(), LaneAligner()
        self._planner, self._controller, self._gate = Planner(route=self.route), Controller(), SafetyGate()
        self._last: tuple[Command, Trajectory, tuple[TrackedObject, ...], EgoState] | None = None

    def step(self, sensors: Sensors, perception: Perception):
        """One tick: the gate's result, the plan, the tracks and the ego as the car believes it to be.

        Where a stage refuses its input, as odometry does in a crash, the gate has what came last.
        """
        try:
            self._last = self._think(sensors, perception)
        except InputError:
            if self._last is None:
                raise
        command, plan, tracks, ego = self._last
        return self._gate.filter(command, sensors.stamp_ns, ego.stamp_ns, ego, tracks), plan, tracks, ego

    def _think(self, sensors: Sensors, perception: Perception):
        ego = self._reckoning.update(sensors.stamp_ns, sensors.wheel_speed, float(sensors.gyro[2]), sensors.steering)
        tracks = self._tracker.update(perception, ego)
        free, markings = perception.ground, perception.markings
        forecasts = forecast(tracks, ego, self.route, free, markings=markings)
        correction = self._aligner.update(ego, self.route, free, markings)
        aligned = correction.apply(ego.pose)
        shift = aligned @ ego.pose.inverse()
        moved = tuple(reframe_forecast(f, shift) for f in forecasts)
        plan = self._planner.plan(replace(ego, pose=aligned), moved, free, markings)
        command = self._controller.step(reframe_trajectory(plan, shift.inverse()), ego)
        return command, plan, tracks, ego


def drive(town: str, seed: int, duration_s: float = 60.0, noise: float = 1.0, trace: bool = False) -> Drive:
    """One episode, as ``autodrive run car`` judges it."""
    world = TownWorld(town, load_rig(RIG), duration_s, images=False)
    try:
        return _drive(world, town, seed, duration_s, noise, trace)
    finally:
        world.close()


def _drive(world: TownWorld, town: str, seed: int, duration_s: float, noise: float, trace: bool) -> Drive:
    sensors = world.reset(seed)
    stack, scorer, log = Stack(world.route), Scorer(), Drive(town, seed)
    senses = TownSenses(load_town(town), seed, noise)
    speed, braking = 0.0, False
    for k in range(round(duration_s / world.tick_s)):
        truth = world.ground_truth()
        scorer.update(truth, world.route)
        if scorer.end:
            break
        result, plan, tracks, ego = stack.step(sensors, senses.look(truth))
        cause = "gate: " + result.verdict if result.verdict in ("stop", "emergency brake") else cause_of(plan, tracks)
        log.seconds += world.tick_s
        if truth.speed < WAITING_SPEED:
            log.waiting[cause] += world.tick_s
        elif truth.speed < SLOW_SPEED:
            log.slow[cause] += world.tick_s
        harsh = (truth.speed - speed) / world.tick_s < -HARSH
        log.harsh += harsh and not braking
        log.emergencies += result.verdict == "emergency brake"
        braking, speed = harsh, truth.speed
        people = np.array([(o.x, o.y) for o in truth.objects if o.label == ObjectClass.PEDESTRIAN]).reshape(-1, 2)
        gap = _clearance(truth.ego, people)
        if truth.speed > 1.0:
            log.clearance = min(log.clearance, gap)
        if trace and k % 5 == 0:
            _print_tick(k, truth, scorer.result().route_completion, plan, result.verdict, gap, tracks, ego)
        sensors = world.step(result.command)
    log.score = scorer.result()
    return log


def cause_of(plan: Trajectory, tracks: tuple[TrackedObject, ...]) -> str:
    """The plan's reason, with the class of those it gives way to in place of their numbers."""
    if plan.reason.startswith("yield to track"):
        named = {int(part) for part in plan.reason.removeprefix("yield to track ").split(", ")}
        names = sorted({t.label.name.lower() for t in tracks if t.track_id in named})
        return "yield: " + ("+".join(names) or "lost from sight")
    if plan.reason.startswith("give way at crosswalk"):
        return "crosswalk"
    return "pass" if plan.reason.startswith("pass at") else plan.reason


def _clearance(ego: Pose2, people: np.ndarray) -> float:
    if len(people) == 0:
        return math.inf
    local = np.abs(ego.inverse().apply(people) - [CENTRE_M, 0.0])
    return float(np.hypot(*np.maximum(local - [LENGTH_M / 2, WIDTH_M / 2], 0.0).T).min()) - WALKER_RADIUS_M


def _print_tick(
    k: int,
    truth: GroundTruth,
    completion: float,
    plan: Trajectory,
    verdict: str,
    gap: float,
    tracks: tuple[TrackedObject, ...],
    ego: EgoState,
) -> None:
    print(f"{k / 10:5.1f} s  v {truth.speed:4.1f}  at {completion:.3f}  people {gap:4.1f}  {plan.reason}  [{verdict}]")
    if truth.speed > SLOW_SPEED:
        return
    numbers = tuple(str(t.track_id) for t in tracks)
    for frame, names, items in ((ego.pose, numbers, tracks), (truth.ego, truth.object_ids, truth.objects)):
        for name, item in zip(names, items, strict=True):
            x, y = frame.inverse().apply(np.array([item.x, item.y]))
            if -5 < x < 20 and abs(y) < 8 and item.label in ROAD_USERS:
                vx, vy = frame.inverse().rotate(np.array([item.vx, item.vy]))
                print(f"         {name:20s} {item.label.name:10s} x {x:5.1f} y {y:5.1f} v {vx:5.1f} {vy:5.1f}")


def _seeds(text: str) -> list[int]:
    spans = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in spans for seed in range(int(first), int(last or first) + 1)]


def _row(log: Drive) -> str:
    hits = "".join(f"{kind[0]}{n} " for kind, n in log.collisions.items() if n) or "-"
    causes = "  ".join(f"{name} {s:.1f}" for name, s in log.waiting.most_common(4) if s > 0.45)
    waiting, slow = sum(log.waiting.values()), sum(log.slow.values())
    return (
        f"{log.town:7s} {log.seed:5d}  {log.completion:10.3f}  {hits:9s}  {log.clearance:8.2f}  "
        f"{waiting:6.1f}  {slow:5.1f}  {log.harsh:5d}  {log.emergencies:4d}  {causes}"
    )


HEAD = "town     seed  completion  collided   people m  wait s  slow s  harsh  gate  waited for"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--town", default="brook")
    parser.add_argument("--seeds", type=_seeds, default=[201])
    parser.add_argument("--duration", type=float, default=60.0)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--trace", action="store_true", help="print every half second")
    options = parser.parse_args()
    logs = []
    print(HEAD)
    for seed in tqdm(options.seeds, unit="drive", disable=not sys.stderr.isatty()):
        logs.append(drive(options.town, seed, options.duration, options.noise, options.trace))
        tqdm.write(_row(logs[-1]))
        sys.stdout.flush()
    completion = np.array([log.completion for log in logs])
    waited: Counter[str] = sum((log.waiting for log in logs), Counter())
    clean = sum(not any(log.collisions.values()) for log in logs)
    print(f"mean {completion.mean():.3f}  least {completion.min():.3f}  without collision {clean} of {len(logs)}")
    print("waited, seconds per drive: " + "  ".join(f"{k} {v / len(logs):.1f}" for k, v in waited.most_common(8)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
