"""What one frame says about the place in the lane: paint at its left, paint or the end of free ground at its right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2, wrap_angle
from autodrive.localization.route_line import RouteLine
from autodrive.scene import GroundClass, GroundGrid, GroundMarkings

Array = NDArray[np.float64]
Line = tuple[float, float]  # lateral offset [m] beside the body, and slope


@dataclass(frozen=True, kw_only=True)
class LaneEvidenceConfig:
    """Where to look, and what counts as a line."""

    half_width_m: float = 1.68  # lanes of 3.2 to 3.5 m
    half_width_range: tuple[float, float] = (1.45, 2.05)
    behind_m: float = 8.0
    ahead_m: float = 12.0
    gate_m: float = 0.8  # less than half a lane, or the next lane's lines would do as well
    straight_rad: float = 0.15
    min_score: float = 0.4
    min_stations: int = 6  # metres along the lane with evidence; dashes leave gaps
    min_span_m: float = 9.0
    max_residual_m: float = 0.25
    max_slope: float = 0.12


@dataclass(frozen=True, slots=True)
class LaneEvidence:
    """The body is ``offset_m`` further left and ``yaw`` further turned left than believed; heading of the route."""

    offset_m: float
    yaw: float
    route_yaw: float
    noise_factor: float


def look_at_lane(
    believed: Pose2, line: RouteLine, free: GroundGrid, markings: GroundMarkings, cfg: LaneEvidenceConfig
) -> LaneEvidence | None:
    """Compare one frame with the route at the ``believed`` pose; None in bends and where too little is seen."""
    s0, _ = line.project_pose(believed)
    stations = np.arange(s0 - cfg.behind_m, s0 + cfg.ahead_m, 1.0)
    headings = line.heading(stations)
    if not np.ptp(headings) < cfg.straight_rad or stations[-1] > line.s[-1] or stations[0] < line.s[0]:
        return None
    yaw = float(line.heading(np.array(s0)))
    if not abs(wrap_angle(believed.yaw - yaw)) < 0.3:
        return None
    s, d = _paint(believed, line, markings, stations, cfg)
    left = _boundary(s, d, 1.0, s0, cfg)
    # paint between the lane and a parking strip is the better right boundary than the end of free ground behind it
    right = _boundary(s, d, -1.0, s0, cfg) or _fit(*_free_edge(believed, line, free, stations, cfg), s0, cfg)
    if left is None or right is None:
        return None
    half_width = 0.5 * (left[0] - right[0])
    # one line alone, or two that are no lane apart, may be anything: a parking bay, a cycle lane, a row of parked cars
    if not cfg.half_width_range[0] <= half_width <= cfg.half_width_range[1] or abs(left[1] - right[1]) > 0.06:
        return None
    centre, slope = 0.5 * (left[0] + right[0]), 0.5 * (left[1] + right[1])
    # what lies to the right of where it should be was seen from further left than believed
    return LaneEvidence(-centre, -float(np.arctan(slope)), yaw, 1.0 + 2.0 * abs(half_width - cfg.half_width_m))


def _paint(
    believed: Pose2, line: RouteLine, markings: GroundMarkings, stations: Array, cfg: LaneEvidenceConfig
) -> tuple[Array, Array]:
    """Lane marking points as places along and left of the route."""
    use = (markings.kind == GroundClass.LANE_MARKING) & (markings.score >= cfg.min_score)
    points = markings.points[use & np.isfinite(markings.points).all(axis=1)]
    if len(points) == 0:
        return np.zeros(0), np.zeros(0)
    s, d = line.project(believed.apply(points), stations[0] - 1.0, stations[-1] + 1.0)
    keep = (s >= stations[0]) & (s <= stations[-1])
    return s[keep], d[keep]


def _boundary(s: Array, d: Array, side: float, s0: float, cfg: LaneEvidenceConfig) -> Line | None:
    """The line of paint where the lane should end on one side (1 left, -1 right)."""
    keep = np.abs(d - side * cfg.half_width_m) < cfg.gate_m
    return _fit(s[keep], d[keep], s0, cfg)


def _free_edge(
    believed: Pose2, line: RouteLine, free: GroundGrid, stations: Array, cfg: LaneEvidenceConfig
) -> tuple[Array, Array]:
    """Per station, where free ground ends when one goes to the right from the middle of the lane."""
    step = 0.1
    lateral = -np.arange(0.0, cfg.half_width_m + cfg.gate_m + 2 * step, step)
    points = line.sample(stations[:, None], lateral[None])[..., :2]
    local = believed.inverse().apply(points)
    probability = _interpolate(free, local)  # (S, L)
    blocked = probability < 0.5
    first_blocked = blocked.argmax(axis=1)
    last_free = blocked.shape[1] - 1 - (probability >= 0.5)[:, ::-1].argmax(axis=1)
    # noise blurs the edge to both sides; its middle is unbiased where the first crossing would lie too near
    edge = -0.5 * step * (first_blocked + last_free)
    found = blocked.any(axis=1) & (first_blocked > 0) & (step * np.abs(last_free - first_blocked) < 0.6)
    keep = found & (np.abs(edge + cfg.half_width_m) < cfg.gate_m)
    return stations[keep], edge[keep]


def _interpolate(grid: GroundGrid, local: Array) -> Array:
    """Bilinear FREE probability at points (..., 2) in base_link; NaN (which is not blocked) outside the grid."""
    probability = grid.probability[GroundClass.FREE].astype(np.float64)
    size = np.array(probability.shape)
    cell = (local - np.array([grid.extent.x_min, grid.extent.y_min])) / grid.resolution - 0.5
    inside = ((cell >= 0) & (cell <= size - 1)).all(axis=-1)
    low = np.clip(np.floor(cell), 0, size - 2).astype(np.int64)
    fx, fy = np.moveaxis(np.clip(cell - low, 0.0, 1.0), -1, 0)
    i, j = np.moveaxis(low, -1, 0)
    value = (probability[i, j] * (1 - fx) + probability[i + 1, j] * fx) * (1 - fy)
    value = value + (probability[i, j + 1] * (1 - fx) + probability[i + 1, j + 1] * fx) * fy
    return np.where(inside, value, np.nan)


def _fit(s: Array, d: Array, s0: float, cfg: LaneEvidenceConfig) -> Line | None:
    """Offset at ``s0`` and slope of the line through points (s, d), by reweighted least squares (Cauchy weights)."""
    if len(np.unique(np.floor(s))) < cfg.min_stations or not np.ptp(s) >= cfg.min_span_m:
        return None
    design = np.column_stack([np.ones(len(s)), s - s0])
    coefficients = np.array([np.median(d), 0.0])
    for _ in range(8):
        weight = 1.0 / (1.0 + ((d - design @ coefficients) / 0.15) ** 2)
        normal = design.T @ (weight[:, None] * design)
        coefficients = np.linalg.solve(normal, design.T @ (weight * d))
    residual = np.abs(d - design @ coefficients)
    good = residual < 2 * cfg.max_residual_m
    tight = good.mean() > 0.7 and np.median(residual) < cfg.max_residual_m
    if not (tight and abs(coefficients[1]) < cfg.max_slope):
        return None
    return float(coefficients[0]), float(coefficients[1])
