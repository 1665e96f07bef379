"""Speed along a path: the limit that bends and caps set, and jerk-limited roll-outs of many policies at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.config import PlannerConfig

RESPONSE_S = 0.5  # in which a difference to the target speed is made up
STOP_REACTION_S = 0.6  # shortens the approach to a fixed stop: smooth, and exact at the end


@dataclass(frozen=True)
class Policies:
    """C longitudinal policies on candidate paths; all arrays are (C,) but barriers, which are (C, T + 1).

    ``path`` indexes the path; ``factor`` scales the speed limit; ``stop`` is a fixed arc length never to pass;
    ``barrier`` and ``barrier_speed`` are where a moving end of the road is at each step (inf: none).
    """

    path: Array
    factor: Array
    acceleration: Array
    deceleration: Array
    brake_jerk: Array
    stop: Array
    barrier: Array
    barrier_speed: Array


@dataclass(frozen=True)
class RollOut:
    """Arc length, speed and acceleration (C, T + 1) of every policy; column 0 is now."""

    s: Array
    speed: Array
    acceleration: Array


def speed_limit(curvature: Array, cap: Array, config: PlannerConfig) -> Array:
    """Speed limit (P, S) from path curvature and a cap (P, S), such that a comfortable braking always suffices."""
    bend = np.sqrt(config.lateral_acceleration / np.maximum(np.abs(curvature), 1e-4))
    squared = np.minimum(cap, bend) ** 2
    for i in range(squared.shape[1] - 2, -1, -1):
        within = squared[:, i + 1] + 2 * config.approach_deceleration * config.path_step
        squared[:, i] = np.minimum(squared[:, i], within)
    return np.asarray(np.sqrt(squared))


def safe_speed(gap: Array, lead_speed: Array, deceleration: float, reaction_s: float) -> Array:
    """Gipps' speed: fast as one may be and still stop behind what is ``gap`` ahead and brakes as hard as oneself."""
    bt = deceleration * reaction_s
    room = bt**2 + lead_speed**2 + 2 * deceleration * gap
    return np.asarray(np.maximum(np.sqrt(np.maximum(room, 0.0)) - bt, 0.0))


def roll_out(
    policies: Policies, limit: Array, *, start_s: float, speed: float, acceleration: float, config: PlannerConfig
) -> RollOut:
    """Simulate every policy: follow the lowest of limit, stop and barrier speeds with bounded acceleration and jerk."""
    count, steps = policies.barrier.shape
    dt, braking = config.dt, config.comfortable_deceleration
    out = np.zeros((3, count, steps))
    s, v = np.full(count, start_s), np.full(count, speed)
    # the brakes that hold a standing body are no deceleration that would have to be unwound
    before = max(acceleration, 0.0) if speed < config.standstill else acceleration
    a = np.clip(np.full(count, before), -policies.deceleration, policies.acceleration)
    last = limit.shape[1] - 1.001
    standing = np.zeros(1)
    for k in range(steps):
        out[:, :, k] = s, v, a
        at = np.clip((s + RESPONSE_S * v - start_s) / config.path_step, 0, last)
        low = at.astype(np.intp)
        w = at - low
        target = policies.factor * ((1 - w) * limit[policies.path, low] + w * limit[policies.path, low + 1])
        target = np.minimum(target, safe_speed(policies.stop - s, standing, braking, STOP_REACTION_S))
        gap, lead = policies.barrier[:, k] - s, policies.barrier_speed[:, k]
        target = np.minimum(target, safe_speed(gap, lead, braking, config.headway_s))
        wanted = np.clip((target - v) / RESPONSE_S, -policies.deceleration, policies.acceleration)
        # easing off the brakes is no jolt that anybody minds: it may be as quick as braking
        rise = np.where(a < 0, np.minimum(config.brake_jerk * dt, config.jerk * dt - a), config.jerk * dt)
        a = np.clip(wanted, a - policies.brake_jerk * dt, a + rise)
        faster = np.maximum(v + a * dt, 0.0)
        s = s + (v + faster) / 2 * dt
        a = (faster - v) / dt
        v = faster
    return RollOut(out[0], out[1], out[2])
