"""Choosing among evaluated candidates steadily, and saying why."""

from __future__ import annotations

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.behaviour import Rules
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts
from autodrive.planning.costs import Evaluation
from autodrive.planning.path_candidates import Paths
from autodrive.planning.plan_memory import PlanMemory
from autodrive.planning.policies import Choice
from autodrive.planning.speed_profile import RollOut

NEAR_SAMPLES = 30
EMERGENCY_PRICE = 5.0
INFEASIBLE = 1e6

BLOCKED = "stop: blocked"  # why a plan stands: what is in the way stands too


def choose(
    result: Evaluation,
    choices: tuple[Choice, ...],
    paths: Paths,
    rolled: RollOut,
    conflicts: Conflicts,
    track_ids: tuple[int, ...],
    memory: PlanMemory | None,
    config: PlannerConfig,
) -> tuple[int, bool]:
    """Index of the best candidate, and whether none was free of conflicts (then the least bad one is taken)."""
    path = np.array([choice.path for choice in choices])
    sharp = np.abs(paths.curvature[:, :NEAR_SAMPLES]).max(axis=1) - config.wheel_lock_curvature
    cost = result.cost + 200.0 * np.maximum(sharp, 0.0)[path]
    cost = cost + _unsteadiness(choices, conflicts, track_ids, memory, config) + _unfinished(path, paths, rolled)
    cost = cost + EMERGENCY_PRICE * np.array([choice.emergency for choice in choices])
    if not result.feasible.any():
        return int(np.argmin(result.severity + 1e-3 * cost)), True
    return int(np.argmin(np.where(result.feasible, cost, INFEASIBLE))), False


def _unsteadiness(
    choices: tuple[Choice, ...],
    conflicts: Conflicts,
    track_ids: tuple[int, ...],
    memory: PlanMemory | None,
    config: PlannerConfig,
) -> Array:
    """Price of leaving the last path, and of giving way to others than last time while they still matter."""
    cost = np.zeros(len(choices))
    if memory is None:
        return cost
    touched = [np.asarray((slack < 0).any(axis=(1, 2))) for slack in conflicts.moving]
    for i, choice in enumerate(choices):
        present = {track for track, on in zip(track_ids, touched, strict=True) if on[choice.path]}
        dropped = len((memory.yields_to & present) - choice.yields_to)
        added = len(choice.yields_to - memory.yields_to)
        cost[i] = config.weight_switch * ((choice.path != 0) + min(dropped + 0.5 * added, 2.0))
    return cost


def _unfinished(path: Array, paths: Paths, rolled: RollOut) -> Array:
    """Price of not being back in the lane at the end of the horizon."""
    back = paths.returns_at[path]
    short = back - rolled.s[:, -1]
    pending = (back > paths.s[0]) & (short > 0)
    return np.asarray(np.where(pending, np.minimum(1.0 + 0.2 * np.where(pending, short, 0.0), 5.0), 0.0))


def reason_of(
    choice: Choice,
    end_s: float,
    paths: Paths,
    static_stop: Array,
    rules: Rules,
    goal_s: float,
    fallback: bool,
    config: PlannerConfig,
) -> str:
    """In a few words, what decided a plan whose roll-out ends at ``end_s``."""
    if fallback or choice.emergency:
        return "emergency stop"
    if choice.yields_to:
        return "yield to track " + ", ".join(map(str, sorted(choice.yields_to)))
    if rules.stop < np.inf and end_s > rules.stop - config.reason_reach:
        return rules.reason
    if end_s > static_stop[choice.path] - config.reason_reach:
        return BLOCKED
    if end_s > goal_s - config.reason_reach:
        return "goal"
    if paths.returns_at[choice.path] > paths.s[0]:
        return f"pass at {paths.target[choice.path]:+.1f} m"
    return "cruise"
