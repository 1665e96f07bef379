"""Planar poses and angles, shared by every stage. Positions in metres, angles in radians."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def wrap_angle(angle_rad: float) -> float:
    """Return the equivalent angle in [-pi, pi)."""
    return (angle_rad + math.pi) % (2 * math.pi) - math.pi


@dataclass(frozen=True, slots=True)
class Pose2:
    """A planar pose: the position and heading of a frame, seen from its parent frame."""

    x: float
    y: float
    yaw: float

    def __matmul__(self, other: Pose2) -> Pose2:
        """Compose: ``a_from_b @ b_from_c == a_from_c``."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return Pose2(
            self.x + c * other.x - s * other.y, self.y + s * other.x + c * other.y, wrap_angle(self.yaw + other.yaw)
        )

    def inverse(self) -> Pose2:
        """Return ``b_from_a`` for this ``a_from_b``."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return Pose2(-c * self.x - s * self.y, s * self.x - c * self.y, wrap_angle(-self.yaw))

    def apply(self, points: Array) -> Array:
        """Transform points of shape (..., 2) from the child frame into the parent frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        points = np.asarray(points, dtype=np.float64)
        x, y = points[..., 0], points[..., 1]
        return np.stack([self.x + c * x - s * y, self.y + s * x + c * y], axis=-1)

    def rotate(self, vectors: Array) -> Array:
        """Rotate vectors of shape (..., 2) from the child frame into the parent frame."""
        return Pose2(0.0, 0.0, self.yaw).apply(vectors)


IDENTITY = Pose2(0.0, 0.0, 0.0)


def box_corners(x: float, y: float, yaw: float, length: float, width: float) -> Array:
    """Corners (4, 2) of an oriented rectangle, counter-clockwise from front left."""
    half = np.array([[length, width], [-length, width], [-length, -width], [length, -width]]) / 2
    return Pose2(x, y, yaw).apply(half)


def distance_to_box(point: tuple[float, float], x: float, y: float, yaw: float, length: float, width: float) -> float:
    """From a point to an oriented rectangle, 0 inside."""
    local = np.abs(Pose2(x, y, yaw).inverse().apply(np.array(point)))
    return float(np.hypot(max(local[0] - length / 2, 0.0), max(local[1] - width / 2, 0.0)))
