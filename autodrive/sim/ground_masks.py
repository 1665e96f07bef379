"""Bird's-eye ground truth of a town around any pose, cut out of one bitmap per town."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from autodrive.geometry import Pose2, box_corners
from autodrive.scene import DetectedObject, GroundClass
from autodrive.sim.town import Town
from autodrive.sim.town_surface import LINE_WIDTH_M

RESOLUTION_M = 0.1
LINE_LABEL_WIDTH_M = 0.3  # painted lines are labelled this wide, or nearest-cell sampling would break them up
_SHIFT = 6  # fractional bits of cv2's fixed-point polygon corners
_PAVEMENT_BIT = len(GroundClass)


def ground_masks(town: Town, pose: Pose2, half_extent: float, cells: int, pavement: bool = False) -> NDArray[np.bool_]:
    """Masks (len(GroundClass), cells, cells), index [ix, iy] over [-half_extent, half_extent] in base_link of ``pose``.

    FREE is asphalt (parking strips too) on which no building, parked vehicle or obstacle stands; with ``pavement`` also
    the pavement, for bodies that walk. CROSSWALK is the whole striped area, the other two are paint. Movers: ``carve``.
    """
    size = 2 * half_extent / cells
    c, s = math.cos(pose.yaw), math.sin(pose.yaw)
    x_min, _, y_min, _ = town.bounds
    # output (column iy, row ix) -> bitmap (column x, row y), at cell centres
    step = size / RESOLUTION_M
    corner = (0.5 * size - half_extent) * np.array([c - s, s + c]) + (pose.x - x_min, pose.y - y_min)
    origin = corner / RESOLUTION_M - 0.5
    bitmap_from_cell = np.array([[-s * step, c * step, origin[0]], [c * step, s * step, origin[1]]])
    bits: NDArray[np.uint8] = cv2.warpAffine(  # type: ignore[assignment]
        _bitmap(town),
        bitmap_from_cell,
        (cells, cells),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    masks = np.stack([(bits >> channel) & 1 for channel in GroundClass]).astype(bool)
    if pavement:
        masks[GroundClass.FREE] |= (bits >> _PAVEMENT_BIT) & 1 > 0
    return masks


def carve(masks: NDArray[np.bool_], half_extent: float, objects: Iterable[DetectedObject]) -> NDArray[np.bool_]:
    """A copy of the masks in which no ground is FREE below ``objects`` (given in base_link)."""
    cells = masks.shape[-1]
    free = masks[GroundClass.FREE].astype(np.uint8)
    for item in objects:
        corners = box_corners(item.x, item.y, item.yaw, item.length, item.width)
        pixels = (corners + half_extent) * cells / (2 * half_extent) - 0.5
        cv2.fillPoly(free, [_fixed_point(pixels[:, ::-1])], 0, shift=_SHIFT)
    carved = masks.copy()
    carved[GroundClass.FREE] = free > 0
    return carved


@lru_cache(maxsize=4)
def _bitmap(town: Town) -> NDArray[np.uint8]:
    """One bit per ground class, row y and column x from the lower left of the bounds."""
    surface = town.surface
    widen = (LINE_LABEL_WIDTH_M - LINE_WIDTH_M) / 2
    standing = [shapely.Polygon(building.corners) for building in town.buildings]
    standing += [
        shapely.Polygon(box_corners(item.x, item.y, item.yaw, item.length, item.width))
        for item in (*town.parked, *town.obstacles)
    ]
    occupied = _raster(town, shapely.union_all(standing))
    lines = shapely.union_all([surface.lane_lines, surface.centre_lines]).buffer(widen).intersection(surface.road)
    channels: dict[int, BaseGeometry] = {
        GroundClass.FREE: surface.road,
        GroundClass.LANE_MARKING: lines,
        GroundClass.CROSSWALK: surface.crosswalks,
        GroundClass.STOP_LINE: surface.stop_lines,
        _PAVEMENT_BIT: surface.pavement,
    }
    bits = np.zeros_like(occupied)
    for bit, area in channels.items():
        painted = _raster(town, area)
        if bit in (GroundClass.FREE, _PAVEMENT_BIT):
            painted &= 1 - occupied
        bits |= painted << np.uint8(bit)
    bits.setflags(write=False)
    return bits


def _raster(town: Town, area: BaseGeometry) -> NDArray[np.uint8]:
    """1 where a pixel's centre lies in ``area``."""
    x_min, x_max, y_min, y_max = town.bounds
    shape = (math.ceil((y_max - y_min) / RESOLUTION_M), math.ceil((x_max - x_min) / RESOLUTION_M))
    canvas = np.zeros(shape, np.uint8)
    # fillPoly also paints the pixels that the outline runs through, half a pixel too many on each side
    for part in shapely.get_parts(area.buffer(-RESOLUTION_M / 2, join_style="mitre")):
        rings = [np.array(ring.coords) for ring in (part.exterior, *part.interiors)]
        pixels = [(ring - (x_min, y_min)) / RESOLUTION_M - 0.5 for ring in rings]
        cv2.fillPoly(canvas, [_fixed_point(ring) for ring in pixels], 1, shift=_SHIFT)
    return canvas


def _fixed_point(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(pixels * 2**_SHIFT).astype(np.int32)
