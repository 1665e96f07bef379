"""Speed along a path: the limit that bends and caps set, and jerk-limited roll-outs of many policies at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array


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


def speed_limit(
    curvature: Array, cap: Array, step: float, *, lateral_acceleration: float, deceleration: float
) -> Array:
    """Speed limit (P, S) from path curvature and a cap (P, S), such that a comfortable braking always suffices."""
    bend = np.sqrt(lateral_acceleration / np.maximum(np.abs(curvature), 1e-4))
    limit = np.minimum(cap, bend)
    squared = limit**2
    for i in range(limit.shape[1] - 2, -1, -1):
        squared[:, i] = np.minimum(squared[:, i], squared[:, i + 1] + 2 * deceleration * step)
    return np.asarray(np.sqrt(squared))


def safe_speed(gap: Array, lead_speed: Array, deceleration: float, reaction_s: float) -> Array:
    """Gipps' speed: fast as one may be and still stop behind what is ``gap`` ahead and brakes as hard as oneself."""
    bt = deceleration * reaction_s
    room = bt**2 + lead_speed**2 + 2 * deceleration * gap
    return np.asarray(np.maximum(np.sqrt(np.maximum(room, 0.0)) - bt, 0.0))


def roll_out(
    policies: Policies,
    limit: Array,
    *,
    start_s: float,
    step: float,
    speed: float,
    acceleration: float,
    dt: float,
    jerk: float,
    comfortable_deceleration: float,
    headway_s: float,
) -> RollOut:
    """Simulate every policy: follow the lowest of limit, stop and barrier speeds with bounded acceleration and jerk."""
    count, steps = policies.barrier.shape
    out = np.zeros((3, count, steps))
    s, v, a = np.full(count, start_s), np.full(count, speed), np.full(count, acceleration)
    a = np.clip(a, -policies.deceleration, policies.acceleration)
    last = limit.shape[1] - 1.001
    response_s = 0.5
    for k in range(steps):
        out[:, :, k] = s, v, a
        at = np.clip((s + response_s * v - start_s) / step, 0, last)
        low = at.astype(np.intp)
        w = at - low
        target = policies.factor * ((1 - w) * limit[policies.path, low] + w * limit[policies.path, low + 1])
        target = np.minimum(target, safe_speed(policies.stop - s, np.zeros(1), comfortable_deceleration, 0.6))
        barrier = safe_speed(
            policies.barrier[:, k] - s, policies.barrier_speed[:, k], comfortable_deceleration, headway_s
        )
        target = np.minimum(target, barrier)
        wanted = np.clip((target - v) / response_s, -policies.deceleration, policies.acceleration)
        a = np.clip(wanted, a - policies.brake_jerk * dt, a + jerk * dt)
        faster = np.maximum(v + a * dt, 0.0)
        s = s + (v + faster) / 2 * dt
        a = (faster - v) / dt
        v = faster
    return RollOut(out[0], out[1], out[2])
