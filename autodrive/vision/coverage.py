"""Which ground cells the cameras look at: elsewhere the network is neither trained, nor scored, nor believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH
from autodrive.scene import GridExtent

MIN_DEPTH_M = 0.1


def seen_by_cameras(
    points: NDArray[np.float64], intrinsics: NDArray[np.float32], optical_from_base: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether base points (M, 3) fall inside any network image; whether something hides them is not considered."""
    seen = np.zeros(len(points), bool)
    for (fx, fy, cx, cy), matrix in zip(intrinsics, optical_from_base, strict=True):
        x, y, depth = (points @ matrix[:, :3].T + matrix[:, 3]).T
        safe = np.maximum(depth, MIN_DEPTH_M)
        u, v = fx * x / safe + cx, fy * y / safe + cy
        inside_u = np.abs(u - (NETWORK_WIDTH - 1) / 2) <= NETWORK_WIDTH / 2
        inside_v = np.abs(v - (NETWORK_HEIGHT - 1) / 2) <= NETWORK_HEIGHT / 2
        seen |= (depth > MIN_DEPTH_M) & inside_u & inside_v
    return seen


def cell_axes(extent: GridExtent, cells: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the cell centres along x and y, each (cells,)."""
    unit = (np.arange(cells) + 0.5) / cells
    x = extent.x_min + unit * (extent.x_max - extent.x_min)
    y = extent.y_min + unit * (extent.y_max - extent.y_min)
    return x, y


def seen_ground(
    extent: GridExtent, cells: int, intrinsics: NDArray[np.float32], optical_from_base: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which cells (cells, cells) have their centre, on the ground, inside any network image."""
    x, y = np.meshgrid(*cell_axes(extent, cells), indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], -1)
    return seen_by_cameras(points, intrinsics, optical_from_base).reshape(cells, cells)
