"""What a forecast looks at: the tracks as arrays, and what is known of the ground around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.localization.route_line import RouteLine
from autodrive.scene import EgoState, GroundGrid, GroundMarkings, Route, TrackedObject

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# a way of moving for all rows: weights (N,), zero where it does not apply, and poses (N, T, 3)
Way = tuple[NDArray[np.floating[Any]], Array]


@dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Horizon, kinematic limits and the reach of the assumptions."""

    horizon_s: float = 4.0
    dt: float = 0.25
    standing_speed: float = 0.3
    braking: float = 3.0
    slowing: float = 1.2
    max_lateral_acceleration: float = 4.0
    route_reach_m: float = 8.0
    route_angle: float = 0.6
    lane_angle: float = 0.25  # rad: within this of the road's direction a vehicle keeps its lane, unless it turns ...
    calm_rate: float = 0.15  # ... faster than this [rad/s]
    turning_rate: float = 0.3
    route_behind_m: float = 30.0
    route_ahead_m: float = 100.0
    turn_radii: tuple[float, ...] = (7.0, 9.5, 12.0)
    turn_starts_m: tuple[float, ...] = (0.0, 6.0, 12.0)
    turn_max_speed: float = 8.0
    turn_speed: float = 4.5
    road_edge_m: float = 7.0
    walking_speed: float = 1.4
    crosswalk_reach_m: float = 4.0
    lane_edge_m: float = 1.7  # from the middle of the ego's lane: who walks beyond may be on a pavement
    along_angle: float = 0.4  # rad: within this of the road's direction a walker goes along it, ...
    across_angle: float = 0.65  # ... beyond this across
    merge_m: float = 0.4


@dataclass(frozen=True)
class View:
    """N tracks in map; ``s`` and ``d`` are their places along and left of the route, empty without a route."""

    pose: Array  # (N, 3)
    velocity: Array  # (N, 2)
    yaw_rate: Array
    length: Array
    label: NDArray[np.int64]
    s: Array
    d: Array
    t: Array  # (T,) the times of the forecast
    ego: EgoState
    s_ego: float
    line: RouteLine | None
    free: GroundGrid | None
    markings: GroundMarkings | None

    @property
    def along(self) -> Array:
        """Signed speed along the heading."""
        return np.asarray(self.velocity[:, 0] * np.cos(self.pose[:, 2]) + self.velocity[:, 1] * np.sin(self.pose[:, 2]))

    def pick(self, mask: Mask) -> View:
        """The rows where ``mask`` is true."""
        rows = {name: getattr(self, name)[mask] for name in ("pose", "velocity", "yaw_rate", "length", "label")}
        if self.line is not None:
            rows |= {"s": self.s[mask], "d": self.d[mask]}
        return replace(self, **rows)


def look(
    tracks: Sequence[TrackedObject],
    ego: EgoState,
    route: Route | None,
    free: GroundGrid | None,
    markings: GroundMarkings | None,
    cfg: ForecastConfig,
) -> View:
    """Lay the tracks out as arrays, with their places on the route; InputError for values that are not finite."""
    table = np.array([(k.x, k.y, k.yaw, k.vx, k.vy, k.yaw_rate, k.length) for k in tracks])
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise InputError(f"forecast: track {tracks[int(bad.argmax())].track_id} has a value that is not finite")
    line = None if route is None else RouteLine(route)
    s, d, s_ego = np.zeros(0), np.zeros(0), 0.0
    if line is not None:
        s_ego, _ = line.project_pose(ego.pose)
        s, d = line.project(table[:, :2], s_ego - cfg.route_behind_m, s_ego + cfg.route_ahead_m)
    return View(
        pose=table[:, :3],
        velocity=table[:, 3:5],
        yaw_rate=table[:, 5],
        length=table[:, 6],
        label=np.array([int(k.label) for k in tracks]),
        s=s,
        d=d,
        t=np.linspace(cfg.dt, cfg.horizon_s, round(cfg.horizon_s / cfg.dt), dtype=np.float64),
        ego=ego,
        s_ego=s_ego,
        line=line,
        free=free,
        markings=markings,
    )
