"""Oriented-rectangle separation, vectorised: how far body poses on a path stay clear of where others will be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.planning.config import Footprint

Grid = NDArray[np.float32]


@dataclass(frozen=True)
class Boxes:
    """K oriented rectangles: centre, heading, half sizes, and the margins that the body keeps along and across itself."""

    x: Grid
    y: Grid
    yaw: Grid
    half_length: Grid
    half_width: Grid
    margin_along: Grid
    margin_across: Grid

    def __len__(self) -> int:
        return len(self.x)


def separation(x: Grid, y: Grid, yaw: Grid, footprint: Footprint, boxes: Boxes) -> Grid:
    """Signed gap (N, K) between the body at base_link poses (N,) and K boxes, beyond their margins.

    Positive: a lower bound of the free distance (separating axes); negative: by how much the grown body overlaps.
    """
    x, y, yaw = (np.asarray(v, dtype=np.float32)[:, None] for v in (x, y, yaw))
    c, s = np.cos(yaw), np.sin(yaw)
    dx = boxes.x - (x + c * np.float32(footprint.centre_offset))
    dy = boxes.y - (y + s * np.float32(footprint.centre_offset))
    cb, sb = np.cos(boxes.yaw), np.sin(boxes.yaw)
    along, across = np.abs(c * cb + s * sb), np.abs(c * sb - s * cb)
    half_length = np.float32(footprint.length / 2) + boxes.margin_along
    half_width = np.float32(footprint.width / 2) + boxes.margin_across
    front = np.abs(c * dx + s * dy) - half_length - boxes.half_length * along - boxes.half_width * across
    side = np.abs(c * dy - s * dx) - half_width - boxes.half_length * across - boxes.half_width * along
    other_front = np.abs(cb * dx + sb * dy) - boxes.half_length - half_length * along - half_width * across
    other_side = np.abs(cb * dy - sb * dx) - boxes.half_width - half_length * across - half_width * along
    axes = np.maximum(np.maximum(front, side), np.maximum(other_front, other_side))
    corner = np.hypot(np.maximum(front, 0), np.maximum(side, 0))
    return np.where(corner > 0, np.maximum(axes, corner), axes).astype(np.float32)
