"""Which detection belongs to which track, and which tracks cannot be seen at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, GridExtent, ObjectClass
from autodrive.vision.tracker_filter import wrap
from autodrive.vision.tracker_table import CLASSES, FIXED, Array, Detections, Index, Mask, TrackTable

FORBIDDEN = 1e6
ON_IT = 0.5  # what is so much smaller than a thing of another class stands on it
SAME_M, SAME_FIXED_M = 0.4, 0.2  # boxes on a table stand closer to each other than anything that moves


def _class_cost() -> Array:
    cost = np.full((CLASSES, CLASSES), FORBIDDEN)
    cost[np.ix_(FIXED, FIXED)] = 3.0
    for a, b, value in ((ObjectClass.CAR, ObjectClass.TRUCK, 1.0), (ObjectClass.CYCLIST, ObjectClass.PEDESTRIAN, 2.0)):
        cost[a, b] = cost[b, a] = value
    np.fill_diagonal(cost, 0.0)
    return cost


# cost (C, C) of matching a track of one class with a detection of another, in units of squared Mahalanobis distance
CLASS_COST = _class_cost()


def gather(objects: Sequence[DetectedObject], pose: Pose2) -> Detections:
    """Detections in base_link as arrays in map; their order does not depend on the order of ``objects``."""
    ordered = sorted(objects, key=lambda d: (-d.score, int(d.label), d.x, d.y, d.yaw, d.length, d.vx, d.vy))
    table = np.array(
        [(d.label, d.score, d.x, d.y, d.yaw, d.vx, d.vy, d.z, d.length, d.width, d.height) for d in ordered],
        dtype=np.float64,
    ).reshape(-1, 11)
    return Detections(
        label=table[:, 0].astype(np.int64),
        score=table[:, 1],
        xy=pose.apply(table[:, 2:4]),
        yaw=table[:, 4] + pose.yaw,
        velocity=pose.rotate(table[:, 5:7]),
        shape=table[:, 7:],
    )


def match(t: TrackTable, d: Detections, noise: Array, gate: float, max_jump_m: float) -> tuple[Index, Index]:
    """Indices of matched tracks and their detections: the cheapest assignment within ``gate`` (squared Mahalanobis)."""
    if len(t) == 0 or len(d) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    gap = d.xy[None] - t.mean[:, None, :2]  # (N, D, 2)
    s = t.cov[:, None, :2, :2] + noise[None]
    determinant = s[..., 0, 0] * s[..., 1, 1] - s[..., 0, 1] ** 2
    x, y = gap[..., 0], gap[..., 1]
    squared = (s[..., 1, 1] * x * x - 2 * s[..., 0, 1] * x * y + s[..., 0, 0] * y * y) / determinant
    cost = squared + CLASS_COST[t.label[:, None], d.label[None]] + FORBIDDEN * _on_it(t, d).T
    far = (squared > gate) | (np.hypot(x, y) > max_jump_m)
    cost = np.where(far, FORBIDDEN, np.minimum(cost, FORBIDDEN))
    rows, columns = linear_sum_assignment(cost)
    ok = cost[rows, columns] < FORBIDDEN
    return rows[ok], columns[ok]


def second_boxes(t: TrackTable, d: Detections, seen: Mask) -> Mask:
    """Detections (D,) that lie on a track which already has its detection (``seen`` (N,)): not a new object."""
    gap = np.linalg.norm(d.xy[:, None] - t.mean[None, :, :2], axis=2)
    fixed = FIXED[d.label][:, None] & FIXED[t.label][None]
    least = np.where(fixed, SAME_FIXED_M, SAME_M)
    near = np.maximum(least, 0.225 * (d.shape[:, None, 1] + t.shape[None, :, 1]))
    alike = (CLASS_COST[d.label[:, None], t.label[None]] < FORBIDDEN) & ~_on_it(t, d)
    return np.asarray(((gap < near) & alike & seen[None]).any(axis=1))


def _on_it(t: TrackTable, d: Detections) -> Mask:
    """Pairs (D, N) of things that do not move, of two classes, and of sizes that no error explains: box and table."""
    fixed = FIXED[d.label][:, None] & FIXED[t.label][None] & (d.label[:, None] != t.label[None])
    sizes = np.stack(np.broadcast_arrays(d.shape[:, None, 1], t.shape[None, :, 1]))
    return np.asarray(fixed & (sizes.min(axis=0) < ON_IT * sizes.max(axis=0)))


def hidden(t: TrackTable, missed: Mask, pose: Pose2, extent: GridExtent) -> Mask:
    """Rows of ``missed`` (N,) outside the grid of the body at ``pose``, or behind a nearer track that was seen now."""
    local = pose.inverse().apply(t.mean[:, :2])
    x, y = local[:, 0], local[:, 1]
    outside = (x < extent.x_min) | (x > extent.x_max) | (y < extent.y_min) | (y > extent.y_max)
    distance, bearing = np.hypot(x, y), np.arctan2(y, x)
    half_angle = np.arctan2(0.5 * np.maximum(t.shape[:, 1], t.shape[:, 2]), distance)
    covers = np.abs(wrap(bearing[:, None] - bearing[None])) < half_angle[None]
    nearer = distance[None] < distance[:, None] - 0.5
    return missed & (outside | (covers & nearer & ~missed[None]).any(axis=1))
