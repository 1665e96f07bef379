"""Detection and ground metrics: nuScenes-style average precision by centre distance, true-positive errors, IoU.

Ground truth that no camera shows is "don't care": finding it is no false positive, not finding it no miss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.scene import ROAD_USERS, VEHICLES, DetectedObject, GridExtent, GroundClass, ObjectClass
from autodrive.vision.coverage import cell_axes

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
# true-positive errors are taken at this matching distance and from this score on
ERROR_DISTANCE_M = 2.0
ERROR_SCORE = 0.3
# nuScenes: precision and recall below this are noise and do not count
FLOOR = 0.1
MIN_COUNT = 15
Band = tuple[float, float]
EVERYWHERE: Band = (0.0, float("inf"))
BANDS: dict[str, tuple[Band, ...]] = {
    "car": ((0.0, 10.0), (10.0, 20.0), (20.0, 40.0), (0.0, 20.0), (0.0, 40.0)),
    "humanoid": ((0.0, 4.0), (4.0, 8.0), (0.0, 8.0)),
}
GROUPS: dict[str, frozenset[ObjectClass]] = {
    **{label.name.lower(): frozenset({label}) for label in ObjectClass},
    "vehicle": VEHICLES,
}


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame's predictions beside the truth.

    ``care`` (M,) marks truth that counts; ``ground`` and ``ground_truth`` (ground classes, G, G), ``ground_known``
    (G, G) the cells that count, ``extent`` where they lie.
    """

    extent: GridExtent

    predictions: tuple[DetectedObject, ...]
    truth: tuple[DetectedObject, ...]
    care: NDArray[np.bool_]
    ground: NDArray[np.float32]
    ground_truth: NDArray[np.bool_]
    ground_known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """One prediction that counts: right or wrong, and against which truth."""

    score: float
    found: DetectedObject
    truth: DetectedObject | None


def _in_band(item: DetectedObject, band: Band) -> bool:
    return band[0] <= math.hypot(item.x, item.y) < band[1]


def _judge(frame: EvaluatedFrame, labels: frozenset[ObjectClass], distance: float, band: Band) -> list[_Verdict]:
    """Match predictions, best score first, each to the nearest truth that is still free."""
    free = [
        (t, bool(c) and _in_band(t, band)) for t, c in zip(frame.truth, frame.care, strict=True) if t.label in labels
    ]
    verdicts = []
    for found in sorted((p for p in frame.predictions if p.label in labels), key=lambda p: -p.score):
        gaps = [math.hypot(found.x - t.x, found.y - t.y) for t, _ in free]
        nearest = int(np.argmin(gaps)) if gaps else -1
        if gaps and gaps[nearest] < distance:
            truth, counts = free.pop(nearest)
            if counts:
                verdicts.append(_Verdict(found.score, found, truth))
        elif _in_band(found, band):
            verdicts.append(_Verdict(found.score, found, None))
    return verdicts


def average_precision(
    frames: Sequence[EvaluatedFrame], labels: frozenset[ObjectClass], distance: float, band: Band
) -> tuple[float, list[_Verdict], int]:
    """AP in 0..1, the verdicts that it came from (best first), and how many true objects there were."""
    verdicts = [v for frame in frames for v in _judge(frame, labels, distance, band)]
    verdicts.sort(key=lambda v: -v.score)
    count = sum(
        bool(c) and t.label in labels and _in_band(t, band)
        for frame in frames
        for t, c in zip(frame.truth, frame.care, strict=True)
    )
    if not count or not verdicts:
        return 0.0, verdicts, count
    right = np.cumsum([v.truth is not None for v in verdicts])
    recall = right / count
    precision = right / np.arange(1, len(verdicts) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    levels = np.linspace(0, 1, 101)
    at_level = np.interp(levels, recall, envelope, right=0.0)
    return float(np.maximum(at_level[levels > FLOOR] - FLOOR, 0).mean() / (1 - FLOOR)), verdicts, count


def mean_errors(verdicts: Sequence[_Verdict]) -> dict[str, float | None]:
    """Mean errors of confident true positives: centre, size (1 - IoU of aligned boxes), yaw, axis, velocity."""
    pairs = [(v.found, v.truth) for v in verdicts if v.truth is not None and v.score >= ERROR_SCORE]
    if not pairs:
        return dict.fromkeys(("translation_m", "size", "yaw_rad", "axis_rad", "velocity_mps"))
    gaps = {"translation_m": [math.hypot(p.x - t.x, p.y - t.y) for p, t in pairs]}
    gaps["size"] = [1 - _aligned_iou(p, t) for p, t in pairs]
    turn = [abs(math.remainder(p.yaw - t.yaw, 2 * math.pi)) for p, t in pairs]
    gaps["yaw_rad"] = turn
    gaps["axis_rad"] = [min(angle, math.pi - angle) for angle in turn]
    moving = [(p, t) for p, t in pairs if t.label in ROAD_USERS]
    gaps["velocity_mps"] = [math.hypot(p.vx - t.vx, p.vy - t.vy) for p, t in moving]
    return {name: round(float(np.mean(values)), 4) if values else None for name, values in gaps.items()}


def _aligned_iou(a: DetectedObject, b: DetectedObject) -> float:
    common = min(a.length, b.length) * min(a.width, b.width) * min(a.height, b.height)
    return common / (a.length * a.width * a.height + b.length * b.width * b.height - common)


def _known_in_band(frame: EvaluatedFrame, band: Band) -> NDArray[np.bool_]:
    x, y = cell_axes(frame.extent, frame.ground_known.shape[0])
    distance = np.hypot(x[:, None], y[None, :])
    return frame.ground_known & (band[0] <= distance) & (distance < band[1])


def ground_iou(frames: Sequence[EvaluatedFrame], band: Band, threshold: float = 0.5) -> dict[str, float | None]:
    """Intersection over union per ground class over the band's cells that count; None where a class never occurs."""
    known = [_known_in_band(frame, band) for frame in frames]
    result: dict[str, float | None] = {}
    for kind in GroundClass:
        said = [(frame.ground[kind] > threshold) & mask for frame, mask in zip(frames, known, strict=True)]
        true = [frame.ground_truth[kind] & mask for frame, mask in zip(frames, known, strict=True)]
        either = sum(int((s | t).sum()) for s, t in zip(said, true, strict=True))
        both = sum(int((s & t).sum()) for s, t in zip(said, true, strict=True))
        occurs = any(t.any() for t in true)
        result[kind.name.lower()] = round(both / either, 4) if occurs else None
    return result


def summarise(frames: Sequence[EvaluatedFrame], bands: Sequence[Band]) -> dict[str, Any]:
    """All metrics of one rig as plain JSON values: per band, per class, AP at each distance, means, and ground IoU.

    The means leave out classes with fewer than MIN_COUNT true objects in the band.
    """
    result: dict[str, Any] = {"frames": len(frames), "ground_iou": ground_iou(frames, EVERYWHERE), "bands": {}}
    for band in bands:
        classes: dict[str, Any] = {}
        for name, labels in GROUPS.items():
            runs = {d: average_precision(frames, labels, d, band) for d in DISTANCES_M}
            _, verdicts, count = runs[ERROR_DISTANCE_M]
            if count:
                ap = {f"{d:g}": round(runs[d][0], 4) for d in DISTANCES_M}
                classes[name] = {"count": count, "ap": ap, "errors": mean_errors(verdicts)}
        counted = [c for name, c in classes.items() if name != "vehicle" and c["count"] >= MIN_COUNT]
        mean = {
            key: round(float(np.mean([c["ap"][key] for c in counted])), 4) if counted else None
            for key in (f"{d:g}" for d in DISTANCES_M)
        }
        result["bands"][f"{band[0]:g}-{band[1]:g}"] = {
            "map": mean,
            "classes": classes,
            "ground_iou": ground_iou(frames, band),
        }
    return result
