"""Which candidate is best: hard conflicts first, then progress, comfort, clearance, ground, risk and steadiness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts
from autodrive.planning.path_candidates import Paths
from autodrive.planning.speed_profile import RollOut

Mask = NDArray[np.bool_]

LANE_KEEPING_M = 0.5  # waiting further than this from the route means standing in somebody else's lane
CREEP = 1.5


@dataclass(frozen=True)
class Evaluation:
    """Cost (C,) of every candidate, whether it is free of hard conflicts, and how bad those are otherwise."""

    cost: Array
    feasible: Mask
    severity: Array


def evaluate(
    paths: Paths, path: Array, roll_out: RollOut, conflicts: Conflicts, free: Array, config: PlannerConfig
) -> Evaluation:
    """Evaluate roll-outs on their paths (``path`` (C,)); ``free`` (P, S) is how free the ground is along each path."""
    stride = config.conflict_stride
    s, v = roll_out.s[:, ::stride], roll_out.speed[:, ::stride]
    time = np.arange(s.shape[1]) * stride * config.dt
    slack = _along(conflicts.total(), conflicts.s, path, s)
    moving = v > config.rest_speed
    violation = np.maximum(-slack, 0.0)
    feasible = np.asarray(~((violation > 0) & moving).any(axis=1))
    severity = (np.minimum(violation, 1.5) * (v + 0.5) * np.exp(-time / 3.0)).sum(axis=1)
    d = _along(paths.d[:, :, None], paths.s, path, s)
    ground = _along(free[:, :, None], paths.s, path, s)
    span = time[-1]
    cost = -config.weight_progress * (roll_out.s[:, -1] - roll_out.s[:, 0])
    cost = cost + config.weight_offset * (d**2).mean(axis=1)
    acceleration = roll_out.acceleration[:, 1:]
    cost += config.weight_acceleration * (acceleration**2).mean(axis=1) * span / 4
    near = np.maximum(config.comfort_slack - np.where(moving, slack, config.comfort_slack), 0.0)
    cost += config.weight_clearance * (near**2 * v).sum(axis=1) * (time[1] - time[0])
    cost += config.weight_free * (np.maximum(0.6 - ground, 0.0) * moving).mean(axis=1) * span
    front = _along(paths.d[:, :, None], paths.s, path, s + config.footprint.front)
    sticking_out = np.maximum(np.maximum(np.abs(d), np.abs(front)) - LANE_KEEPING_M, 0.0)
    astray = sticking_out * np.maximum(1.0 - v / CREEP, 0.0)
    cost += config.weight_astray * astray.mean(axis=1)
    # stopping where somebody will pass is worse than stopping short of it
    cost += 2.0 * (np.minimum(violation, 1.0) * ~moving).sum(axis=1)
    risk = _along(conflicts.risk, conflicts.s, path, s) * moving
    cost += config.weight_risk * (risk * np.minimum(v, 5.0) / 5.0 * np.exp(-time / 2.0)).sum(axis=1)
    return Evaluation(cost, feasible, severity)


def _along(table: Array, table_s: Array, path: Array, s: Array) -> Array:
    """Look up table (P, K, T or 1) at arc lengths s (C, T) of paths (C,), linear in s."""
    at = np.clip((s - table_s[0]) / (table_s[1] - table_s[0]), 0.0, table.shape[1] - 1.001)
    low = at.astype(np.intp)
    w = at - low
    step = np.arange(s.shape[1])[None, :] if table.shape[2] > 1 else np.zeros((1, 1), dtype=np.intp)
    a, b = table[path[:, None], low, step], table[path[:, None], low + 1, step]
    # 0 * inf would be NaN where nothing is near
    a, b = np.minimum(a, 1e3), np.minimum(b, 1e3)
    return np.asarray((1 - w) * a + w * b)
