"""What is around the body, laid out as arrays: every predicted pose with sizes, margins and how binding it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array, wrap_angle
from autodrive.planning.collision import Boxes, Grid
from autodrive.planning.config import PlannerConfig
from autodrive.scene import VEHICLES, EgoState, Forecast, ForecastMode, ObjectClass, TrackedObject

Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

STATIC_SPEED = {ObjectClass.CAR: 0.5, ObjectClass.TRUCK: 0.5, ObjectClass.CYCLIST: 0.4, ObjectClass.PEDESTRIAN: 0.25}

# a mode of a standing object that ends nearer than this is the noise of its speed estimate
REST_SHIFT_M = 2.0


def is_static(track: TrackedObject) -> bool:
    """Whether the object stands: things always do, road users below the noise of their speed estimate."""
    return track.speed < STATIC_SPEED.get(track.label, np.inf)


@dataclass(frozen=True)
class Obstacles:
    """M predicted modes over the T conflict times; row 0 of time is now.

    ``poses`` (M, T, 3) in ``map``; ``track`` (M,) indexes ``tracks``; ``probability`` (M,); ``hard`` (M,) whether it
    is a constraint or only a risk; ``static`` (M,) modes that stand; ``boxes`` (M*T) rectangles in the same order.
    """

    tracks: tuple[TrackedObject, ...]
    poses: Array
    track: Index
    probability: Array
    hard: Mask
    static: Mask
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.poses)


def gather_obstacles(
    ego: EgoState,
    forecasts: tuple[Forecast, ...],
    times: Array,
    config: PlannerConfig,
    *,
    near: Callable[[Array], Array],
    margin_scale: Mapping[int, float],
    wavering: frozenset[int] = frozenset(),
) -> Obstacles:
    """Lay out all modes that come ``near`` the route (a function of points (K, 2) -> bool (K,)).

    Left out: what the body itself covers (ghosts), followers in the own lane (theirs is the duty to keep clear) and
    modes less likely than ``risk_probability``. ``margin_scale`` scales the margins per track id; tracks (ids) that are
    ``wavering`` between standing and moving count as standing.
    """
    tracks: list[TrackedObject] = []
    rows: list[tuple[Array, int, float, bool, bool]] = []
    for forecast in forecasts:
        track = forecast.track
        if _is_own_body(ego, track, config) or _is_follower(ego, track):
            continue
        standing = is_static(track) or track.track_id in wavering
        best = max((mode.probability for mode in forecast.modes), default=0.0)
        used = False
        for mode, rests in _modes(forecast, standing):
            if mode.probability < config.risk_probability:
                continue
            poses = _resample_mode(track, mode, forecast.dt, times)
            if not near(poses[:, :2]).any():
                continue
            hard = rests or (not standing and mode.probability >= min(config.probability_threshold, best))
            rows.append((poses, len(tracks), mode.probability, hard, rests))
            used = True
        if used:
            tracks.append(track)
    poses = np.stack([r[0] for r in rows]) if rows else np.zeros((0, len(times), 3))
    owner = np.array([r[1] for r in rows], dtype=np.intp)
    static = np.array([r[4] for r in rows], dtype=bool)
    return Obstacles(
        tuple(tracks),
        poses,
        owner,
        np.array([r[2] for r in rows]),
        np.array([r[3] for r in rows], dtype=bool),
        static,
        _boxes(tuple(tracks), poses, owner, static, times, config, margin_scale),
    )


def _modes(forecast: Forecast, standing: bool) -> list[tuple[ForecastMode, bool]]:
    """The forecast's modes, and whether each rests; what stands now also has one that goes on standing."""
    track = forecast.track
    if not standing:
        return [(mode, False) for mode in forecast.modes]
    rest = ForecastMode(1.0, np.array([[track.x, track.y, track.yaw]]))
    moving = [m for m in forecast.modes if np.hypot(m.poses[-1, 0] - track.x, m.poses[-1, 1] - track.y) > REST_SHIFT_M]
    return [(rest, True)] + [(mode, False) for mode in moving]


def _is_own_body(ego: EgoState, track: TrackedObject, config: PlannerConfig) -> bool:
    local = ego.pose.inverse().apply(np.array([track.x, track.y]))
    body = config.footprint
    return bool(-body.rear < local[0] < body.front and abs(local[1]) < body.width / 2 - 0.2)


def _is_follower(ego: EgoState, track: TrackedObject) -> bool:
    local = ego.pose.inverse().apply(np.array([track.x, track.y]))
    same_way = abs(wrap_angle(track.yaw - ego.pose.yaw)) < 1.0
    return bool(
        local[0] < -1.0 and abs(local[1]) < 2.0 and same_way and track.label in VEHICLES | {ObjectClass.CYCLIST}
    )


def _resample_mode(track: TrackedObject, mode: ForecastMode, dt: float, times: Array) -> Array:
    """Poses (T, 3) at ``times``, from the track now through the mode; the last velocity goes on beyond its end."""
    yaw0 = mode.poses[0, 2] + wrap_angle(track.yaw - mode.poses[0, 2])
    knots = np.vstack([[track.x, track.y, yaw0], mode.poses])
    knots[:, 2] = np.unwrap(knots[:, 2])
    position = times / dt
    low = np.minimum(position.astype(np.intp), len(knots) - 2)
    w = (position - low)[:, None]
    beyond = np.maximum(position - (len(knots) - 1), 0.0)
    w = np.minimum(w, 1.0)
    poses = (1 - w) * knots[low] + w * knots[low + 1]
    if len(mode.poses) > 1:
        poses[:, :2] += beyond[:, None] * (knots[-1, :2] - knots[-2, :2])
    return np.asarray(poses)


def _boxes(
    tracks: tuple[TrackedObject, ...],
    poses: Array,
    owner: Index,
    static: Mask,
    times: Array,
    config: PlannerConfig,
    margin_scale: Mapping[int, float],
) -> Boxes:
    """Grow lengths with prediction time and set margins by class, uncertainty and the caller's scale."""
    lateral = {ObjectClass.PEDESTRIAN: config.pedestrian_margin, ObjectClass.CYCLIST: config.pedestrian_margin}
    lateral |= dict.fromkeys(VEHICLES, config.vehicle_margin)
    base = np.array([lateral.get(t.label, config.static_margin) + 0.2 * min(t.position_std_m, 1.0) for t in tracks])
    person = np.array([t.label == ObjectClass.PEDESTRIAN for t in tracks], dtype=bool)
    along = np.where(person, config.pedestrian_longitudinal_margin, config.longitudinal_margin)
    scale = np.array([margin_scale.get(t.track_id, 1.0) for t in tracks])
    size = np.array([(t.length / 2, t.width / 2) for t in tracks]).reshape(-1, 2)
    moving = np.where(static, 0.0, 1.0)[:, None] * times[None, :]
    scale_row = scale[owner][:, None]
    growth = config.length_growth + config.speed_uncertainty * np.array([t.speed for t in tracks])
    half_length = size[owner, 0][:, None] + scale_row * np.minimum(growth[owner][:, None] * moving, 2.5)
    across = scale_row * (base[owner][:, None] + np.minimum(config.margin_growth * moving, 0.3))
    shape = poses.shape[:2]

    def flat(values: Array) -> Grid:
        return np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.float32).ravel()

    return Boxes(
        flat(poses[..., 0]),
        flat(poses[..., 1]),
        flat(poses[..., 2]),
        flat(half_length),
        flat(size[owner, 1][:, None]),
        flat(scale_row * along[owner][:, None]),
        flat(across),
    )
