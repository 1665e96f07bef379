"""Longitudinal choices on each path: for whom to give way, how fast, and how hard to brake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts
from autodrive.planning.speed_profile import Policies

MAX_YIELD_GROUPS = 3
BASE_PATHS = 2  # the kept path and the return to the route get every policy, detours only the plain ones


@dataclass(frozen=True)
class Choice:
    """One policy in words: path index, tracks (ids) that it gives way to, and whether it is the last resort."""

    path: int
    yields_to: frozenset[int]
    emergency: bool


def build_policies(
    conflicts: Conflicts,
    track_ids: tuple[int, ...],
    stops: Array,
    ego_s: float,
    room: float,
    steps: int,
    config: PlannerConfig,
) -> tuple[Policies, tuple[Choice, ...]]:
    """All policies on all paths; ``stops`` (P,) is each path's fixed stop, ``track_ids`` name the conflicts' tracks.

    Nobody who gives way sets off for less than ``room`` metres.
    """
    barriers = [conflicts.barriers(i) for i in range(len(conflicts.moving))]
    fine = [_to_roll_out_steps(b, steps, config.conflict_stride) for b in barriers]
    rows: list[tuple[float, float, float, float, Array]] = []
    choices: list[Choice] = []
    for path in range(len(stops)):
        free = np.full(steps, np.inf)
        mine = [i for i, b in enumerate(barriers) if np.isfinite(b[path]).any()]
        mine.sort(key=lambda i: float(barriers[i][path].min()))
        groups = _yield_groups(mine) if path < BASE_PATHS else [(), tuple(mine)]
        for group in dict.fromkeys(groups):
            barrier = free
            for i in group:
                barrier = np.minimum(barrier, fine[i][path])
            ids = frozenset(track_ids[i] for i in group)
            everyone = len(group) == len(mine)
            for factor, brake, jerk in _styles(everyone, path < BASE_PATHS and bool(mine), config):
                rows.append((factor, brake, jerk, stops[path], barrier - config.stop_gap))
                choices.append(Choice(path, ids, False))
        if path >= BASE_PATHS:
            continue
        for brake in (config.firm_deceleration, config.hard_deceleration):
            rows.append((1.0, brake, config.hard_jerk, ego_s, free))
            choices.append(Choice(path, frozenset(), True))
    barrier_table = np.stack([r[4] for r in rows])
    barrier_table = np.where(barrier_table < ego_s + room, np.minimum(barrier_table, ego_s), barrier_table)
    count = len(rows)
    policies = Policies(
        np.array([c.path for c in choices], dtype=np.intp),
        np.array([r[0] for r in rows]),
        np.full(count, config.acceleration),
        np.array([r[1] for r in rows]),
        np.array([r[2] for r in rows]),
        np.array([r[3] for r in rows]),
        barrier_table,
        _speed_of(barrier_table, config.dt),
    )
    return policies, tuple(choices)


def _yield_groups(nearest_first: list[int]) -> list[tuple[int, ...]]:
    """Nobody, everybody, only the nearest few, all but the nearest few."""
    groups: list[tuple[int, ...]] = [()]
    for count in range(1, min(len(nearest_first), MAX_YIELD_GROUPS)):
        groups.append(tuple(nearest_first[:count]))
        groups.append(tuple(nearest_first[count:]))
    if nearest_first:
        groups.append(tuple(nearest_first))
    return groups


def _styles(everyone: bool, any_conflict: bool, config: PlannerConfig) -> list[tuple[float, float, float]]:
    normal, firm = config.normal_deceleration, config.firm_deceleration
    styles = [(1.0, normal, config.brake_jerk)]
    if everyone and any_conflict:
        styles += [(0.6, normal, config.brake_jerk), (1.0, firm, config.hard_jerk)]
    elif any_conflict:
        styles += [(0.7, normal, config.brake_jerk), (0.4, normal, config.brake_jerk)]
    return styles


def _to_roll_out_steps(barrier: Array, steps: int, stride: int) -> Array:
    """Interpolate barriers (P, T) to every roll-out step; next to inf the finite value holds."""
    position = np.arange(steps) / stride
    low = np.minimum(position.astype(np.intp), barrier.shape[1] - 1)
    high = np.minimum(low + 1, barrier.shape[1] - 1)
    a, b = barrier[:, low], barrier[:, high]
    w = position - low
    both = np.isfinite(a) & np.isfinite(b)
    mixed = np.where(both, a, 0.0) * (1 - w) + np.where(both, b, 0.0) * w
    return np.asarray(np.where(both, mixed, np.minimum(a, b)))


def _speed_of(barrier: Array, dt: float) -> Array:
    """Speed at which each barrier recedes, over about a second; 0 where it stands or is about to vanish."""
    span = max(round(0.8 / dt), 1)
    later = np.concatenate([barrier[:, span:], np.repeat(barrier[:, -1:], span, axis=1)], axis=1)
    finite = np.isfinite(barrier) & np.isfinite(later)
    moved = np.where(finite, later, 0.0) - np.where(finite, barrier, 0.0)
    speed = np.clip(moved / (span * dt), 0.0, 20.0)
    speed[:, -span:] = speed[:, -span - 1 : -span]
    return np.asarray(speed)
