"""Random traffic for training frames: who is where now, how fast, and where everybody was one frame earlier.

Denser and wilder than life on purpose: a network learns what it sees. Poses are in ``map``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall import person_size

Array = NDArray[np.float64]

REACH_M = 62.0
WALKER_REACH_M = 34.0
_STEP_M = 1.0


@dataclass(frozen=True, slots=True)
class Mover:
    """One object now (``item``, velocity in map axes) and its pose one frame earlier; gait phases [rad] of both."""

    item: DetectedObject
    previous: Pose2
    style_seed: int
    gait: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class EgoMotion:
    """base_link now and one frame earlier, on ground of height ``z``; ``box`` is the body's footprint in base_link.

    ``box`` is (x of its middle, length, width).
    """

    now: Pose2
    previous: Pose2
    z: float
    box: tuple[float, float, float]


@dataclass(frozen=True)
class Path:
    """One lane as a polyline with arc length: points (N, 2), s (N,), width [m], height of its ground [m]."""

    points: Array
    s: Array
    width: float
    z: float

    def pose(self, s: float, lateral: float = 0.0) -> Pose2:
        """Pose at arc length ``s`` (straight on beyond the ends), ``lateral`` metres to the left."""
        inside = float(np.clip(s, 0.0, self.s[-1]))
        x, y = (float(np.interp(inside, self.s, self.points[:, k])) for k in (0, 1))
        low, high = max(0.0, inside - 1.0), min(float(self.s[-1]), inside + 1.0)
        dx, dy = (
            float(np.interp(high, self.s, self.points[:, k]) - np.interp(low, self.s, self.points[:, k]))
            for k in (0, 1)
        )
        yaw = math.atan2(dy, dx)
        return Pose2(x, y, yaw) @ Pose2(s - inside, lateral, 0.0)


class Paths:
    """Lanes of one kind, searchable by distance."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        stations = [(k, s) for k, path in enumerate(self.paths) for s in np.arange(0.5, max(path.s[-1], 0.6), _STEP_M)]
        self._lane = np.array([k for k, _ in stations], dtype=np.int64)
        self._s = np.array([s for _, s in stations])
        self._xy = np.array([[(p := self.paths[k].pose(s)).x, p.y] for k, s in stations]).reshape(-1, 2)

    def pick(
        self, rng: np.random.Generator, near: Pose2 | None = None, reach: float = math.inf, ahead: float = -math.inf
    ) -> tuple[Path, float] | None:
        """A random station (path, s) within ``reach`` of ``near`` and at least ``ahead`` metres along its x axis."""
        allowed = np.arange(len(self._s))
        if near is not None:
            local = near.inverse().apply(self._xy)
            allowed = np.flatnonzero((np.hypot(local[:, 0], local[:, 1]) < reach) & (local[:, 0] > ahead))
        if not len(allowed):
            return None
        k = int(rng.choice(allowed))
        return self.paths[int(self._lane[k])], float(self._s[k])


def make_path(points: Array, width: float, z: float) -> Path:
    """A path from a polyline (N, 2)."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return Path(points, np.concatenate([[0.0], np.cumsum(steps)]), width, z)


class Crowd:
    """Collects movers around the ego body so that no two stand inside each other."""

    def __init__(self, rng: np.random.Generator, ego: EgoMotion, dt: float) -> None:
        self.rng, self.ego, self.dt = rng, ego, dt
        self.movers: list[Mover] = []
        self._circles = np.empty((0, 3))
        body = ego.now @ Pose2(ego.box[0], 0.0, 0.0)
        self._take(body, ego.box[1] + 1.0, ego.box[2] + 0.5)

    def add(self, label: ObjectClass, pose: Pose2, size: tuple[float, float, float], z: float, **motion: float) -> bool:
        """Add one mover unless its place is taken; ``motion`` is speed along its heading and yaw_rate."""
        if not self._free(pose, size[0], size[1]):
            return False
        self._take(pose, size[0], size[1])
        speed, yaw_rate = motion.get("speed", 0.0), motion.get("yaw_rate", 0.0)
        item = DetectedObject(label, 1.0, pose.x, pose.y, z + size[2] / 2, pose.yaw, *size)
        item = replace(item, vx=speed * math.cos(pose.yaw), vy=speed * math.sin(pose.yaw))
        before = pose @ arc(speed, yaw_rate, -self.dt)
        self.movers.append(Mover(item, before, int(self.rng.integers(1 << 30)), self._gait(label, speed)))
        return True

    def add_fixed(self, items: Iterable[DetectedObject], style_seed: int) -> None:
        """Add things that belong to the scene, wherever they are; each keeps its look from frame to frame."""
        for k, item in enumerate(items):
            pose = Pose2(item.x, item.y, item.yaw)
            local = self.ego.now.inverse() @ pose
            if math.hypot(local.x, local.y) < REACH_M and self._free(pose, item.length * 0.9, item.width * 0.9):
                self._take(pose, item.length, item.width)
                self.movers.append(Mover(item, pose, style_seed + k))

    def block(self, pose: Pose2, length: float, width: float) -> None:
        """Keep a footprint free of movers."""
        self._take(pose, length, width)

    def _gait(self, label: ObjectClass, speed: float) -> tuple[float, float]:
        if label not in (ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST) or speed < 0.15:
            return 0.0, 0.0
        phase = float(self.rng.uniform(0, 2 * math.pi))
        stride = 1.5 if label == ObjectClass.PEDESTRIAN else 4.5
        return phase, phase - 2 * math.pi * speed / stride * self.dt

    def _chain(self, pose: Pose2, length: float, width: float) -> Array:
        long, short = max(length, width), min(length, width)
        count = max(1, math.ceil(long / short))
        along = np.linspace(-1, 1, count) * (long - short) / 2 if count > 1 else np.zeros(1)
        local = np.stack([along, np.zeros(count)], axis=1)
        points = pose.apply(local if length >= width else local[:, ::-1])
        return np.concatenate([points, np.full((count, 1), short * 0.58)], axis=1)

    def _free(self, pose: Pose2, length: float, width: float) -> bool:
        circles = self._chain(pose, length, width)
        gaps = np.hypot(*(circles[:, None, :2] - self._circles[None, :, :2]).transpose(2, 0, 1))
        return bool((gaps > circles[:, None, 2] + self._circles[None, :, 2] + 0.05).all())

    def _take(self, pose: Pose2, length: float, width: float) -> None:
        self._circles = np.concatenate([self._circles, self._chain(pose, length, width)])


def arc(speed: float, yaw_rate: float, dt: float) -> Pose2:
    """Where constant speed and yaw rate take a body in ``dt`` seconds (negative: where it came from)."""
    turn = yaw_rate * dt
    chord = speed * dt * (1.0 if abs(turn) < 1e-9 else math.sin(turn / 2) / (turn / 2))
    return Pose2(chord * math.cos(turn / 2), chord * math.sin(turn / 2), turn)


def fill_street(crowd: Crowd, roads: Paths, walks: Paths, zebras: Paths, vehicles: int, walkers: int) -> None:
    """Traffic on the lanes, parked cars at the kerbs, road works, and people nearly everywhere."""
    rng = crowd.rng
    if rng.random() < 0.35:
        _road_works(crowd, roads)
    for _ in range(vehicles):
        _vehicle(crowd, roads)
    for _ in range(int(rng.integers(0, 4))):
        _kerb_parker(crowd, roads)
    for _ in range(walkers):
        _walker(crowd, roads, walks, zebras)
    if rng.random() < 0.2 and (place := roads.pick(rng, crowd.ego.now, 35.0)) is not None:
        path, s = place
        side = float(rng.uniform(0.35, 1.1))
        size = (side, side * float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.3, 0.9)))
        spot = path.pose(s, float(rng.uniform(-0.5, 0.5)) * path.width) @ Pose2(0, 0, float(rng.uniform(-3.1, 3.1)))
        crowd.add(ObjectClass.BOX, spot, size, path.z)


def car_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height of a passenger car or van."""
    if rng.random() < 0.15:
        return float(rng.uniform(4.6, 5.6)), float(rng.uniform(1.9, 2.05)), float(rng.uniform(1.85, 2.3))
    return float(rng.uniform(3.6, 5.0)), float(rng.uniform(1.68, 1.95)), float(rng.uniform(1.4, 1.75))


def truck_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height of a lorry or bus."""
    return float(rng.uniform(6.0, 12.0)), float(rng.uniform(2.3, 2.55)), float(rng.uniform(2.8, 3.8))


def cyclist_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height of a bicycle with its rider."""
    return float(rng.uniform(1.65, 1.9)), float(rng.uniform(0.5, 0.65)), float(rng.uniform(1.6, 1.85))


def _vehicle(crowd: Crowd, roads: Paths) -> None:
    rng = crowd.rng
    for _ in range(6):
        reach = 30.0 if rng.random() < 0.5 else REACH_M
        place = roads.pick(rng, crowd.ego.now, reach)
        if place is None:
            continue
        path, s = place
        kind = rng.random()
        lateral, speed = float(rng.normal(0, 0.2)), float(rng.uniform(1.0, 10.0) if rng.random() < 0.7 else 0.0)
        if kind < 0.18:
            label, size = ObjectClass.TRUCK, truck_size(rng)
        elif kind < 0.38:
            label, size, speed = ObjectClass.CYCLIST, cyclist_size(rng), min(speed, 6.0)
            lateral = -path.width / 2 + float(rng.uniform(0.4, 1.4))
        else:
            label, size = ObjectClass.CAR, car_size(rng)
        pose = path.pose(s, lateral) @ Pose2(0, 0, float(rng.normal(0, 0.03)))
        bend = (path.pose(s + 1.5).yaw - path.pose(s - 1.5).yaw + math.pi) % (2 * math.pi) - math.pi
        if crowd.add(label, pose, size, path.z, speed=speed, yaw_rate=float(np.clip(bend / 3.0 * speed, -0.9, 0.9))):
            if label == ObjectClass.CAR and speed < 2.0 and rng.random() < 0.6:
                _queue(crowd, path, s - size[0] / 2, lateral, speed)
            return


def _queue(crowd: Crowd, path: Path, rear: float, lateral: float, speed: float) -> None:
    rng = crowd.rng
    for _ in range(int(rng.integers(1, 4))):
        size = car_size(rng)
        rear -= float(rng.uniform(1.5, 4.0))
        crowd.add(ObjectClass.CAR, path.pose(rear - size[0] / 2, lateral), size, path.z, speed=speed)
        rear -= size[0]


def _kerb_parker(crowd: Crowd, roads: Paths) -> None:
    rng = crowd.rng
    place = roads.pick(rng, crowd.ego.now, 45.0)
    if place is None:
        return
    path, s = place
    size = car_size(rng)
    pose = path.pose(s, -path.width / 2 + size[1] / 2 + float(rng.uniform(-0.3, 0.2)))
    turned = math.pi if rng.random() < 0.15 else 0.0
    crowd.add(ObjectClass.CAR, pose @ Pose2(0, 0, turned + float(rng.normal(0, 0.04))), size, path.z)


def _road_works(crowd: Crowd, roads: Paths) -> None:
    """A row of cones along or across a lane, often with a barrier board behind it."""
    rng = crowd.rng
    place = roads.pick(rng, crowd.ego.now, 32.0, ahead=4.0)
    if place is None:
        return
    path, s = place
    side = float(rng.uniform(0.3, 0.45))
    size = (side, side, float(rng.uniform(0.45, 0.85)))
    start, slope = float(rng.uniform(-0.5, 0.1)) * path.width, float(rng.uniform(0.0, 0.35))
    for k in range(int(rng.integers(2, 8))):
        along = 1.6 * k
        crowd.add(ObjectClass.CONE, path.pose(s + along, start + slope * along), size, path.z)
    for k in range(int(rng.integers(0, 3))):
        board = (float(rng.uniform(1.2, 2.2)), float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.9, 1.15)))
        across = math.pi / 2 + float(rng.normal(0, 0.2))
        spot = path.pose(s + 13.0, start + 1.0 + 2.4 * k) if rng.random() < 0.5 else path.pose(s + 3.0 + 3.0 * k, -1.2)
        crowd.add(ObjectClass.BARRIER, spot @ Pose2(0, 0, across), board, path.z)


def _walker(crowd: Crowd, roads: Paths, walks: Paths, zebras: Paths) -> None:
    """Half walk along a pavement; the others cross on a zebra or anywhere, step onto the road or stand at its edge."""
    rng = crowd.rng
    for _ in range(6):
        where = rng.random()
        paths, along = (walks, True) if where < 0.5 else (zebras, True) if where < 0.7 else (roads, False)
        place = paths.pick(rng, crowd.ego.now, 20.0 if rng.random() < 0.7 else WALKER_REACH_M)
        if place is None:
            continue
        path, s = place
        speed = float(rng.uniform(0.4, 2.2)) if rng.random() < 0.75 else 0.0
        lateral = float(rng.uniform(-0.5, 0.5)) * path.width
        if along:
            turn = float(rng.integers(2)) * math.pi + float(rng.normal(0, 0.25))
            turn = turn if rng.random() < 0.8 else float(rng.uniform(-math.pi, math.pi))
        else:
            turn = float(rng.choice([-1, 1])) * math.pi / 2 + float(rng.normal(0, 0.4))
        pose = path.pose(s, lateral) @ Pose2(0, 0, turn)
        label = ObjectClass.PEDESTRIAN
        if crowd.add(label, pose, person_size(rng), path.z, speed=speed, yaw_rate=float(rng.normal(0, 0.1))):
            return


def fill_hall(crowd: Crowd, people: Iterable[DetectedObject], free: NDArray[np.uint8], half_extent: float) -> None:
    """The hall's people and a few near the robot; ``free`` is the floor over [-half_extent, half_extent] in map."""
    rng = crowd.rng
    spots = [(person.x, person.y, (person.length, person.width, person.height)) for person in people]
    cell = 2 * half_extent / len(free)
    floor = (np.argwhere(free) + 0.5) * cell - half_extent
    near = floor[np.hypot(*(floor - (crowd.ego.now.x, crowd.ego.now.y)).T) < 5.0]
    if len(near):
        spots += [(*near[rng.integers(len(near))], person_size(rng)) for _ in range(rng.integers(0, 4))]
    for x, y, size in spots:
        pose = Pose2(float(x), float(y), float(rng.uniform(-math.pi, math.pi)))
        speed = float(rng.uniform(0.3, 1.6)) if rng.random() < 0.6 else 0.0
        crowd.add(ObjectClass.PEDESTRIAN, pose, size, 0.0, speed=speed, yaw_rate=float(rng.normal(0, 0.2)))
