"""Questions about the ground that forecasts ask: is it free there, and how far is the next crosswalk?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2
from autodrive.scene import GroundClass, GroundGrid, GroundMarkings

Array = NDArray[np.float64]


def free_probability(grid: GroundGrid, ego: Pose2, points: Array) -> Array:
    """Probability that the ground is free at ``points`` (..., 2) in map; 0 outside the grid."""
    local = ego.inverse().apply(points)
    size = grid.probability.shape[1]
    index = np.floor((local - np.array([grid.extent.x_min, grid.extent.y_min])) / grid.resolution).astype(np.int64)
    inside = ((index >= 0) & (index < size)).all(axis=-1)
    index = np.clip(index, 0, size - 1)
    return np.where(inside, grid.probability[GroundClass.FREE, index[..., 0], index[..., 1]], 0.0)


def crosswalk_distance(markings: GroundMarkings | None, ego: Pose2, points: Array) -> Array:
    """Distance (N,) from ``points`` (N, 2) in map to the nearest crosswalk paint; inf where none is seen."""
    if markings is None:
        return np.full(len(points), np.inf)
    paint = markings.points[(markings.kind == GroundClass.CROSSWALK) & (markings.score >= 0.3)]
    if len(paint) == 0:
        return np.full(len(points), np.inf)
    local = ego.inverse().apply(points)
    return np.asarray(np.linalg.norm(local[:, None] - paint[None], axis=2).min(axis=1))
