"""From the network's grids to objects, ground and paint: local maxima, box channels in SI units, duplicates removed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import distance_to_box, wrap_angle
from autodrive.scene import (
    ROAD_USERS,
    VEHICLES,
    DetectedObject,
    GridExtent,
    GroundClass,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
)
from autodrive.vision.layout import AXIS, LOG_SIZE, OFFSET, RAY, VELOCITY, Z

Grid = NDArray[np.float32]
# two centres of one class nearer than this are one object [m]
SEPARATION_M = {
    ObjectClass.CAR: 2.0,
    ObjectClass.TRUCK: 3.0,
    ObjectClass.CYCLIST: 0.9,
    ObjectClass.PEDESTRIAN: 0.45,
    ObjectClass.CONE: 0.3,
    ObjectClass.BARRIER: 0.6,
    ObjectClass.BOX: 0.35,
    ObjectClass.TABLE: 0.6,
    ObjectClass.SHELF: 0.6,
}
SIZE_LIMITS_M = (0.05, 30.0)
# a table is now and then taken for a box of its own size: one that stands in a surer table, deeper than this, is none
SUNK_M = 0.4
PAINT = (GroundClass.LANE_MARKING, GroundClass.CROSSWALK, GroundClass.STOP_LINE)


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """``score_threshold`` of objects, ``paint_threshold`` of marking points, and at most ``max_objects`` of them."""

    score_threshold: float = 0.15
    paint_threshold: float = 0.5
    max_objects: int = 100


@dataclass(slots=True)
class _Kept:
    """What is already accepted, per group of classes that exclude each other."""

    objects: dict[ObjectClass, list[DetectedObject]] = field(default_factory=dict)

    def accept(self, item: DetectedObject) -> bool:
        # a vehicle is a car or a truck, never both
        group = ObjectClass.CAR if item.label in VEHICLES else item.label
        others = self.objects.setdefault(group, [])
        if any(math.hypot(item.x - o.x, item.y - o.y) < SEPARATION_M[item.label] for o in others):
            return False
        if item.label == ObjectClass.BOX and any(_sunk(item, t) for t in self.objects.get(ObjectClass.TABLE, [])):
            return False
        others.append(item)
        return True


def _sunk(item: DetectedObject, table: DetectedObject) -> bool:
    """Whether an object would stand in a table instead of on it."""
    inside = distance_to_box((item.x, item.y), table.x, table.y, table.yaw, table.length, table.width) == 0.0
    bottom, top = item.z - item.height / 2, item.z + item.height / 2
    edge = table.z + table.height / 2
    return inside and bottom < edge - SUNK_M and top > edge - SUNK_M


def find_peaks(heat: Grid, threshold: float, limit: int) -> list[tuple[float, int, int, int]]:
    """Local maxima of ``heat`` (classes, G, G) in 3 x 3 cells as (score, class, i, j), best first."""
    planes = np.ascontiguousarray(heat.transpose(1, 2, 0))
    neighbourhood = cv2.dilate(planes, np.ones((3, 3), np.uint8))
    i, j, channel = np.nonzero((planes >= neighbourhood) & (planes >= threshold))
    scores = planes[i, j, channel]
    # a stable order among equal scores keeps the result independent of the machine
    order = np.argsort(-scores, kind="stable")[:limit]
    return [(float(scores[k]), int(channel[k]), int(i[k]), int(j[k])) for k in order]


def decode_yaw(axis: Grid, ray: Grid, azimuth: float, directed: bool) -> float:
    """Yaw from the doubled angle; where the class has a front, the ray angle says which of the two ends it is."""
    yaw = 0.5 * math.atan2(float(axis[0]), float(axis[1]))
    if directed:
        heading = math.atan2(float(ray[0]), float(ray[1])) + azimuth
        if math.cos(yaw - heading) < 0:
            yaw += math.pi
    return wrap_angle(yaw)


def decode_objects(heat: Grid, box: Grid, extent: GridExtent, config: DecodeConfig) -> tuple[DetectedObject, ...]:
    """Objects in base_link, best score first. ``heat`` (classes, G, G) in 0..1, ``box`` (box channels, G, G)."""
    cells = heat.shape[1]
    cell = (extent.x_max - extent.x_min) / cells
    kept, objects = _Kept(), []
    for score, channel, i, j in find_peaks(heat, config.score_threshold, 2 * config.max_objects):
        label, values = ObjectClass(channel), box[:, i, j]
        centre_x, centre_y = extent.x_min + (i + 0.5) * cell, extent.y_min + (j + 0.5) * cell
        x, y = (float(c + o * cell) for c, o in zip((centre_x, centre_y), values[OFFSET], strict=True))
        length, width, height = np.clip(np.exp(np.clip(values[LOG_SIZE], -4, 4)), *SIZE_LIMITS_M).tolist()
        directed = label in ROAD_USERS
        yaw = decode_yaw(values[AXIS], values[RAY], math.atan2(centre_y, centre_x), directed)
        vx, vy = values[VELOCITY].tolist() if directed else (0.0, 0.0)
        item = DetectedObject(label, score, x, y, float(values[Z][0]), yaw, length, width, height, vx, vy)
        if not kept.accept(item):
            continue
        objects.append(item)
        if len(objects) == config.max_objects:
            break
    return tuple(objects)


def decode_markings(ground: GroundGrid, threshold: float) -> GroundMarkings:
    """Cell centres that carry paint, with their class and probability, strongest class per cell."""
    paint = ground.probability[list(PAINT)]
    best = paint.argmax(0)
    i, j = np.nonzero(paint.max(0) >= threshold)
    cell = ground.resolution
    points = np.stack([ground.extent.x_min + (i + 0.5) * cell, ground.extent.y_min + (j + 0.5) * cell], -1)
    kind = np.array(PAINT, np.int64)[best[i, j]]
    return GroundMarkings(points, kind, ground.probability[kind, i, j].astype(np.float64))
