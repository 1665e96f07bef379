"""Walking the last steps to a pose: coarse by feedback, then single paces whose length is planned, then standing.

While a humanoid walks, its torso sways by centimetres and the policy has an offset of its own, so feedback alone does
not end within a few centimetres. But one pace of a fixed duration from stand to stand moves the body by
``gain * command + offset`` very repeatably. Each pace corrects the offset for the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autodrive.body import WalkCommand
from autodrive.geometry import IDENTITY, Array, Pose2, wrap_angle
from autodrive.scene import EgoState

_NEAR_M, _NEAR_RAD = 0.08, 0.15  # within: paces instead of feedback
_POSITION_GAIN, _YAW_GAIN = 0.9, 0.9  # 1/s
_FILTER_S = 0.4
_COAST_S = 0.6  # what the filter lags behind, and what a walking body needs to stop
_SHORT_M = 0.05  # feedback aims at this far behind the goal: a table may be right before it
_ADAPT_S = 1.5
_SETTLE_S = 1.8  # after a pace the body rocks back and forth for that long
_CAUTION = 0.95  # share of the way that a pace goes: gains are rough
_LOOSE = 2.5  # times the tolerance: then the body has been pushed away and docks again


@dataclass(frozen=True, slots=True)
class DockConfig:
    """How a robot docks. The defaults are the G1's; paces measure ``pace_offset`` anew, so they need not be exact.

    ``pace_s`` is one gait period. A pace with command c moves the body by pace_gain * c + pace_offset (x, y, yaw).
    Steady walking at command c has the velocity walk_gain * c + walk_offset; that offset is tracked, for a load shifts
    it.
    """

    max_speed: float = 0.15
    max_yaw_rate: float = 0.3
    tolerance_m: float = 0.035
    tolerance_rad: float = 0.06
    pace_s: float = 1.0
    max_command: tuple[float, float, float] = (0.25, 0.29, 0.3)  # inside the envelope: the gate stops what is not
    pace_gain: tuple[float, float, float] = (0.68, 0.53, 0.76)
    pace_offset: tuple[float, float, float] = (0.012, -0.045, 0.0)
    walk_gain: tuple[float, float, float] = (0.8, 0.55, 0.92)
    walk_offset: tuple[float, float, float] = (-0.024, -0.028, 0.01)
    max_paces: int = 16


DEFAULT = DockConfig()


@dataclass(frozen=True, slots=True)
class DockState:
    """Where a docking is: pass the one returned back in. A fresh one starts.

    ``phase`` is start, walk, settle, pace, done or failed; ``error`` the body's pose seen from the goal, ``velocity``
    that of the body in its own axes (x, y, yaw), both smoothed; ``drift`` and ``offset`` what walking and paces were
    found to add to the command.
    """

    phase: str = "start"
    since_s: float = 0.0
    error: Pose2 = IDENTITY
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drift: tuple[float, float, float] | None = None
    stamp_ns: int = -1
    start: Pose2 = IDENTITY
    command: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset: tuple[float, float, float] | None = None
    paces: int = 0

    @property
    def done(self) -> bool:
        """The body stands at the goal."""
        return self.phase == "done"


def dock(
    ego: EgoState,
    goal: Pose2,
    state: DockState,
    config: DockConfig = DEFAULT,
) -> tuple[WalkCommand, DockState]:
    """Walk command towards ``goal`` (map) and the next state. Call it at a fixed rate of 10 Hz or more."""
    now = ego.stamp_ns * 1e-9
    state = _observe(ego, goal, state, config)
    elapsed = now - state.since_s
    match state.phase:
        case "start":
            near = _is_near(state.error, _NEAR_M)
            state = replace(state, phase="settle" if near else "walk", since_s=now)
        case "walk" if _is_near(_stopping(state), 0.03) or elapsed > 4.0 + 12.0 * math.hypot(
            state.start.x, state.start.y
        ):
            state = replace(state, phase="settle", since_s=now)
        case "pace" if elapsed >= config.pace_s - 1e-6:
            state = replace(state, phase="settle", since_s=now)
        case "settle" if elapsed >= _SETTLE_S:
            state = _judge(_learn(state, config), now, config)
        case "done" if not _within(state.error, config, _LOOSE):
            state = replace(state, phase="settle", since_s=now, paces=0)
    if state.phase == "walk":
        state = replace(state, command=_feedback(state, config))
    command = state.command if state.phase in ("walk", "pace") else (0.0, 0.0, 0.0)
    return WalkCommand(ego.stamp_ns, *command), state


def _observe(ego: EgoState, goal: Pose2, state: DockState, config: DockConfig) -> DockState:
    seen = goal.inverse() @ ego.pose
    if state.stamp_ns < 0:
        return replace(state, error=seen, start=seen, stamp_ns=ego.stamp_ns, since_s=ego.stamp_ns * 1e-9)
    dt = (ego.stamp_ns - state.stamp_ns) * 1e-9
    # sway matters while walking only
    share = 1.0 - math.exp(-dt / (_FILTER_S if state.phase == "walk" else 0.12))
    old = state.error
    error = Pose2(
        old.x + share * (seen.x - old.x),
        old.y + share * (seen.y - old.y),
        wrap_angle(old.yaw + share * wrap_angle(seen.yaw - old.yaw)),
    )
    share = 1.0 - math.exp(-dt / _FILTER_S)
    velocity = np.array(state.velocity)
    velocity = velocity + share * (np.array([ego.speed, ego.lateral_speed, ego.yaw_rate]) - velocity)
    drift = np.array(config.walk_offset if state.drift is None else state.drift)
    if state.phase == "walk" and ego.stamp_ns * 1e-9 - state.since_s > 1.0:
        surprise = velocity - np.array(config.walk_gain) * state.command - drift
        drift = np.clip(drift + surprise * dt / _ADAPT_S, -0.12, 0.12)
    return replace(state, error=error, velocity=_triple(velocity), drift=_triple(drift), stamp_ns=ego.stamp_ns)


def _stopping(state: DockState) -> Pose2:
    """Where the body will stop, seen from where feedback takes it."""
    vx, vy, rate = (v * _COAST_S for v in state.velocity)
    return Pose2(_SHORT_M, 0.0, 0.0) @ state.error @ Pose2(vx, vy, rate)


def _is_near(error: Pose2, radius: float) -> bool:
    return math.hypot(error.x, error.y) < radius and abs(error.yaw) < _NEAR_RAD


def _within(error: Pose2, config: DockConfig, factor: float) -> bool:
    near = math.hypot(error.x, error.y) < factor * config.tolerance_m
    return near and abs(error.yaw) < factor * config.tolerance_rad


def _feedback(state: DockState, config: DockConfig) -> tuple[float, float, float]:
    to_goal = _stopping(state).inverse()
    velocity = np.array([to_goal.x, to_goal.y]) * _POSITION_GAIN
    velocity *= min(1.0, config.max_speed / max(float(np.linalg.norm(velocity)), 1e-9))
    rate = max(-config.max_yaw_rate, min(config.max_yaw_rate, _YAW_GAIN * to_goal.yaw))
    command = (np.array([*velocity, rate]) - (state.drift or config.walk_offset)) / config.walk_gain
    limit = np.array(config.max_command)
    return _triple(np.clip(command, -limit, limit))


def _learn(state: DockState, config: DockConfig) -> DockState:
    """Correct the offset by what the last pace really did."""
    if state.paces == 0:
        return state
    moved = state.start.inverse() @ state.error
    offset = np.array(config.pace_offset if state.offset is None else state.offset)
    surprise = _vector(moved) - np.array(config.pace_gain) * state.command - offset
    offset = offset + 0.75 * np.clip(surprise, -0.06, 0.06)
    return replace(state, offset=_triple(offset))


def _judge(state: DockState, now: float, config: DockConfig) -> DockState:
    """After settling: done, another pace, or given up."""
    if _within(state.error, config, 1.0):
        return replace(state, phase="done", since_s=now)
    if state.paces >= config.max_paces:
        return replace(state, phase="failed", since_s=now)
    offset = np.array(config.pace_offset if state.offset is None else state.offset)
    limit = np.array(config.max_command)
    command = np.clip((_CAUTION * _vector(state.error.inverse()) - offset) / config.pace_gain, -limit, limit)
    return replace(state, phase="pace", since_s=now, command=_triple(command), start=state.error, paces=state.paces + 1)


def _vector(pose: Pose2) -> Array:
    return np.array([pose.x, pose.y, pose.yaw])


def _triple(vector: Array) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
