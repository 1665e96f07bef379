"""Forecasts: for each track several ways that it may move, with probabilities.

The weights below are judgement, not measurement: they rank the ways and never give one of them up while it is possible.
A learned predictor can take this function's place without any other stage noticing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.forecast import motion
from autodrive.forecast.ground import crosswalk_distance, free_probability
from autodrive.localization.route_line import RouteLine
from autodrive.scene import (
    VEHICLES,
    EgoState,
    Forecast,
    ForecastMode,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Horizon, kinematic limits and the reach of the assumptions."""

    horizon_s: float = 4.0
    dt: float = 0.25
    standing_speed: float = 0.3
    braking: float = 3.0
    max_lateral_acceleration: float = 4.0
    route_reach_m: float = 8.0
    route_angle: float = 0.6
    route_behind_m: float = 30.0
    route_ahead_m: float = 100.0
    turn_radii: tuple[float, ...] = (7.0, 9.5, 12.0)
    turn_starts_m: tuple[float, ...] = (0.0, 6.0, 12.0)
    turn_max_speed: float = 8.0
    turn_speed: float = 4.5
    road_edge_m: float = 7.0
    walking_speed: float = 1.4
    crosswalk_reach_m: float = 4.0
    merge_m: float = 0.4


@dataclass
class _Scene:
    """Tracks as arrays, and what is known of the ground around them."""

    pose: Array  # (N, 3)
    velocity: Array  # (N, 2)
    yaw_rate: Array
    length: Array
    label: NDArray[np.int64]
    ego: EgoState
    line: RouteLine | None
    free: GroundGrid | None
    markings: GroundMarkings | None
    t: Array
    s: Array = field(default_factory=lambda: np.zeros(0))  # along the route
    d: Array = field(default_factory=lambda: np.zeros(0))  # left of the route
    s_ego: float = 0.0

    @property
    def along(self) -> Array:
        """Signed speed along the heading."""
        return self.velocity[:, 0] * np.cos(self.pose[:, 2]) + self.velocity[:, 1] * np.sin(self.pose[:, 2])

    def pick(self, mask: Mask) -> _Scene:
        """The rows where ``mask`` is true."""
        cut = lambda a: a[mask] if len(a) else a  # noqa: E731
        return _Scene(
            cut(self.pose), cut(self.velocity), cut(self.yaw_rate), cut(self.length), cut(self.label),
            self.ego, self.line, self.free, self.markings, self.t, cut(self.s), cut(self.d), self.s_ego,
        )  # fmt: skip


# a way of moving for all rows: weights (N,), zero where it does not apply, and poses (N, T, 3)
_Way = tuple[Array, Array]


def forecast(
    tracks: Sequence[TrackedObject],
    ego: EgoState,
    route: Route | None,
    free: GroundGrid | None,
    config: ForecastConfig | None = None,
    markings: GroundMarkings | None = None,
) -> tuple[Forecast, ...]:
    """One forecast per track, in the order of ``tracks``; modes are sorted by falling probability and sum to one.

    ``route`` is the ego's own in map, ``free`` and ``markings`` are in base_link at the stamp of ``ego``. Raises InputError
    when a track is not finite.
    """
    cfg = config or ForecastConfig()
    if not tracks:
        return ()
    scene = _scene(tracks, ego, RouteLine(route) if route is not None else None, free, markings, cfg)
    vehicles = np.isin(scene.label, [*VEHICLES, ObjectClass.CYCLIST])
    walkers = scene.label == ObjectClass.PEDESTRIAN
    modes: dict[int, tuple[ForecastMode, ...]] = {}
    for mask, ways in ((vehicles, _vehicle_ways), (walkers, _pedestrian_ways), (~vehicles & ~walkers, _static_ways)):
        if mask.any():
            for index, found in zip(np.flatnonzero(mask), _modes(ways(scene.pick(mask), cfg), cfg), strict=True):
                modes[int(index)] = found
    return tuple(Forecast(track, cfg.dt, modes[i]) for i, track in enumerate(tracks))


def _scene(
    tracks: Sequence[TrackedObject],
    ego: EgoState,
    line: RouteLine | None,
    free: GroundGrid | None,
    markings: GroundMarkings | None,
    cfg: ForecastConfig,
) -> _Scene:
    table = np.array([(k.x, k.y, k.yaw, k.vx, k.vy, k.yaw_rate, k.length) for k in tracks])
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise InputError(f"forecast: track {tracks[int(bad.argmax())].track_id} has a value that is not finite")
    label = np.array([int(k.label) for k in tracks])
    t = cfg.dt * np.arange(1, round(cfg.horizon_s / cfg.dt) + 1)
    scene = _Scene(table[:, :3], table[:, 3:5], table[:, 5], table[:, 6], label, ego, line, free, markings, t)
    if line is not None:
        scene.s_ego, _ = line.project_pose(ego.pose)
        scene.s, scene.d = line.project(table[:, :2], scene.s_ego - cfg.route_behind_m, scene.s_ego + cfg.route_ahead_m)
    return scene


def _static_ways(scene: _Scene, cfg: ForecastConfig) -> list[_Way]:
    return [(np.ones(len(scene.pose)), motion.rest(scene.pose, scene.t))]


def _vehicle_ways(scene: _Scene, cfg: ForecastConfig) -> list[_Way]:
    v, t = scene.along, scene.t
    moving = np.abs(v) >= cfg.standing_speed
    limit = cfg.max_lateral_acceleration / np.maximum(np.abs(v), 1.0)
    rate = np.clip(scene.yaw_rate, -limit, limit)
    ways: list[_Way] = [
        (0.35 * moving, motion.constant_turn(scene.pose, v, rate, t)),
        (0.25 * moving, motion.ahead(scene.pose, v[:, None] * t)),
        (0.12 * moving, motion.braking(scene.pose, v, cfg.braking, t)),
        (0.92 * ~moving, motion.rest(scene.pose, t)),
    ]
    ways += _route_ways(scene, moving, cfg)
    if scene.free is not None:
        ways += [_turn_way(scene, side, cfg) for side in (1.0, -1.0)]
    return ways


def _route_ways(scene: _Scene, moving: Mask, cfg: ForecastConfig) -> list[_Way]:
    """Following the route's bends at constant offset if moving; pulling out into the lane ahead if standing."""
    v, t, pose = scene.along, scene.t, scene.pose
    pull_out = motion.speeding_up(np.zeros_like(v), np.full_like(v, 4.0), 1.2, t)
    if scene.line is None:
        return [(0.08 * ~moving, motion.ahead(pose, pull_out))]
    off = np.cos(pose[:, 2] - scene.line.heading(scene.s))
    near = (np.abs(scene.d) < cfg.route_reach_m) & (np.abs(off) > np.cos(cfg.route_angle))
    near &= (scene.s > scene.line.s[0]) & (scene.s < scene.line.s[-1])
    backwards = off < 0
    sign = np.where(backwards, -1.0, 1.0)[:, None]
    s, d = scene.s[:, None], np.repeat(scene.d[:, None], len(t), axis=1)
    follow = motion.along_route(scene.line, s + sign * v[:, None] * t, d, backwards)
    # who parks at the side of the lane moves into its middle; who stands in it goes on
    ease = np.clip(t / 3.0, 0.0, 1.0)
    ease = ease**2 * (3 - 2 * ease)
    lateral = np.where(backwards[:, None], d, d * (1 - ease))
    leave = motion.along_route(scene.line, s + sign * pull_out, lateral, backwards)
    leave = np.where(near[:, None, None], leave, motion.ahead(pose, pull_out))
    return [(0.4 * (moving & near), follow), (0.08 * ~moving, leave)]


def _turn_way(scene: _Scene, side: float, cfg: ForecastConfig) -> _Way:
    """Turning off to one side: the freest of a few quarter circles, weighted by how free it is and how slow the vehicle."""
    assert scene.free is not None
    count, v = len(scene.pose), scene.along
    radius, start = (a.ravel() for a in np.meshgrid(cfg.turn_radii, cfg.turn_starts_m, indexing="ij"))
    options = len(radius)
    front = 0.5 * scene.length + 0.5  # the grid is not free under the vehicle itself
    reach = np.linspace(0.3, 1.0, 8)[None] * (start + 0.5 * np.pi * radius + 3.0)[:, None]  # (K, P)
    pose = np.repeat(scene.pose, options, axis=0)
    many_radius, many_start = side * np.tile(radius, count), np.tile(start, count)
    path = motion.turn(pose, np.tile(reach, (count, 1)), many_start, many_radius)[:, :, :2]
    probability = free_probability(scene.free, scene.ego.pose, path).reshape(count, options, -1)
    beyond = np.tile(reach, (count, 1)).reshape(count, options, -1) > front[:, None, None]
    openness = np.where(beyond, probability, 1.0).min(axis=2)
    best = openness.argmax(axis=1)
    free = openness[np.arange(count), best]
    target = np.clip(v, 0.0, cfg.turn_speed)
    target = np.maximum(target, np.minimum(2.5, cfg.turn_speed))
    distance = motion.speeding_up(np.maximum(v, 0.0), target, 2.0, scene.t)
    poses = motion.turn(scene.pose, distance, start[best], side * radius[best])
    able = (free > 0.5) & (v > cfg.standing_speed) & (v < cfg.turn_max_speed)
    slow = 1.0 - np.clip(v / cfg.turn_max_speed, 0.0, 1.0)
    swing = np.clip(1.0 + 3.0 * side * scene.yaw_rate, 0.2, 3.0)  # already turning that way, or the other
    return able * (0.08 + 0.2 * slow) * swing, poses


def _pedestrian_ways(scene: _Scene, cfg: ForecastConfig) -> list[_Way]:
    t = scene.t
    speed = np.hypot(scene.velocity[:, 0], scene.velocity[:, 1])
    walking = speed >= cfg.standing_speed
    course = scene.pose.copy()
    course[:, 2] = np.where(walking, np.arctan2(scene.velocity[:, 1], scene.velocity[:, 0]), scene.pose[:, 2])
    ways: list[_Way] = [
        (0.7 * walking, motion.constant_velocity(course, scene.velocity, t)),
        (np.where(walking, 0.2, 0.85), motion.braking(course, speed * walking, 2.0, t)),
        (0.1 * ~walking, motion.ahead(course, motion.speeding_up(speed, np.full_like(speed, 1.0), 1.0, t))),
    ]
    if scene.line is not None:
        ways.append(_crossing_way(scene, course, speed * walking, cfg))
    return ways


def _crossing_way(scene: _Scene, course: Array, speed: Array, cfg: ForecastConfig) -> _Way:
    """Stepping onto the road and across, for who is at the edge of the ego's road ahead of it."""
    assert scene.line is not None
    ahead_m = scene.s - scene.s_ego
    near = (np.abs(scene.d) > 1.0) & (np.abs(scene.d) < cfg.road_edge_m) & (ahead_m > -2.0) & (ahead_m < 60.0)
    across = scene.line.heading(scene.s) - np.sign(scene.d) * 0.5 * np.pi  # towards the route, at a right angle to it
    facing = np.cos(course[:, 2] - across)
    weight = np.clip(0.06 + 0.2 * facing, 0.02, None) + 0.4 * np.clip(facing - 0.5, 0.0, 0.5) * (speed > 0)
    crosswalk = crosswalk_distance(scene.markings, scene.ego.pose, scene.pose[:, :2])
    weight = weight * np.where(crosswalk < cfg.crosswalk_reach_m, 2.5, 1.0)
    if scene.free is not None:
        step = np.stack([np.cos(across), np.sin(across)], axis=1)
        edge = scene.pose[:, None, :2] + step[:, None] * np.array([1.0, 2.0, 3.0])[None, :, None]
        road = free_probability(scene.free, scene.ego.pose, edge).max(axis=1) > 0.4
        weight = weight * np.where(road, 1.0, 0.3)
    start = scene.pose.copy()
    start[:, 2] = across
    distance = motion.speeding_up(speed, np.maximum(speed, cfg.walking_speed), 1.5, scene.t)
    return weight * near, motion.ahead(start, distance)


def _modes(ways: list[_Way], cfg: ForecastConfig) -> list[tuple[ForecastMode, ...]]:
    """Normalise, and give the weight of a way that another one nearly equals to that other one."""
    weight = np.stack([w for w, _ in ways], axis=1).astype(np.float64)  # (N, M)
    poses = np.stack([p for _, p in ways], axis=1)  # (N, M, T, 3)
    weight /= weight.sum(axis=1, keepdims=True)
    difference = poses[:, :, None, :, :2] - poses[:, None, :, :, :2]
    alike = (difference**2).sum(axis=4).max(axis=3) < cfg.merge_m**2  # (N, M, M)
    for later in range(1, weight.shape[1]):
        for earlier in range(later):
            same = alike[:, earlier, later] & (weight[:, earlier] > 0)
            weight[same, earlier] += weight[same, later]
            weight[same, later] = 0.0
    poses[..., 2] = (poses[..., 2] + np.pi) % (2 * np.pi) - np.pi
    poses.setflags(write=False)
    order = np.argsort(-weight, axis=1, kind="stable")
    return [
        tuple(ForecastMode(float(weight[n, m]), poses[n, m]) for m in order[n] if weight[n, m] > 0)
        for n in range(len(weight))
    ]
