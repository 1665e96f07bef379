"""The route polyline as a curve: nearest point, lateral offset, position and heading at an arc length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.scene import Route

Array = NDArray[np.float64]

_BLEND_M = 1.5  # the heading turns from one segment to the next within this distance of their common point


class RouteLine:
    """A polyline with arc length ``s`` [m] from its first point; lateral offsets are positive to its left."""

    def __init__(self, route: Route) -> None:
        """Raises InputError if the route has less than two distinct finite points."""
        points = np.asarray(route.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise InputError(f"route {route.name!r}: points must be finite and of shape (N, 2), got {points.shape}")
        steps = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.zeros(0)
        points = points[np.concatenate([[True], steps > 1e-6])] if len(points) else points
        if len(points) < 2:
            raise InputError(f"route {route.name!r}: needs at least two distinct points, got {len(points)}")
        delta = np.diff(points, axis=0)
        self._length = np.hypot(delta[:, 0], delta[:, 1])
        self.points = points
        self.s = np.concatenate([[0.0], np.cumsum(self._length)])
        self._direction = delta / self._length[:, None]
        # heading turns continuously along the line, so that interpolation never jumps by 2 pi
        self._segment_yaw = np.unwrap(np.arctan2(delta[:, 1], delta[:, 0]))
        blend = np.minimum(0.5 * self._length, _BLEND_M)
        self._yaw_s = np.column_stack([self.s[:-1] + blend, self.s[1:] - blend]).ravel()
        self._yaw = np.repeat(self._segment_yaw, 2)

    def project(self, xy: Array, s_min: float = -np.inf, s_max: float = np.inf) -> tuple[Array, Array]:
        """Arc length and signed lateral offset, both (N,), of the nearest points to ``xy`` (N, 2).

        Only the stretch between ``s_min`` and ``s_max`` is searched. Points beyond the ends get s < 0 or > length.
        """
        xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
        use = np.flatnonzero((self.s[1:] >= s_min) & (self.s[:-1] <= s_max))
        if len(use) == 0:
            use = np.array([0 if s_max < self.s[0] else len(self._length) - 1])
        relative = xy[:, None] - self.points[use]  # (N, K, 2)
        direction = self._direction[use]
        along = np.einsum("nkd,kd->nk", relative, direction)
        inside = np.clip(along, 0.0, self._length[use])
        distance = np.linalg.norm(relative - inside[..., None] * direction, axis=2)
        rows, best = np.arange(len(xy)), distance.argmin(axis=1)
        segment = use[best]
        first = (segment == 0) & (along[rows, best] < 0)
        last = (segment == len(self._length) - 1) & (along[rows, best] > self._length[segment])
        step = np.where(first | last, along[rows, best], inside[rows, best])
        side = direction[best, 0] * relative[rows, best, 1] - direction[best, 1] * relative[rows, best, 0]
        lateral = np.where(first | last, side, np.copysign(distance[rows, best], side))
        return self.s[segment] + step, lateral

    def project_pose(self, pose: Pose2, heading_weight_m: float = 3.0) -> tuple[float, float]:
        """Arc length and lateral offset of a pose; where the route crosses itself, the leg of like heading wins."""
        xy = np.array([pose.x, pose.y])
        relative = xy - self.points[:-1]
        along = np.clip((relative * self._direction).sum(axis=1), 0.0, self._length)
        distance = np.linalg.norm(relative - along[:, None] * self._direction, axis=1)
        best = int((distance + heading_weight_m * (1 - np.cos(self._segment_yaw - pose.yaw))).argmin())
        s, lateral = self.project(xy[None], self.s[best] + 1e-9, self.s[best + 1] - 1e-9)
        return float(s[0]), float(lateral[0])

    def heading(self, s: Array) -> Array:
        """Heading (unwrapped) at arc lengths of any shape; constant beyond the ends."""
        return np.asarray(np.interp(s, self._yaw_s, self._yaw))

    def sample(self, s: Array, lateral: Array | float = 0.0) -> Array:
        """x, y, yaw (..., 3) at arc lengths ``s``, displaced to the left by ``lateral``; straight beyond the ends."""
        s = np.asarray(s, dtype=np.float64)
        yaw = self.heading(s)
        over = s - np.clip(s, self.s[0], self.s[-1])
        x = np.interp(s, self.s, self.points[:, 0]) + over * np.cos(yaw) - lateral * np.sin(yaw)
        y = np.interp(s, self.s, self.points[:, 1]) + over * np.sin(yaw) + lateral * np.cos(yaw)
        return np.stack(np.broadcast_arrays(x, y, yaw), axis=-1)
