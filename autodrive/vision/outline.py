"""The outline of a thing in the image, cut out from what is around it: more exact than what a network says of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Ray = tuple[float, float, float]

ROUNDS = 2
LEAST_PIXELS = 50  # of the seed
ROOM = 0.6  # of the seed's size, around it: so much of the background is looked at
SIZE = (0.35, 2.2)  # of what is cut out, against what was expected
GROWTH = 2.5  # ... and against the seed
MOST_CORNERS = 12
MOST_AT_RIM = 3  # pixels of the thing at the rim of what was looked at: more means that background was taken


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a thing ends: ``eye`` (x, y, z) of the camera and unit vectors to the corners of its hull, base_link."""

    eye: Ray
    rays: tuple[Ray, ...]


def cut_out(image: NDArray[np.uint8], seed: Mask, expected_pixels: int) -> NDArray[np.float64] | None:
    """Corners (M, 2) in pixels of the convex hull of the thing of which ``seed`` (H, W) is a large part.

    None where the thing is small, cut off by the edge of ``image`` (H, W, 3), or does not part from its background.
    """
    count = int(seed.sum())
    if count < LEAST_PIXELS:
        return None
    left, top, width, height = cv2.boundingRect(seed.astype(np.uint8))
    x, y = round(ROOM * width) + 2, round(ROOM * height) + 2
    rows = slice(max(top - y, 0), min(top + height + y, image.shape[0]))
    columns = slice(max(left - x, 0), min(left + width + x, image.shape[1]))
    thing = _segment(np.ascontiguousarray(image[rows, columns]), seed[rows, columns])
    area = int(thing.sum())
    fits = SIZE[0] < area / max(expected_pixels, 1) < SIZE[1] and area < GROWTH * count
    rim = int(thing[[0, -1]].sum() + thing[:, [0, -1]].sum())
    if not fits or rim > MOST_AT_RIM:
        return None
    v, u = np.nonzero(thing)
    ends = np.column_stack([u + columns.start, v + rows.start]).astype(np.float32)
    halves = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)], np.float32)
    return (
        _simpler(np.asarray(cv2.convexHull(np.vstack([ends + half for half in halves])), np.float32))
        .reshape(-1, 2)
        .astype(np.float64)
    )


def _segment(image: NDArray[np.uint8], seed: Mask) -> Mask:
    """The connected part of ``image`` that looks like ``seed`` and unlike what is around it."""
    labels = np.where(seed, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[[0, -1]] = labels[:, [0, -1]] = cv2.GC_BGD
    labels[cv2.erode(seed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = cv2.GC_FGD
    cv2.setRNGSeed(0)  # the models of colours begin with drawn samples
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, labels, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    mask = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD)
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    share = np.bincount(parts[seed], minlength=count)
    share[0] = 0
    return np.asarray(parts == int(share.argmax())) if share.any() else np.zeros_like(seed)


def _simpler(hull: NDArray[np.float32]) -> NDArray[np.float32]:
    """The hull with at most MOST_CORNERS corners."""
    tolerance = 0.3
    while len(hull) > MOST_CORNERS:
        hull = np.asarray(cv2.approxPolyDP(hull, tolerance, closed=True), np.float32)
        tolerance *= 1.4
    return hull
