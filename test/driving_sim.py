"""A closed-loop bench without ROS and without pictures: a bicycle-model ego among scripted agents seen as noisy tracks.

It exists to prove planner, controller and gate on many seeded encounters in seconds. Perception is imitated: range
limit, correlated position noise, noisy velocity, late tracks, static ghosts, a flickering free-space mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from autodrive.control.controller import Controller
from autodrive.forecast import forecast
from autodrive.geometry import Array, Pose2, box_corners
from autodrive.planning.planner import Planner
from autodrive.safety.gate import SafetyGate
from autodrive.scene import (
    Command,
    EgoState,
    GridExtent,
    GroundClass,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
    Trajectory,
)

TICK_S = 0.1
WHEELBASE = 2.579
EGO_LENGTH, EGO_WIDTH, EGO_CENTRE = 4.5, 1.8, 1.3
EXTENT = GridExtent(-24.0, 40.0, -32.0, 32.0)
CELLS = 128
MASK_M = 0.25
SIZES = {
    ObjectClass.CAR: (4.5, 1.8, 1.5),
    ObjectClass.TRUCK: (8.0, 2.5, 3.0),
    ObjectClass.CYCLIST: (1.8, 0.7, 1.7),
    ObjectClass.PEDESTRIAN: (0.6, 0.6, 1.75),
    ObjectClass.CONE: (0.35, 0.35, 0.6),
    ObjectClass.BARRIER: (2.0, 0.5, 1.0),
}


@dataclass
class Agent:
    """Something that follows a polyline at ``speed(t)`` from ``start`` metres on.

    It stops behind the ego, and for an ego that crosses its way only if ``careful``.
    """

    label: ObjectClass
    path: Array
    speed: Callable[[float], float]
    start: float = 0.0
    careful: bool = False
    s: float = field(init=False)
    v: float = field(init=False)

    def __post_init__(self) -> None:
        self.s, self.v = self.start, self.speed(0.0)
        self._at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.path, axis=0).T))])

    def pose(self, ahead: float = 0.0) -> Pose2:
        """Centre pose ``ahead`` metres further along its path."""
        s = min(max(self.s + ahead, 0.0), float(self._at[-1]))
        i = min(int(np.searchsorted(self._at, s, side="right")) - 1, len(self.path) - 2)
        (x0, y0), (x1, y1) = self.path[i], self.path[i + 1]
        w = (s - self._at[i]) / max(self._at[i + 1] - self._at[i], 1e-9)
        return Pose2(x0 + w * (x1 - x0), y0 + w * (y1 - y0), math.atan2(y1 - y0, x1 - x0))

    @property
    def gone(self) -> bool:
        """Whether it has left the stage: it drove off the end of its path."""
        return self.s >= self._at[-1] - 0.01 and self._at[-1] > 1.0 and self.label != ObjectClass.PEDESTRIAN

    def step(self, t: float, ego: Pose2) -> None:
        """Advance one tick; a careful agent stops for an ego just ahead of it."""
        wanted = self.speed(t)
        local = self.pose().inverse().apply(ego.apply(np.array([[-0.95, 0.0], [1.3, 0.0], [3.55, 0.0]])))
        reach = SIZES[self.label][0] / 2 + 2.0 + self.v**2 / 5.0
        ahead = bool(((local[:, 0] > 0) & (local[:, 0] < reach) & (np.abs(local[:, 1]) < 2.0)).any())
        same_way = math.cos(ego.yaw - self.pose().yaw) > 0.7
        if ahead and (self.careful or same_way) and self.label != ObjectClass.PEDESTRIAN:
            wanted = 0.0
        self.v += min(max(wanted - self.v, -0.4), 0.25) if self.label != ObjectClass.PEDESTRIAN else wanted - self.v
        self.s = min(self.s + self.v * TICK_S, float(self._at[-1]))
        if self.s >= self._at[-1]:
            self.v = 0.0


@dataclass
class Scenario:
    """A route, who else is there, what ground is drivable (corridors: polyline, half width) and painted."""

    route: Array
    agents: list[Agent] = field(default_factory=list)
    corridors: list[tuple[Array, float]] = field(default_factory=list)
    crosswalks: list[Array] = field(default_factory=list)  # points (M, 2)
    stop_lines: list[Array] = field(default_factory=list)
    ghosts: list[tuple[float, float]] = field(default_factory=list)
    speed_limit: float = 8.3
    duration_s: float = 60.0


@dataclass
class Log:
    """What happened: per tick arrays and the verdicts that tests look at."""

    t: list[float] = field(default_factory=list)
    pose: list[Pose2] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)
    acceleration: list[float] = field(default_factory=list)
    lateral_error: list[float] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    collision: str = ""
    gap: float = math.inf
    completion: float = 0.0
    fallbacks: int = 0
    emergencies: int = 0

    @property
    def final_speed(self) -> float:
        """Speed at the end of the run."""
        return self.speed[-1]


class Ego:
    """Kinematic bicycle with steering rate and lag, and a lagging acceleration."""

    def __init__(self, pose: Pose2, speed: float) -> None:
        self.pose, self.speed = pose, speed
        self.steering = self.acceleration = 0.0

    def step(self, command: Command) -> None:
        """Advance one tick under ``command``."""
        for _ in range(10):
            dt = TICK_S / 10
            rate = min(max((command.steering - self.steering) / 0.2, -0.6), 0.6)
            self.steering += rate * dt
            self.acceleration += (command.acceleration - self.acceleration) / 0.15 * dt
            self.speed = max(self.speed + self.acceleration * dt, 0.0)
            yaw = self.pose.yaw + self.yaw_rate * dt
            self.pose = Pose2(
                self.pose.x + self.speed * math.cos(yaw) * dt, self.pose.y + self.speed * math.sin(yaw) * dt, yaw
            )

    @property
    def yaw_rate(self) -> float:
        """Yaw rate of the bicycle at its present steering."""
        return self.speed * math.tan(self.steering) / WHEELBASE

    def state(self, stamp_ns: int) -> EgoState:
        """As localization reports it."""
        return EgoState(stamp_ns, self.pose, self.speed, self.yaw_rate, self.acceleration, self.steering)


class Perception:
    """Imitates the vision stack's outputs at a given noise scale (0: perfect)."""

    def __init__(self, scenario: Scenario, seed: int, noise: float) -> None:
        self._scenario, self._noise = scenario, noise
        self._rng = np.random.default_rng(seed)
        self._bias = np.zeros((len(scenario.agents), 2))
        self._seen_s = np.zeros(len(scenario.agents))
        self._mask, self._origin = _drivable_mask(scenario)

    def tracks(self, ego: Pose2) -> tuple[TrackedObject, ...]:
        """Noisy tracks of what is in range."""
        rng, noise, found = self._rng, self._noise, []
        self._bias += noise * rng.normal(0, 0.05, self._bias.shape) - 0.06 * self._bias
        for i, agent in enumerate(self._scenario.agents):
            pose = agent.pose()
            local = ego.inverse().apply(np.array([pose.x, pose.y]))
            inside = EXTENT.x_min < local[0] < EXTENT.x_max and EXTENT.y_min < local[1] < EXTENT.y_max
            if agent.gone or not inside:
                self._seen_s[i] = 0.0
                continue
            self._seen_s[i] += TICK_S
            if self._seen_s[i] < 0.25:
                continue
            length, width, height = SIZES[agent.label]
            shift = self._bias[i] + noise * rng.normal(0, 0.05, 2)
            v = agent.v * np.array([math.cos(pose.yaw), math.sin(pose.yaw)]) + noise * rng.normal(0, 0.15, 2)
            yaw = pose.yaw + noise * rng.normal(0, 0.03)
            scale = 1 + noise * rng.normal(0, 0.03)
            found.append(
                TrackedObject(
                    i, agent.label, 0.9, pose.x + shift[0], pose.y + shift[1], height / 2, yaw,
                    length * scale, width * scale, height, float(v[0]), float(v[1]), 0.0, float(self._seen_s[i]), 0.3,
                )
            )  # fmt: skip
        for k, (x, y) in enumerate(self._scenario.ghosts):
            length, width, height = SIZES[ObjectClass.CONE]
            found.append(
                TrackedObject(1000 + k, ObjectClass.CONE, 0.5, x, y, 0.3, 0.0, length, width, height, 0, 0, 0, 1.0)
            )
        return tuple(found)

    def free(self, ego: Pose2) -> GroundGrid:
        """The drivable mask around the ego with flips and soft values."""
        step = (EXTENT.x_max - EXTENT.x_min) / CELLS
        axis_x = EXTENT.x_min + (np.arange(CELLS) + 0.5) * step
        axis_y = EXTENT.y_min + (np.arange(CELLS) + 0.5) * step
        points = ego.apply(np.stack(np.meshgrid(axis_x, axis_y, indexing="ij"), axis=-1))
        ij = ((points - self._origin) / MASK_M).astype(np.intp)
        ij = np.clip(ij, 0, np.array(self._mask.shape) - 1)
        value = np.where(self._mask[ij[..., 0], ij[..., 1]], 0.92, 0.05)
        flip = self._rng.random(value.shape) < 0.04 * self._noise
        value = np.where(flip, 1 - value, value)
        return GroundGrid(EXTENT, value[None].astype(np.float32))

    def markings(self, ego: Pose2) -> GroundMarkings:
        """Paint points in base_link within the grid, some missing."""
        points, kinds = [np.zeros((0, 2))], [np.zeros(0, dtype=np.int64)]
        for group, kind in ((self._scenario.crosswalks, 2), (self._scenario.stop_lines, 3)):
            for item in group:
                local = ego.inverse().apply(item)
                keep = (local[:, 0] > EXTENT.x_min) & (local[:, 0] < 30.0) & (np.abs(local[:, 1]) < 25.0)
                keep &= self._rng.random(len(local)) > 0.2 * self._noise
                points.append(local[keep])
                kinds.append(np.full(int(keep.sum()), kind, dtype=np.int64))
        kind = np.concatenate(kinds)
        assert set(kind.tolist()) <= {int(GroundClass.CROSSWALK), int(GroundClass.STOP_LINE)}
        return GroundMarkings(np.concatenate(points), kind, np.full(len(kind), 0.8))


def run(
    scenario: Scenario,
    seed: int = 0,
    *,
    noise: float = 1.0,
    start_speed: float = 0.0,
    with_ground: bool = True,
    on_tick: Callable[[float, Trajectory, Ego], None] | None = None,
) -> Log:
    """Drive the scenario to its end, a collision, or the goal (plus two seconds)."""
    first = scenario.route[1] - scenario.route[0]
    start = Pose2(*(float(v) for v in scenario.route[0]), math.atan2(first[1], first[0]))
    route = Route(np.round(scenario.route, 1), start, scenario.speed_limit, "bench")
    ego, planner, controller, gate = Ego(start, start_speed), Planner(route=route), Controller(), SafetyGate()
    perception, log = Perception(scenario, seed, noise), Log()
    at_goal = 0
    for k in range(int(scenario.duration_s / TICK_S)):
        now_ns = (k + 1) * 100_000_000
        state = ego.state(now_ns)
        tracks = perception.tracks(ego.pose)
        ground = (perception.free(ego.pose), perception.markings(ego.pose)) if with_ground else (None, None)
        trajectory = planner.plan(state, forecast(tracks, state, route, ground[0], markings=ground[1]), *ground)
        verdict = gate.filter(controller.step(trajectory, state), now_ns, now_ns, state, tracks)
        _record(log, k, ego, trajectory, verdict.verdict, scenario)
        if on_tick is not None:
            on_tick(k * TICK_S, trajectory, ego)
        ego.step(verdict.command)
        for agent in scenario.agents:
            agent.step(k * TICK_S, ego.pose)
        if hit := _collision(ego.pose, scenario.agents):
            log.collision = f"{hit} at t={k * TICK_S:.1f} v={ego.speed:.1f}"
            break
        at_goal = at_goal + 1 if log.completion > 0.985 and ego.speed < 0.05 else 0
        if at_goal > 20:
            break
    return log


def _record(log: Log, k: int, ego: Ego, trajectory: Trajectory, verdict: str, scenario: Scenario) -> None:
    log.t.append(k * TICK_S)
    log.pose.append(ego.pose)
    log.speed.append(ego.speed)
    log.acceleration.append(ego.acceleration)
    log.reason.append(trajectory.reason)
    log.fallbacks += trajectory.fallback
    log.emergencies += verdict == "emergency brake"
    steps = np.hypot(*np.diff(scenario.route, axis=0).T)
    s = np.concatenate([[0.0], np.cumsum(steps)])
    fine = np.linspace(0, s[-1], int(s[-1] * 4) + 2)
    x, y = np.interp(fine, s, scenario.route[:, 0]), np.interp(fine, s, scenario.route[:, 1])
    distance = np.hypot(x - ego.pose.x, y - ego.pose.y)
    reached = log.completion * s[-1]
    distance[(fine < reached - 5) | (fine > reached + 5)] = np.inf
    i = int(np.argmin(distance))
    log.lateral_error.append(float(distance[i]))
    log.completion = max(log.completion, float(fine[i] / s[-1]))


def _collision(ego: Pose2, agents: list[Agent]) -> str:
    body = box_corners(
        ego.x + EGO_CENTRE * math.cos(ego.yaw), ego.y + EGO_CENTRE * math.sin(ego.yaw), ego.yaw, 4.5, 1.8
    )
    for i, agent in enumerate(agents):
        pose = agent.pose()
        if agent.gone or math.hypot(pose.x - ego.x, pose.y - ego.y) > 12:
            continue
        length, width, _ = SIZES[agent.label]
        if _rectangles_touch(body, box_corners(pose.x, pose.y, pose.yaw, length, width)):
            return f"{agent.label.name} {i}"
    return ""


def _rectangles_touch(a: Array, b: Array) -> bool:
    for corners in (a, b):
        for i in range(2):
            edge = corners[i + 1] - corners[i]
            axis = np.array([-edge[1], edge[0]])
            pa, pb = a @ axis, b @ axis
            if pa.max() < pb.min() or pb.max() < pa.min():
                return False
    return True


def _drivable_mask(scenario: Scenario) -> tuple[np.ndarray, Array]:
    import cv2

    corridors = scenario.corridors or [(scenario.route, 3.5)]
    everything = np.concatenate([c[0] for c in corridors] + [scenario.route])
    origin = everything.min(axis=0) - 15.0
    size = np.ceil((everything.max(axis=0) + 15.0 - origin) / MASK_M).astype(int)
    image = np.zeros((size[0], size[1]), dtype=np.uint8)
    for line, half_width in corridors:
        pixels = np.round((line - origin) / MASK_M).astype(np.int32)[:, ::-1]
        cv2.polylines(image, [pixels.reshape(-1, 1, 2)], False, 1, thickness=max(int(2 * half_width / MASK_M), 1))
    return image.astype(bool), origin


def straight(length: float, y: float = 0.0) -> Array:
    """A straight route along x."""
    return np.stack([np.arange(0, length + 0.1, 2.0), np.full(int(length / 2) + 1, y)], axis=1)


def with_turn(before: float, radius: float, after: float, left: bool = True) -> Array:
    """Straight along x, a quarter turn, straight on."""
    angle = np.linspace(0, np.pi / 2, max(int(radius * np.pi / 4), 3))
    sign = 1.0 if left else -1.0
    turn = np.stack([before + radius * np.sin(angle), sign * radius * (1 - np.cos(angle))], axis=1)
    rest = np.arange(2.0, after + 0.1, 2.0)
    tail = np.stack([np.full(len(rest), before + radius), sign * (radius + rest)], axis=1)
    return np.concatenate([straight(before - 2.0), turn, tail])
