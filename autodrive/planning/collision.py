"""Oriented-rectangle separation, vectorised: how far body poses on a path stay clear of where others will be."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from autodrive.planning.config import Footprint

Grid = NDArray[np.float32]
Numbers = NDArray[np.float64] | Grid

FAR_M = 2.0  # no cost and no rule looks further than this


@dataclass(frozen=True)
class Boxes:
    """K oriented rectangles: centre, heading, half sizes, and the margins that the body keeps along and across."""

    x: Grid
    y: Grid
    yaw: Grid
    half_length: Grid
    half_width: Grid
    margin_along: Grid
    margin_across: Grid

    def __len__(self) -> int:
        return len(self.x)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Boxes:
        """The boxes that a mask or indices select."""
        return Boxes(*(getattr(self, field.name)[keep] for field in fields(self)))


def separation(x: Numbers, y: Numbers, yaw: Numbers, footprint: Footprint, boxes: Boxes) -> Grid:
    """Signed gap (N, K) between the body at base_link poses (N,) and K boxes, beyond their margins.

    Positive: a lower bound of the free distance (separating axes; of bounding circles where they are more than
    ``FAR_M`` apart); negative: by how much the grown body overlaps.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    dx: Grid = boxes.x - np.asarray(x + c * footprint.centre_offset, dtype=np.float32)[:, None]
    dy: Grid = boxes.y - np.asarray(y + s * footprint.centre_offset, dtype=np.float32)[:, None]
    c, s = c.astype(np.float32), s.astype(np.float32)
    body = np.hypot(footprint.length / 2 + boxes.margin_along, footprint.width / 2 + boxes.margin_across)
    gap = np.sqrt(dx * dx + dy * dy) - (body + np.hypot(boxes.half_length, boxes.half_width))
    n, k = np.nonzero(gap < FAR_M)
    gap[n, k] = _rectangle_gap(dx[n, k], dy[n, k], c[n], s[n], footprint, boxes.take(k))
    return gap.astype(np.float32)


def _rectangle_gap(dx: Grid, dy: Grid, c: Grid, s: Grid, footprint: Footprint, boxes: Boxes) -> Grid:
    """Exact sign, lower bound in size: the body heads along (c, s), box k lies (dx, dy) from its middle; all (K,)."""
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
    return np.where(corner > 0, np.maximum(axes, corner), axes)
