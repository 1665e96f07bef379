"""A smooth reference path from a coarse navigation polyline, and the Frenet frame along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solveh_banded

from autodrive.errors import InputError
from autodrive.geometry import Array, wrap_angle
from autodrive.planning.config import ReferenceConfig


@dataclass(frozen=True)
class ReferencePath:
    """Samples every ``config.sample_step`` metres in ``map``: s, x, y, yaw (unwrapped), curvature, each (N,).

    ``s`` is 0 at the route's first point and ``goal_s`` at its last; samples continue straight before and after.
    """

    s: Array
    x: Array
    y: Array
    yaw: Array
    curvature: Array
    goal_s: float
    config: ReferenceConfig = field(default_factory=ReferenceConfig)

    def at(self, s: Array) -> tuple[Array, Array, Array, Array]:
        """Interpolate x, y, yaw, curvature at ``s`` of any shape; clamps to the extended ends."""
        position = np.clip((np.asarray(s) - self.s[0]) / self.config.sample_step, 0, len(self.s) - 1.001)
        low = position.astype(np.intp)
        w = position - low
        x, y, yaw, curvature = ((1 - w) * v[low] + w * v[low + 1] for v in (self.x, self.y, self.yaw, self.curvature))
        return x, y, yaw, curvature

    def project(self, x: float, y: float, yaw: float, hint_s: float | None) -> tuple[float, float, float]:
        """Frenet (s, d, heading error) of one pose; ``hint_s`` restricts the search to where the body was last."""
        candidates = np.ones(len(self.s), dtype=bool)
        if hint_s is None:
            candidates &= (self.s >= -1.0) & (self.s <= self.goal_s + 1.0)
        else:
            candidates &= (self.s >= hint_s - self.config.search_behind) & (self.s <= hint_s + self.config.search_ahead)
        distance = np.hypot(self.x - x, self.y - y)
        # where the route passes twice, the stretch that runs our way is meant
        distance = distance + self.config.heading_weight * (1.0 - np.cos(self.yaw - yaw))
        distance[~candidates] = np.inf
        i = int(np.argmin(distance))
        ahead = math.cos(self.yaw[i]) * (x - self.x[i]) + math.sin(self.yaw[i]) * (y - self.y[i])
        s = float(np.clip(self.s[i] + ahead, self.s[0], self.s[-1]))
        px, py, pyaw, _ = (float(v) for v in self.at(np.array(s)))
        d = -math.sin(pyaw) * (x - px) + math.cos(pyaw) * (y - py)
        return s, d, wrap_angle(yaw - pyaw)

    def to_frenet(self, points: Array, s_from: float, s_to: float) -> tuple[Array, Array]:
        """Frenet s, d of points (..., 2), searched between two arc lengths; d is left positive."""
        window = np.flatnonzero((self.s >= s_from) & (self.s <= s_to))[::2]
        flat = points.reshape(-1, 2)
        distance = (flat[:, :1] - self.x[window]) ** 2 + (flat[:, 1:] - self.y[window]) ** 2
        i = window[np.argmin(distance, axis=1)]
        dx, dy = flat[:, 0] - self.x[i], flat[:, 1] - self.y[i]
        c, s = np.cos(self.yaw[i]), np.sin(self.yaw[i])
        shape = points.shape[:-1]
        return (self.s[i] + c * dx + s * dy).reshape(shape), (c * dy - s * dx).reshape(shape)


def build_reference_path(points: Array, config: ReferenceConfig | None = None) -> ReferencePath:
    """Smooth a polyline (N, 2) in ``map``; raises InputError when it is no path.

    Whittaker smoothing of equidistant samples (a third-difference penalty keeps circles circles), both ends held.
    """
    config = config or ReferenceConfig()
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise InputError(f"route: expected at least two finite points (N, 2), got an array of shape {points.shape}")
    steps = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], steps > 1e-3])]
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    if length < config.min_length:
        raise InputError(f"route: it is {length:.2f} m long, give at least {config.min_length:g} m")
    coarse = _resample(points, config.smoothing_step)
    smooth = np.stack([_whittaker(column, config.smoothing_weight) for column in coarse.T], axis=1)
    fine = _resample(smooth, config.sample_step)
    goal_s = (len(fine) - 1) * config.sample_step
    fine = _extend(fine, config)
    tangent = np.gradient(fine, axis=0)
    yaw = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = np.gradient(yaw) / config.sample_step
    curvature = np.convolve(np.pad(curvature, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    s = np.arange(len(fine), dtype=np.float64) * config.sample_step - config.extension
    return ReferencePath(s, fine[:, 0], fine[:, 1], yaw, curvature, goal_s, config)


def _resample(points: Array, step: float) -> Array:
    """Equidistant points whose spacing is as near to ``step`` as the length allows."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = max(round(s[-1] / step), 2)
    at = np.linspace(0.0, s[-1], count + 1)
    return np.stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])], axis=1)


def _whittaker(values: Array, weight: float) -> Array:
    """Minimise sum (v - values)^2 + weight * sum (third difference)^2, with heavy weights on both ends."""
    n = len(values)
    if n < 5:
        return values
    weights = np.ones(n)
    weights[[0, -1]] = 1e4
    difference = np.diff(np.eye(4), 3, axis=0)[0]
    bands = np.zeros((4, n))
    bands[3] = weights
    for i, a in enumerate(difference):
        for j, b in enumerate(difference):
            if j >= i:
                bands[3 - (j - i), j : j + n - 3] += weight * a * b
    return np.asarray(solveh_banded(bands, weights * values))


def _extend(points: Array, config: ReferenceConfig) -> Array:
    """Continue straight by ``config.extension`` at both ends."""
    count = round(config.extension / config.sample_step)
    head = points[0] - points[min(2, len(points) - 1)]
    tail = points[-1] - points[max(-3, -len(points))]
    steps = np.arange(1, count + 1)[:, None] * config.sample_step
    before = points[0] + steps[::-1] * head / np.hypot(*head)
    after = points[-1] + steps * tail / np.hypot(*tail)
    return np.concatenate([before, points, after])
