"""Candidate paths beside the reference: smooth lateral offsets d(s), sampled, with heading and curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.reference_path import ReferencePath

# a quintic that shifts by 1 m over 1 m has this peak second derivative
QUINTIC_PEAK = 5.7735


@dataclass(frozen=True)
class Paths:
    """P candidate paths sampled at S equal steps of reference arc length, all in ``map``.

    ``s`` (S,) is the reference arc length, ``d`` (P, S) the lateral offset. ``target`` (P,) is the offset of a detour;
    ``returns_at`` (P,) is where a path that leaves the lane is back in it (``-inf`` if it never leaves).
    """

    s: Array
    d: Array
    x: Array
    y: Array
    yaw: Array
    curvature: Array
    target: Array
    returns_at: Array

    def __len__(self) -> int:
        return len(self.d)


@dataclass(frozen=True)
class Blockage:
    """A stretch of the reference that something blocks, as base_link arc lengths where a conflict starts and ends."""

    start: float
    end: float


@dataclass(frozen=True)
class LateralState:
    """Offset and its first two derivatives along the reference, at the body."""

    d: float
    slope: float
    bend: float


def sample_paths(reference: ReferencePath, s: Array, d: Array, target: Array, returns_at: Array) -> Paths:
    """Turn offsets (P, S) into positions, headings and curvatures by finite differences along the path."""
    rx, ry, ryaw, rk = reference.at(s)
    x = rx - np.sin(ryaw) * d
    y = ry + np.cos(ryaw) * d
    slope = np.gradient(d, s, axis=1)
    stretch = np.maximum(1.0 - rk * d, 0.2)
    yaw = ryaw + np.arctan2(slope, stretch)
    step = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1))
    distance = np.concatenate([np.zeros((len(d), 1)), np.cumsum(step, axis=1)], axis=1)
    curvature = np.gradient(yaw, axis=1) / np.maximum(np.gradient(distance, axis=1), 1e-3)
    return Paths(s, d, x, y, yaw, curvature, target, returns_at)


def return_profile(state: LateralState, s: Array, length: float) -> Array:
    """The quintic that brings ``state`` to zero offset and slope over ``length`` metres, then stays there."""
    u = np.clip((s - s[0]) / length, 0.0, 1.0)
    d0, d1, d2 = state.d, state.slope * length, state.bend * length**2
    c3 = -10 * d0 - 6 * d1 - 1.5 * d2
    c4 = 15 * d0 + 8 * d1 + 1.5 * d2
    c5 = -6 * d0 - 3 * d1 - 0.5 * d2
    return np.asarray(d0 + u * (d1 + u * (d2 / 2 + u * (c3 + u * (c4 + u * c5)))))


def detour_profile(s: Array, offset: float, blockage: Blockage, length: float) -> tuple[Array, float]:
    """Ramp out to ``offset`` before the blockage and back after it; returns d(s) and where it is back.

    The ramp starts at the body where the blockage is too near for the full ramp before it.
    """
    start = max(s[0], blockage.start - length)
    back = max(blockage.end, start + length)
    d = offset * (_smooth_step((s - start) / length) - _smooth_step((s - back) / length))
    return d, back + length


def shift_length(offset: float, speed: float, max_curvature: float, comfort_s: float, shortest: float = 3.0) -> float:
    """Metres that a lateral shift needs: bounded by curvature when slow and by time when fast."""
    tight = float(np.sqrt(QUINTIC_PEAK * abs(offset) / max_curvature))
    return max(tight, shortest, speed * comfort_s)


def _smooth_step(u: Array) -> Array:
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u**3 * (10 + u * (6 * u - 15)))
