"""Scores one episode from ground truth: the driving score of the CARLA leaderboard, and comfort and safety margins.

Definition (CARLA Autonomous Driving Leaderboard, "Evaluation and metrics", https://leaderboard.carla.org/):
driving score = route completion times the product of one penalty per infraction: collision with a pedestrian 0.50,
with a vehicle 0.60, with a static object 0.65. The part driven off the road does not count as completed. Leaving the
route by more than 30 m, or standing blocked for 180 s, ends the episode. This scorer knows no traffic lights or stop
signs, so their penalties never occur. A cyclist counts as a pedestrian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import ROAD_USERS, DetectedObject, ObjectClass, Route
from autodrive.sim.car_model import FRONT_OVERHANG_M, LENGTH_M, REAR_OVERHANG_M, WHEELBASE_M, WIDTH_M
from autodrive.sim.touches import Touches
from autodrive.sim.world import TICK_S, GroundTruth

PENALTY = {"pedestrian": 0.50, "vehicle": 0.60, "static": 0.65}
MAX_DEVIATION_M = 30.0
MAX_BLOCKED_S = 180.0
STANDSTILL_SPEED = 0.1
GOAL_TOLERANCE_M = 5.0  # base_link is 3.5 m behind the front bumper
PEDESTRIAN_CLEARANCE_M = 0.5
TTC_HORIZON_S = 10.0
_TTC_RANGE_M = 50.0
_CIRCLES = 5
_BODY_CENTER_M = (WHEELBASE_M + FRONT_OVERHANG_M - REAR_OVERHANG_M) / 2


@dataclass(frozen=True, slots=True)
class Collision:
    """One collision event; ``ego_stationary`` if the ego stood still when the other road user ran into it."""

    stamp_ns: int
    kind: str
    name: str
    ego_stationary: bool


@dataclass(frozen=True)
class Score:
    """The verdict on an episode so far.

    ``route_completion`` and ``driving_score`` in 0..1; ``end`` is "" while the episode goes on, else "goal",
    "route_deviation" or "blocked". Comfort in m/s2 and m/s3; ``min_ttc_s`` is at most TTC_HORIZON_S.
    """

    route_completion: float
    driving_score: float
    collisions: dict[str, int]
    collision_events: tuple[Collision, ...]
    infractions: dict[str, float]
    comfort: dict[str, float]
    min_ttc_s: float
    min_pedestrian_clearance_m: float | None
    distance_m: float
    end: str

    def as_dict(self) -> dict[str, Any]:
        """Plain types for report.json; stamps in seconds."""
        return {
            "route_completion": self.route_completion,
            "driving_score": self.driving_score,
            "collisions": dict(self.collisions),
            "collision_events": [
                {"t": e.stamp_ns * 1e-9, "kind": e.kind, "name": e.name, "ego_stationary": e.ego_stationary}
                for e in self.collision_events
            ],
            "infractions": dict(self.infractions),
            "comfort": dict(self.comfort),
            "min_ttc_s": self.min_ttc_s,
            "min_pedestrian_clearance_m": self.min_pedestrian_clearance_m,
            "distance_m": self.distance_m,
            "end": self.end,
        }


@dataclass
class _Comfort:
    """Running figures of longitudinal and lateral acceleration and of jerk."""

    acceleration: list[float] = field(default_factory=list)
    lateral: list[float] = field(default_factory=list)
    jerk: list[float] = field(default_factory=list)

    def update(self, before: GroundTruth, now: GroundTruth, dt: float) -> None:
        acceleration = (now.speed - before.speed) / dt
        if self.acceleration:
            self.jerk.append((acceleration - self.acceleration[-1]) / dt)
        self.acceleration.append(acceleration)
        self.lateral.append(now.speed * wrap_angle(now.ego.yaw - before.ego.yaw) / dt)

    def figures(self) -> dict[str, float]:
        along, across, jerk = (np.asarray(v or [0.0]) for v in (self.acceleration, self.lateral, self.jerk))
        return {
            "mean_abs_acceleration": float(np.abs(along).mean()),
            "max_acceleration": float(max(along.max(), 0.0)),
            "max_deceleration": float(max(-along.min(), 0.0)),
            "max_lateral_acceleration": float(np.abs(across).max()),
            "mean_abs_jerk": float(np.abs(jerk).mean()),
            "max_abs_jerk": float(np.abs(jerk).max()),
        }


class Scorer:
    """Feed it every tick's truth, in order; what comes after the episode's end is ignored."""

    def __init__(self) -> None:
        self._previous: GroundTruth | None = None
        self._progress = 0.0
        self._route_length = 0.0
        self._distance = 0.0
        self._off_road_distance = 0.0
        self._off_road_s = 0.0
        self._close_s = 0.0
        self._blocked_s = 0.0
        self._clearance = math.inf
        self._ttc = TTC_HORIZON_S
        self._comfort = _Comfort()
        self._events: list[Collision] = []
        self._touches = Touches()
        self._end = ""

    @property
    def end(self) -> str:
        """Why the episode ended, "" while it goes on."""
        return self._end

    def update(self, truth: GroundTruth, route: Route) -> None:
        """Take in the truth of one tick; ``route`` is the same for the whole episode."""
        if self._end:
            return
        self._collide(truth)
        self._margins(truth)
        deviation = self._advance(truth, route)
        if self._previous is not None:
            self._move(self._previous, truth)
        self._previous = truth
        if self._route_length - self._progress <= GOAL_TOLERANCE_M:
            self._end = "goal"
        elif deviation > MAX_DEVIATION_M:
            self._end = "route_deviation"
        elif self._blocked_s > MAX_BLOCKED_S:
            self._end = "blocked"

    def result(self) -> Score:
        """The score up to now."""
        completion = 1.0 if self._end == "goal" else self._progress / max(self._route_length, 1e-9)
        off_road = self._off_road_distance / self._distance if self._distance > 0 else 0.0
        score = completion * (1.0 - off_road)
        for event in self._events:
            score *= PENALTY[event.kind]
        return Score(
            route_completion=completion,
            driving_score=score,
            collisions={
                kind: sum(e.kind == kind for e in self._events) for kind in ("vehicle", "pedestrian", "static")
            },
            collision_events=tuple(self._events),
            infractions={
                "off_road_s": self._off_road_s,
                "off_road_fraction": off_road,
                "route_deviation": float(self._end == "route_deviation"),
                "blocked": float(self._end == "blocked"),
                "pedestrian_close_s": self._close_s,
            },
            comfort=self._comfort.figures(),
            min_ttc_s=self._ttc,
            min_pedestrian_clearance_m=None if math.isinf(self._clearance) else self._clearance,
            distance_m=self._distance,
            end=self._end,
        )

    def _collide(self, truth: GroundTruth) -> None:
        before = self._previous or truth  # the impact itself changes the speed
        still = abs(before.speed) < STANDSTILL_SPEED
        begun = self._touches.new(truth.stamp_ns, truth.contacts)
        self._events += [Collision(truth.stamp_ns, contact.kind, contact.name, still) for contact in begun]

    def _advance(self, truth: GroundTruth, route: Route) -> float:
        """Move the progress along the route; returns the distance from it."""
        step = 0.0 if self._previous is None else math.hypot(*_moved(self._previous.ego, truth.ego))
        # a window around the last projection: a route that crosses itself must not be cut short
        window = (self._progress - 10.0, self._progress + 10.0 + 2.0 * step)
        arc, distance, self._route_length = _project(route.points, truth.ego, window)
        self._progress = max(self._progress, arc)
        return distance

    def _move(self, before: GroundTruth, now: GroundTruth) -> None:
        dt = (now.stamp_ns - before.stamp_ns) * 1e-9 or TICK_S
        step = math.hypot(*_moved(before.ego, now.ego))
        self._distance += step
        if now.off_road:
            self._off_road_s += dt
            self._off_road_distance += step
        self._blocked_s = self._blocked_s + dt if abs(now.speed) < STANDSTILL_SPEED else 0.0
        self._comfort.update(before, now, dt)

    def _margins(self, truth: GroundTruth) -> None:
        users = [o for o in truth.objects if o.label in ROAD_USERS]
        if not users:
            return
        walkers = np.array([(o.x, o.y) for o in users if o.label == ObjectClass.PEDESTRIAN]).reshape(-1, 2)
        if len(walkers):
            local = np.abs(truth.ego.inverse().apply(walkers) - [_BODY_CENTER_M, 0.0])
            gap = np.hypot(*np.maximum(local - [LENGTH_M / 2, WIDTH_M / 2], 0.0).T)
            clearance = float(gap.min()) - 0.25  # a pedestrian's radius
            self._clearance = min(self._clearance, max(clearance, 0.0))
            if clearance < PEDESTRIAN_CLEARANCE_M and abs(truth.speed) > 1.0:
                self._close_s += TICK_S
        self._ttc = min(self._ttc, time_to_collision(truth.ego, truth.speed, users))


def time_to_collision(ego: Pose2, speed: float, objects: list[DetectedObject]) -> float:
    """Seconds until the ego would touch one of ``objects`` (in map), all at constant velocity; at most TTC_HORIZON_S.

    Bodies are rows of circles as wide as their boxes, so only the corners are rounded off.
    """
    box = np.array([(o.x, o.y, o.yaw, o.length, o.width, o.vx, o.vy) for o in objects]).reshape(-1, 7)
    box = box[np.hypot(box[:, 0] - ego.x, box[:, 1] - ego.y) < _TTC_RANGE_M]
    if not len(box):
        return TTC_HORIZON_S
    centers, radii = _circles(box[:, :2], box[:, 2], box[:, 3], box[:, 4])
    own_center = ego.apply(np.array([[_BODY_CENTER_M, 0.0]]))
    own, own_radius = _circles(own_center, np.array([ego.yaw]), np.array([LENGTH_M]), np.array([WIDTH_M]))
    gap = centers[:, :, None] - own[:, None]  # (objects, circles, own circles, 2)
    velocity = box[:, 5:7] - speed * np.array([math.cos(ego.yaw), math.sin(ego.yaw)])
    reach = (radii + own_radius)[:, None, None]
    # |gap + velocity t| = reach, first root
    a = np.maximum((velocity**2).sum(-1), 1e-12)[:, None, None]
    b = (gap * velocity[:, None, None]).sum(-1)
    c = (gap**2).sum(-1) - reach**2
    discriminant = b * b - a * c
    hit = (discriminant > 0) & (b < 0)
    times = np.where(hit, (-b - np.sqrt(np.maximum(discriminant, 0.0))) / a, TTC_HORIZON_S)
    times = np.where((c <= 0) & (b < 0), 0.0, times)
    return float(np.clip(times.min(), 0.0, TTC_HORIZON_S))


def _circles(
    center: NDArray[np.float64], yaw: NDArray[np.float64], length: NDArray[np.float64], width: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres (N, _CIRCLES, 2) and radii (N,) of a row of equal circles inscribed in each box."""
    radius = np.minimum(width, length) / 2
    along = np.linspace(-1.0, 1.0, _CIRCLES)[None, :] * (length / 2 - radius)[:, None]
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    return center[:, None] + along[:, :, None] * heading[:, None], radius


def _project(points: NDArray[np.float64], pose: Pose2, window: tuple[float, float]) -> tuple[float, float, float]:
    """Arc length of the nearest point within ``window`` [m], the distance to it, and the polyline's length."""
    start, segment = points[:-1], np.diff(points, axis=0)
    length = np.hypot(segment[:, 0], segment[:, 1])
    arc = np.concatenate([[0.0], np.cumsum(length)])
    offset = np.array([pose.x, pose.y]) - start
    along = np.clip((offset * segment).sum(-1) / np.maximum(length, 1e-9), 0.0, length)
    at = arc[:-1] + along
    unit = segment / np.maximum(length, 1e-9)[:, None]
    distance = np.hypot(*(offset - along[:, None] * unit).T)
    inside = (at >= window[0]) & (at <= window[1])
    if not inside.any():
        inside = np.ones_like(inside)
    best = int(np.argmin(np.where(inside, distance, np.inf)))
    return float(at[best]), float(distance[best]), float(arc[-1])


def _moved(before: Pose2, now: Pose2) -> tuple[float, float]:
    return now.x - before.x, now.y - before.y
