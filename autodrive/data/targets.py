"""What the heads should say of one view: heat maps, boxes and ground, each with the weight that it is trained with.

Ground truth that no camera shows is neither right nor wrong to find: its surroundings have weight zero, in training and
in the metrics alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.data.augment import View
from autodrive.data.sample import MASK_CELLS, OBJECT_COLUMNS
from autodrive.scene import ROAD_USERS, GroundClass, ObjectClass
from autodrive.vision.coverage import cell_axes, seen_by_cameras, seen_ground
from autodrive.vision.layout import AXIS, BOX_CHANNELS, GRID_CELLS, LOG_SIZE, OBJECT_CELLS, OFFSET, RAY, VELOCITY, Z

Grid = NDArray[np.float32]
VISIBLE_PX = 6
# a footprint this close to square looks the same a quarter turn later: its axis is not asked for
SQUARE_RATIO = 1.2
MIN_SIGMA_CELLS, MAX_SIGMA_CELLS = 0.7, 4.0
# sigma of the heat spot per root of the footprint's area
SIGMA_PER_FOOTPRINT = 0.22
NO_MEMORY_VELOCITY_WEIGHT = 0.1


@dataclass(frozen=True)
class Targets:
    """Targets and their weights, float32; objects on F x F cells (OBJECT_CELLS), the ground on G x G (GRID_CELLS).

    ``heat``, ``heat_weight`` (classes, F, F); ``box`` (box channels, F, F), ``box_weight`` likewise, zero wherever no
    object is near; ``ground`` (ground classes, G, G), ``ground_weight`` (G, G).
    """

    heat: Grid
    heat_weight: Grid
    box: Grid
    box_weight: Grid
    ground: Grid
    ground_weight: Grid


def visible_objects(view: View) -> NDArray[np.bool_]:
    """Which of the view's objects (M,) a camera of the view shows well enough to be asked for."""
    centres = view.objects[:, [OBJECT_COLUMNS.index(k) for k in ("x", "y", "z")]].astype(np.float64)
    seen = seen_by_cameras(centres, view.intrinsics, view.optical_from_base)
    return seen & (view.objects[:, OBJECT_COLUMNS.index("visible_px")] >= VISIBLE_PX)


def ground_targets(view: View, masks: NDArray[np.bool_], half_extent: float) -> tuple[Grid, Grid]:
    """Ground classes (classes, G, G) of 0 or 1, and the weight (G, G): 1 where a camera looks and the masks reach."""
    xs, ys = cell_axes(view.extent, GRID_CELLS)
    x, y = np.meshgrid(xs, ys, indexing="ij")
    original = np.stack([x, y], -1) @ view.base_from_view.T
    pixel = (original / half_extent + 1) / 2 * MASK_CELLS - 0.5
    known = (np.abs(original) < half_extent).all(-1)
    pixels_per_cell = (xs[1] - xs[0]) / (2 * half_extent / MASK_CELLS)
    column, row = (pixel[..., k].astype(np.float32) for k in (1, 0))
    ground = np.zeros((len(GroundClass), GRID_CELLS, GRID_CELLS), np.float32)
    for kind in GroundClass:
        mask = masks[kind].astype(np.float32)
        if kind == GroundClass.FREE:
            # a cell is free when most of it is
            mask = cv2.GaussianBlur(mask, (0, 0), max(0.4 * pixels_per_cell, 0.3))
        else:
            # paint is thin: a cell has it when any of it lies in the cell
            size = max(1, round(pixels_per_cell))
            mask = cv2.dilate(mask, np.ones((size, size), np.uint8))
        ground[kind] = cv2.remap(mask, column, row, cv2.INTER_LINEAR) > 0.5
    covered = seen_ground(view.extent, GRID_CELLS, view.intrinsics, view.optical_from_base)
    return ground, (covered & known).astype(np.float32)


def make_targets(view: View, masks: NDArray[np.bool_], half_extent: float) -> Targets:
    """Rasterise the objects and ground of a view."""
    classes, cells = len(ObjectClass), OBJECT_CELLS
    ground, ground_weight = ground_targets(view, masks, half_extent)
    xs, ys = cell_axes(view.extent, cells)
    x, y = np.meshgrid(xs, ys, indexing="ij")
    inside_truth = np.abs(np.stack([x, y], -1) @ view.base_from_view.T).max(-1) < half_extent
    targets = Targets(
        np.zeros((classes, cells, cells), np.float32),
        np.repeat(inside_truth[None].astype(np.float32), classes, 0),
        np.zeros((len(BOX_CHANNELS), cells, cells), np.float32),
        np.zeros((len(BOX_CHANNELS), cells, cells), np.float32),
        ground,
        ground_weight,
    )
    for row, visible in zip(view.objects.astype(np.float64), visible_objects(view), strict=True):
        _draw_object(targets, row, bool(visible), view, (xs, ys))
    return targets


def _draw_object(
    targets: Targets,
    row: NDArray[np.float64],
    visible: bool,
    view: View,
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    label, x, y, _, _, length, width = row[:7]
    extent = view.extent
    if not (extent.x_min <= x < extent.x_max and extent.y_min <= y < extent.y_max):
        return
    cell = (extent.x_max - extent.x_min) / OBJECT_CELLS
    fine_i, fine_j = (x - extent.x_min) / cell - 0.5, (y - extent.y_min) / cell - 0.5
    i, j = (int(np.clip(round(f), 0, OBJECT_CELLS - 1)) for f in (fine_i, fine_j))
    sigma = float(np.clip(math.sqrt(length * width) / cell * SIGMA_PER_FOOTPRINT, MIN_SIGMA_CELLS, MAX_SIGMA_CELLS))
    radius = int(3 * sigma) + 1
    window = np.s_[max(i - radius, 0) : i + radius + 1, max(j - radius, 0) : j + radius + 1]
    ii, jj = np.mgrid[
        window[0].start : min(window[0].stop, OBJECT_CELLS), window[1].start : min(window[1].stop, OBJECT_CELLS)
    ]
    spot = np.exp(-((ii - i) ** 2 + (jj - j) ** 2) / (2 * sigma * sigma)).astype(np.float32)
    channel = int(label)
    if not visible:
        weight = targets.heat_weight[channel][window]
        np.minimum(weight, spot < 0.2, out=weight)
        return
    heat = targets.heat[channel][window]
    np.maximum(heat, spot, out=heat)
    targets.heat_weight[channel, i, j] = 1.0
    weights = _box_weights(row, view.dt > 0)
    for a in range(max(i - 1, 0), min(i + 2, OBJECT_CELLS)):
        for b in range(max(j - 1, 0), min(j + 2, OBJECT_CELLS)):
            strength = 1.0 if (a, b) == (i, j) else 0.3
            if targets.box_weight[0, a, b] < strength:
                targets.box[:, a, b] = _box_target(row, fine_i - a, fine_j - b, math.atan2(axes[1][b], axes[0][a]))
                targets.box_weight[:, a, b] = strength * weights


def _box_target(row: NDArray[np.float64], offset_i: float, offset_j: float, azimuth: float) -> Grid:
    _, _, _, z, yaw, length, width, height, vx, vy, _ = row
    target = np.zeros(len(BOX_CHANNELS), np.float32)
    target[OFFSET] = offset_i, offset_j
    target[Z] = z
    target[LOG_SIZE] = np.log(np.maximum([length, width, height], 0.05))
    target[AXIS] = math.sin(2 * yaw), math.cos(2 * yaw)
    target[RAY] = math.sin(yaw - azimuth), math.cos(yaw - azimuth)
    target[VELOCITY] = vx, vy
    return target


def _box_weights(row: NDArray[np.float64], memory: bool) -> Grid:
    label, length, width = ObjectClass(int(row[0])), row[5], row[6]
    weights = np.ones(len(BOX_CHANNELS), np.float32)
    road_user = label in ROAD_USERS
    weights[AXIS] = road_user or max(length, width) > SQUARE_RATIO * min(length, width)
    weights[RAY] = road_user
    # without an earlier frame a velocity can only be guessed: learn the guess, but do not let it cost much
    weights[VELOCITY] = (1.0 if memory else NO_MEMORY_VELOCITY_WEIGHT) * road_user
    return weights
