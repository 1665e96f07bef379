"""A closed-loop bench for walking without ROS, physics and pictures: a holonomic ego in seeded halls among people.

It exists to prove goal planner, controller and gate on many halls in seconds. Perception is imitated: range limit,
correlated position noise, late tracks, a flickering free-space mask with unknown cells, nothing behind what stands. The
ego lags, delivers less than it is asked for, sways and drifts, as walking policies do.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.control.walking import WalkingController
from autodrive.forecast import forecast
from autodrive.geometry import Array, Pose2, box_corners
from autodrive.planning.goal_planner import GoalPlanner
from autodrive.safety.envelope import WalkEnvelope
from autodrive.safety.gate import SafetyGate
from autodrive.scene import (
    DetectedObject,
    EgoState,
    GridExtent,
    GroundGrid,
    ObjectClass,
    TrackedObject,
    Trajectory,
)
from autodrive.sim.hall import WALKABLE_STEP_M, Block, Hall, hall_masks

TICK_S = 0.1
EXTENT = GridExtent(-8.0, 8.0, -8.0, 8.0)
CELLS = 64
MASK_M = 0.05
SEEN_M = 7.8
BODY = (0.45, 0.55)
PERSON_ROOM_M = 1.0
PERSON_STOPS_M = 0.9  # people stop for a robot this near before them, and go elsewhere


@dataclass
class Person:
    """Somebody who walks from place to place, and stops rather than walk into the robot or another person."""

    x: float
    y: float
    size: tuple[float, float, float]
    places: list[tuple[float, float]]
    speed: float
    yaw: float = 0.0
    v: float = 0.0
    pause_s: float = 0.0

    def step(self, others: list[tuple[float, float]]) -> None:
        """Advance one tick; ``others`` are where the robot and everybody else stand."""
        self.pause_s = max(self.pause_s - TICK_S, 0.0)
        if not self.places or self.speed == 0.0:
            self.v = 0.0
            return
        tx, ty = self.places[0]
        if math.hypot(tx - self.x, ty - self.y) < 0.2:
            self.places.append(self.places.pop(0))
            self.pause_s = 1.0
        heading = math.atan2(ty - self.y, tx - self.x)
        turn = (heading - self.yaw + math.pi) % (2 * math.pi) - math.pi
        self.yaw += min(max(turn, -0.3), 0.3)
        blocked = False
        for x, y in others:
            dx, dy = x - self.x, y - self.y
            ahead = math.cos(self.yaw) * dx + math.sin(self.yaw) * dy
            aside = abs(math.cos(self.yaw) * dy - math.sin(self.yaw) * dx)
            blocked |= 0.0 < ahead < PERSON_STOPS_M + 0.3 and aside < 0.75
        # who has just turned away looks ahead only once turned
        blocked &= abs(turn) < 0.6
        if blocked and self.pause_s == 0.0:
            self.pause_s = 1.5
            self.places.append(self.places.pop(0))
        wanted = 0.0 if blocked or self.pause_s > 0.0 or abs(turn) > 0.6 else self.speed
        self.v += min(max(wanted - self.v, -0.4), 0.15)
        self.x += self.v * math.cos(self.yaw) * TICK_S
        self.y += self.v * math.sin(self.yaw) * TICK_S

    def velocity(self) -> tuple[float, float]:
        """In map."""
        return self.v * math.cos(self.yaw), self.v * math.sin(self.yaw)


class Walker:
    """A holonomic body with lag, under-delivery per axis, gait sway, and a little drift."""

    def __init__(self, pose: Pose2, seed: int, noise: float) -> None:
        self.pose, self._noise = pose, noise
        self._rng = np.random.default_rng([seed, 1])
        self.velocity = np.zeros(3)
        self._share = 1.0 - noise * self._rng.uniform([0.10, 0.25, 0.02], [0.30, 0.50, 0.15])
        self._phase = 0.0

    def step(self, command: Array) -> None:
        """Advance one tick under (vx, vy, yaw rate)."""
        still = bool((np.abs(command) < 1e-9).all())
        for _ in range(5):
            dt = TICK_S / 5
            self.velocity += (command * self._share - self.velocity) * min(dt / 0.22, 1.0)
            drift = np.zeros(3) if still else self._noise * self._rng.normal(0, [0.05, 0.05, 0.08])
            vx, vy, rate = self.velocity + drift
            c, s = math.cos(self.pose.yaw), math.sin(self.pose.yaw)
            self.pose = Pose2(
                self.pose.x + (c * vx - s * vy) * dt, self.pose.y + (s * vx + c * vy) * dt, self.pose.yaw + rate * dt
            )

    def state(self, stamp_ns: int) -> EgoState:
        """As leg odometry reports it: the gait shakes the speed."""
        self._phase += 2 * math.pi * 1.7 * TICK_S
        walking = min(float(np.abs(self.velocity).max()) * 3.0, 1.0)
        sway = self._noise * walking * np.array([0.05 * math.sin(self._phase), 0.06 * math.cos(self._phase), 0.05])
        vx, vy, rate = (float(v) for v in self.velocity + sway * [1, 1, math.sin(self._phase / 2)])
        return EgoState(stamp_ns, self.pose, vx, rate, 0.0, 0.0, vy)


@dataclass
class Scene:
    """A hall with who walks in it, and where the robot starts and is to go."""

    hall: Hall
    people: list[Person]
    start: Pose2
    goal: Pose2 | None
    duration_s: float = 120.0
    targets: frozenset[int] = frozenset()
    carrying: bool = False


@dataclass
class Log:
    """What happened: per tick arrays and the verdicts that tests look at."""

    t: list[float] = field(default_factory=list)
    pose: list[Pose2] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    plan_ms: list[float] = field(default_factory=list)
    contact: str = ""
    intrusion: str = ""  # nearer than 0.35 m to somebody who walks, by the robot's own motion
    least_gap: float = math.inf
    fallbacks: int = 0
    kept_distance: int = 0
    reached: bool = False

    @property
    def length(self) -> float:
        """Metres walked."""
        return sum(math.hypot(b.x - a.x, b.y - a.y) for a, b in zip(self.pose, self.pose[1:], strict=False))


class Perception:
    """Imitates the vision stack's outputs at a given noise scale (0: perfect)."""

    def __init__(self, scene: Scene, seed: int, noise: float) -> None:
        self._scene, self._noise = scene, noise
        self._rng = np.random.default_rng([seed, 2])
        count = len(scene.hall.objects) + len(scene.people)
        self._bias = noise * self._rng.normal(0, 0.05, (count, 2))
        self._seen_s = np.zeros(count)

    def tracks(self, ego: Pose2) -> tuple[TrackedObject, ...]:
        """Noisy tracks of what is in range; ids are the index in the hall's objects, people come after them."""
        rng, noise, found = self._rng, self._noise, []
        hall, people = self._scene.hall, self._scene.people
        self._bias += noise * rng.normal(0, 0.015, self._bias.shape) - 0.05 * self._bias
        for i, item in enumerate((*hall.objects, *people)):
            local = ego.inverse().apply(np.array([item.x, item.y]))
            if np.abs(local).max() > SEEN_M:
                self._seen_s[i] = 0.0
                continue
            self._seen_s[i] += TICK_S
            if self._seen_s[i] < 0.25:
                continue
            x, y = np.array([item.x, item.y]) + self._bias[i] + noise * rng.normal(0, 0.02, 2)
            if isinstance(item, Person):
                vx, vy = item.velocity() + noise * rng.normal(0, 0.08, 2)
                label, size, yaw = ObjectClass.PEDESTRIAN, item.size, item.yaw + noise * rng.normal(0, 0.1)
            else:
                vx = vy = 0.0
                label, size = item.label, (item.length, item.width, item.height)
                yaw = item.yaw + noise * rng.normal(0, 0.02)
            scale = 1 + noise * rng.normal(0, 0.03)
            z = item.z if isinstance(item, DetectedObject) else size[2] / 2
            found.append(
                TrackedObject(
                    i, label, 0.9, float(x), float(y), z, float(yaw), size[0] * scale, size[1] * scale, size[2],
                    float(vx), float(vy), 0.0, float(self._seen_s[i]), 0.2,
                )
            )  # fmt: skip
        return tuple(found)

    def free(self, ego: Pose2) -> GroundGrid:
        """The floor's truth around the ego, soft and flickering; a tenth of the far cells is unknown."""
        rng, noise = self._rng, self._noise
        mask = hall_masks(self._scene.hall, ego, EXTENT.x_max, CELLS)[0]
        value = np.where(mask, 0.98, 0.06).astype(np.float32)
        value = cv2.GaussianBlur(value, (3, 3), 0.5) if noise > 0 else value
        value = np.where(rng.random(value.shape) < 0.04 * noise, 1 - value, value)
        axis = EXTENT.x_min + (np.arange(CELLS) + 0.5) * (EXTENT.x_max - EXTENT.x_min) / CELLS
        far = np.hypot(axis[:, None], axis[None, :]) > 4.0
        value = np.where(far & (rng.random(value.shape) < 0.1 * noise), 0.5, value)
        return GroundGrid(EXTENT, value[None].astype(np.float32))


def run(scene: Scene, seed: int = 0, *, noise: float = 1.0, stay_s: float = 1.0) -> Log:
    """Walk the scene until the goal is reached and kept for ``stay_s``, a contact, or the end of time."""

    walker, planner, controller = Walker(scene.start, seed, noise), GoalPlanner(), WalkingController()
    gate, perception, log = SafetyGate(WalkEnvelope()), Perception(scene, seed, noise), Log()
    solid = Solid(scene.hall)
    stayed = 0.0
    for k in range(int(scene.duration_s / TICK_S)):
        now_ns = (k + 1) * 100_000_000
        state = walker.state(now_ns)
        tracks, free = perception.tracks(walker.pose), perception.free(walker.pose)
        forecasts = forecast(tracks, state, None, free)
        began = time.process_time()
        plan = planner.plan(state, forecasts, free, scene.goal, carrying=scene.carrying, target_ids=scene.targets)
        log.plan_ms.append((time.process_time() - began) * 1e3)
        verdict = gate.filter(controller.step(plan, state), now_ns, now_ns, state, tracks)
        command = verdict.command
        _record(log, k, walker, plan, verdict.verdict)
        before = walker.pose
        walker.step(np.array([command.vx, command.vy, command.yaw_rate]))
        _judge(log, k, walker, scene, solid, before)
        places = [(p.x, p.y) for p in scene.people]
        for i, person in enumerate(scene.people):
            person.step([(walker.pose.x, walker.pose.y), *places[:i], *places[i + 1 :]])
        if log.contact:
            break
        at_goal = scene.goal is not None and plan.reason == "goal" and _is_at(walker.pose, scene.goal)
        stayed = stayed + TICK_S if at_goal else 0.0
        if stayed > stay_s:
            log.reached = True
            break
    return log


def _is_at(pose: Pose2, goal: Pose2) -> bool:
    turned = abs((pose.yaw - goal.yaw + math.pi) % (2 * math.pi) - math.pi)
    return math.hypot(pose.x - goal.x, pose.y - goal.y) < 0.15 and turned < 0.2


def _record(log: Log, k: int, walker: Walker, plan: Trajectory, verdict: str) -> None:
    log.t.append(k * TICK_S)
    log.pose.append(walker.pose)
    log.speed.append(float(np.hypot(*walker.velocity[:2])))
    log.reason.append(plan.reason)
    log.fallbacks += plan.fallback
    log.kept_distance += verdict == "keep distance"


def _judge(log: Log, k: int, walker: Walker, scene: Scene, solid: Solid, before: Pose2) -> None:
    t, pose = k * TICK_S, walker.pose
    if what := solid.touches(pose):
        log.contact = f"{what} at t={t:.1f} ({log.reason[-1]})"
    for i, person in enumerate(scene.people):
        gap = _gap(pose, person)
        log.least_gap = min(log.least_gap, gap)
        if gap <= 0.0:
            log.contact = f"person {i} at t={t:.1f} v={log.speed[-1]:.2f} theirs={person.v:.2f} ({log.reason[-1]})"
        if person.v > 0.1 and gap < 0.35:
            # people have not moved yet in this tick: what it shrank by is the robot's doing; it may turn
            nearer = _gap(before, person) - _gap(Pose2(pose.x, pose.y, before.yaw), person)
            if nearer > 0.01:
                log.intrusion = f"{gap:.2f} m to person {i} at t={t:.1f}, by {nearer:.3f} ({log.reason[-1]})"


def _gap(pose: Pose2, person: Person) -> float:
    """Distance between the body's and a person's rectangles, 0 where they touch."""
    a = box_corners(pose.x, pose.y, pose.yaw, *BODY)
    b = box_corners(person.x, person.y, person.yaw, person.size[0], person.size[1])
    if _overlap(a, b):
        return 0.0
    return min(_point_gap(a, b), _point_gap(b, a))


def _overlap(a: Array, b: Array) -> bool:
    for corners in (a, b):
        for i in range(2):
            edge = corners[i + 1] - corners[i]
            axis = np.array([-edge[1], edge[0]])
            pa, pb = a @ axis, b @ axis
            if pa.max() < pb.min() or pb.max() < pa.min():
                return False
    return True


def _point_gap(points: Array, polygon: Array) -> float:
    start, edge = polygon, np.roll(polygon, -1, axis=0) - polygon
    offset = points[:, None] - start[None]
    share = np.clip((offset * edge).sum(axis=-1) / (edge**2).sum(axis=-1), 0.0, 1.0)
    return float(np.hypot(*np.moveaxis(offset - share[..., None] * edge, -1, 0)).min())


class Solid:
    """Everything of the hall that the body may not touch, as boxes."""

    def __init__(self, hall: Hall) -> None:
        steps = tuple(s for s in hall.steps if s.height > WALKABLE_STEP_M)
        items: tuple[Block | DetectedObject, ...] = (*hall.walls, *steps, *hall.objects)
        self._items = [(i, box_corners(o.x, o.y, o.yaw, o.length, o.width)) for i, o in enumerate(items)]
        self._names = [*("wall" for _ in hall.walls), *("step" for _ in steps), *(o.label.name for o in hall.objects)]
        self._middle = np.array([(o.x, o.y) for o in items])
        self._reach = np.array([math.hypot(o.length, o.width) / 2 + 0.4 for o in items])

    def touches(self, pose: Pose2) -> str:
        """What the body touches at ``pose``, or an empty text."""
        body = box_corners(pose.x, pose.y, pose.yaw, *BODY)
        near = np.hypot(self._middle[:, 0] - pose.x, self._middle[:, 1] - pose.y) < self._reach
        for k in np.flatnonzero(near):
            i, corners = self._items[k]
            if _overlap(body, corners):
                return f"{self._names[i]} {i}"
        return ""


@dataclass(frozen=True)
class FloorPlan:
    """The hall's truth on a fine grid: clearance [m] of every cell, and which parts hang together for the body."""

    clearance: NDArray[np.float32]
    half: float

    @classmethod
    def of(cls, hall: Hall) -> FloorPlan:
        half = max(hall.length, hall.width) / 2
        cells = int(2 * half / MASK_M)
        free = hall_masks(hall, Pose2(0.0, 0.0, 0.0), half, cells)[0].astype(np.uint8)
        free = np.pad(free, 1)
        distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        return cls(distance * MASK_M, half)

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The cell of a point."""
        cells = len(self.clearance)
        i, j = (int((v + self.half) / (2 * self.half) * cells) for v in (x, y))
        return min(max(i, 0), cells - 1), min(max(j, 0), cells - 1)

    def component(
        self, x: float, y: float, radius: float, standing: list[tuple[float, float]] | None = None
    ) -> NDArray[np.bool_]:
        """Cells that a body of ``radius`` reaches from a point, keeping away from people who stand."""
        passable = (self.clearance > radius).astype(np.uint8)
        size = 2 * self.half / len(self.clearance)
        for px, py in standing or ():
            i, j = self.at(px, py)
            cv2.circle(passable, (j, i), round(PERSON_ROOM_M / size), 0, -1)
        _, labels = cv2.connectedComponents(passable, connectivity=4)
        label = labels[self.at(x, y)]
        return (labels == label) & (label > 0)

    def draw(self, rng: np.random.Generator, cells: NDArray[np.bool_]) -> tuple[float, float]:
        """A random point among cells."""
        choice = np.argwhere(cells)
        i, j = choice[rng.integers(len(choice))]
        size = 2 * self.half / len(self.clearance)
        return -self.half + (i + 0.5) * size, -self.half + (j + 0.5) * size


def line_clear(plan: FloorPlan, a: tuple[float, float], b: tuple[float, float], radius: float) -> bool:
    """Whether a straight walk keeps ``radius`` from everything."""
    for share in np.linspace(0.0, 1.0, max(int(math.hypot(b[0] - a[0], b[1] - a[1]) / 0.1), 1) + 1):
        if plan.clearance[plan.at(a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))] < radius:
            return False
    return True
