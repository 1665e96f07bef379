"""What colour an object has, read from the image region in which it lies, and in which direction that region is.

Names are decided per pixel by hue, saturation and brightness, then by majority; light that is not white, shade and the
objects in front cost confidence, not correctness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Rig, projection
from autodrive.scene import ObjectClass, TrackedObject
from autodrive.vision.outline import Outline, cut_out

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]  # rows and columns of an image
Sight = tuple[float, float, float, float, float, float]

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "grey", "black")
# upper ends of the hues [deg] that belong to a name; red goes round through zero
_HUE_ENDS = (16.0, 43.0, 70.0, 165.0, 255.0, 300.0, 340.0, 360.0)
_HUE_NAMES = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")
GREY_SATURATION = 0.28
BLACK_VALUE, WHITE_VALUE = 0.13, 0.43  # of the brightest hundredth of the images
# orange and the yellow next to it are called brown when they are pale and dark
BROWN_HUES, BROWN_SATURATION, BROWN_VALUE = (16.0, 49.0), 0.76, 0.80
# the middle of a box, for its edges are its neighbours', and tracked sizes are not exact; all of it; and so far around
# it is looked for what shows through
SCALES = (0.62, 1.0, 1.7)
_SIGNS = np.array([(x, y, z) for z in (-1, 1) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))], np.float64)
BACKGROUND, LEAST_CONTRAST = 0.8, 0.15
MIN_PIXELS = 6
ENOUGH_PIXELS = 16
NEAR_M = 0.25
SIGHT_PIXELS = 20
SIGHT_SIZE = (0.45, 1.8)  # of the outline's width and height
# whose outlines are looked for: boxes on tables, the nearest few, for it takes ten milliseconds each
OUTLINED_M, OUTLINED_MOST, OUTLINED_FROM_Z_M = 2.0, 3, 0.5


@dataclass(frozen=True, slots=True)
class Colour:
    """A name of COLOURS and the confidence, 0..1, that a person would call the object so.

    ``sight`` is the line of sight to the middle of the region that has this colour, in base_link: x, y, z of the
    camera [m] and a unit vector; None where the region is small, cut off, or not of the object's size. ``outline`` is
    that of a near box on a table, where it parts from what is around it.
    """

    name: str
    confidence: float
    sight: Sight | None = None
    outline: Outline | None = None


def name_colours(
    images: NDArray[np.uint8], rig: Rig, base_from_map: Pose2, tracks: Sequence[TrackedObject]
) -> dict[int, Colour]:
    """Colours by track id of those tracks that a camera shows well enough.

    ``images`` (N, NETWORK_HEIGHT, NETWORK_WIDTH, 3) RGB are the network's images of ``rig`` (leaning as the body does).
    """
    bright = max(_percentile(images, 0.99), 1.0)
    intrinsics, extrinsics = projection(rig)
    found: dict[int, Colour] = {}
    counts: dict[int, int] = {}
    handy, boxes = _handy(tracks, base_from_map), _boxes(tracks, base_from_map)
    for k, image in enumerate(images):
        names = colour_of_pixels(image.reshape(-1, 3), bright).reshape(NETWORK_HEIGHT, NETWORK_WIDTH)
        for index, window, core, outline, around in _regions(boxes, intrinsics[k], extrinsics[k]):
            track_id, pixels = tracks[index].track_id, int(core.sum())
            # the camera that shows most of it decides
            if pixels >= MIN_PIXELS and pixels > counts.get(track_id, 0):
                part = names[window]
                colour = _vote(part[core], part[around])
                same = part == COLOURS.index(colour.name)
                middle = _middle(same, window, core, outline, around)
                sight = None if middle is None else _line_of_sight(middle, intrinsics[k], extrinsics[k])
                ends = None
                if index in handy:
                    seed = _seed(same & (outline | around), core, window)
                    ends = _outline(image, seed, int(outline.sum()), intrinsics[k], extrinsics[k])
                found[track_id] = replace(colour, sight=sight, outline=ends)
                counts[track_id] = pixels
    return found


def _handy(tracks: Sequence[TrackedObject], base_from_map: Pose2) -> frozenset[int]:
    """Indices of the boxes on tables that are near enough for their outlines to tell something."""
    places = base_from_map.apply(np.array([(t.x, t.y) for t in tracks]).reshape(-1, 2))
    ranges = np.hypot(*places.T)
    raised = [k for k, t in enumerate(tracks) if t.label == ObjectClass.BOX and t.z > OUTLINED_FROM_Z_M]
    near = sorted((float(ranges[k]), k) for k in raised if ranges[k] < OUTLINED_M)
    return frozenset(k for _, k in near[:OUTLINED_MOST])


def _boxes(tracks: Sequence[TrackedObject], base_from_map: Pose2) -> Array:
    """Corners (T, 3, 8, 3) in base_link of every track's box, shrunk or grown about its middle by each of SCALES."""
    half = np.array([(t.length, t.width, t.height) for t in tracks]).reshape(-1, 1, 1, 3) / 2
    local = _SIGNS * half * np.array(SCALES)[:, None, None]
    yaw = np.array([t.yaw for t in tracks]).reshape(-1, 1, 1)
    c, s = np.cos(yaw), np.sin(yaw)
    middle = np.array([(t.x, t.y, t.z) for t in tracks]).reshape(-1, 1, 1, 3)
    turned = np.stack([c * local[..., 0] - s * local[..., 1], s * local[..., 0] + c * local[..., 1]], axis=-1)
    return np.concatenate([base_from_map.apply(middle[..., :2] + turned), middle[..., 2:] + local[..., 2:]], axis=-1)


def _regions(
    boxes: Array, intrinsics: NDArray[np.float32], matrix: NDArray[np.float32]
) -> Iterator[tuple[int, Window, Mask, Mask, Mask]]:
    """Per one of ``_boxes`` that is in view: its index, the window of the image that it is in, and in this window its
    core, its outline, and what surrounds it, without what is in front."""
    x, y, depth = np.moveaxis(boxes @ matrix[:, :3].T + matrix[:, 3], -1, 0)
    fx, fy, cx, cy = intrinsics
    ahead = depth.min(axis=(1, 2)) >= NEAR_M
    depth = np.maximum(depth, NEAR_M)
    pixels = np.stack([fx * x / depth + cx, fy * y / depth + cy], axis=-1)
    corners = np.round(np.clip(pixels, -2000, 2000)).astype(np.int32)
    low, high = corners[:, -1].min(axis=1), corners[:, -1].max(axis=1)
    inside = (high >= 0).all(axis=1) & (low < (NETWORK_WIDTH, NETWORK_HEIGHT)).all(axis=1)
    nearest = np.argsort(np.hypot(*boxes[:, 0, :, :2].mean(axis=1).T), kind="stable")
    hidden = np.zeros((NETWORK_HEIGHT, NETWORK_WIDTH), bool)
    for index in nearest[(ahead & inside)[nearest]].tolist():
        shapes = [cv2.convexHull(points) for points in corners[index]]
        window = _window(shapes[-1])
        core, outline, around = (_filled(shape, window) for shape in shapes)
        seen = ~hidden[window]
        yield index, window, core & seen, outline & seen, around & ~outline & seen
        # what stands in front hides with its whole outline, and is believed only in its middle
        hidden[window] |= outline


def _window(outline: NDArray[np.int32]) -> Window:
    """Rows and columns of the image in which an outline lies."""
    (left, top), (right, bottom) = outline.min(axis=(0, 1)), outline.max(axis=(0, 1))
    rows = slice(max(int(top), 0), min(int(bottom) + 1, NETWORK_HEIGHT))
    return rows, slice(max(int(left), 0), min(int(right) + 1, NETWORK_WIDTH))


def _filled(outline: NDArray[np.int32], window: Window) -> Mask:
    rows, columns = window
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    cv2.fillConvexPoly(mask, outline - np.array([columns.start, rows.start], np.int32), 1)
    return mask.astype(bool)


def _middle(same: Mask, window: Window, core: Mask, outline: Mask, around: Mask) -> tuple[float, float] | None:
    """Centroid (u, v) of the connected region of one colour that fills the core, None where it is no whole object."""
    labels, parts, boxes, centroids = _parts(same & (outline | around))
    share = np.bincount(parts[core], minlength=labels)
    share[0] = 0
    best = int(share.argmax())
    left, top, width, height, area = (int(v) for v in boxes[best])
    if best == 0 or area < SIGHT_PIXELS:
        return None
    rows, columns = np.nonzero(outline)
    wanted = np.ptp(columns) + 1, np.ptp(rows) + 1
    low, high = SIGHT_SIZE
    fits = all(low < size / want < high for size, want in zip((width, height), wanted, strict=True))
    x, y = window[1].start, window[0].start
    cut = 0 in (x + left, y + top) or x + left + width == NETWORK_WIDTH or y + top + height == NETWORK_HEIGHT
    return (x + float(centroids[best, 0]), y + float(centroids[best, 1])) if fits and not cut else None


def _parts(mask: Mask) -> tuple[int, NDArray[np.int32], NDArray[np.int32], Array]:
    return cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)  # type: ignore[return-value]


def _seed(same: Mask, core: Mask, window: Window) -> Mask:
    """The connected region of one colour that fills the core, in the whole image (H, W)."""
    seed = np.zeros((NETWORK_HEIGHT, NETWORK_WIDTH), bool)
    labels, parts, _, _ = _parts(same)
    share = np.bincount(parts[core], minlength=labels)
    share[0] = 0
    if share.any():
        seed[window] = parts == int(share.argmax())
    return seed


def _outline(
    image: NDArray[np.uint8], seed: Mask, expected: int, intrinsics: NDArray[np.float32], matrix: NDArray[np.float32]
) -> Outline | None:
    """What ``seed`` is a part of, as rays in base_link; None where its ends do not show."""
    hull = cut_out(image, seed, expected)
    if hull is None or (hull < 0).any() or (hull > (NETWORK_WIDTH - 1, NETWORK_HEIGHT - 1)).any():
        return None
    rays = [_line_of_sight((u, v), intrinsics, matrix) for u, v in hull.tolist()]
    return Outline(rays[0][:3], tuple(ray[3:] for ray in rays))


def _line_of_sight(pixel: tuple[float, float], intrinsics: NDArray[np.float32], matrix: NDArray[np.float32]) -> Sight:
    """Camera position and unit direction in base_link of a pixel's ray."""
    fx, fy, cx, cy = (float(v) for v in intrinsics)
    rotation = matrix[:, :3].astype(np.float64)
    direction = rotation.T @ np.array([(pixel[0] - cx) / fx, (pixel[1] - cy) / fy, 1.0])
    x, y, z = (-rotation.T @ matrix[:, 3].astype(np.float64)).tolist()
    dx, dy, dz = (direction / np.linalg.norm(direction)).tolist()
    return x, y, z, dx, dy, dz


def _vote(core: NDArray[np.int64], around: NDArray[np.int64]) -> Colour:
    """The name that the core has more of than its surroundings: boxes are not exact, and show what is behind them."""
    inside = np.bincount(core, minlength=len(COLOURS)) / len(core)
    outside = np.bincount(around, minlength=len(COLOURS)) / max(len(around), 1)
    own = np.maximum(inside - BACKGROUND * outside, 0.0)
    if own.sum() < LEAST_CONTRAST:  # like its surroundings all over
        own = inside
    best = int(own.argmax())
    return Colour(COLOURS[best], float(own[best] / own.sum()) * min(1.0, len(core) / ENOUGH_PIXELS))


def _percentile(values: NDArray[np.uint8], share: float) -> float:
    """The least value that this share of all are not above; by counting, for sorting takes milliseconds."""
    counts = cv2.calcHist([values.reshape(-1, 1)], [0], None, [256], [0, 256]).ravel().cumsum()
    return float(np.searchsorted(counts, share * values.size))


def colour_of_pixels(pixels: NDArray[np.uint8], bright: float) -> NDArray[np.int64]:
    """Indices into COLOURS (M,) of RGB pixels (M, 3) in a picture whose brightest parts have the value ``bright``."""
    hsv = cv2.cvtColor((pixels[None] / np.float32(255)).astype(np.float32), cv2.COLOR_RGB2HSV)[0]
    hue, saturation, value = hsv[:, 0], hsv[:, 1], hsv[:, 2] * 255 / bright
    hue_names = np.array([COLOURS.index(name) for name in _HUE_NAMES])
    names = hue_names[np.searchsorted(_HUE_ENDS, np.clip(hue, 0, 359.9), side="right")]
    earthy = (hue > BROWN_HUES[0]) & (hue < BROWN_HUES[1])
    names[earthy & (saturation < BROWN_SATURATION) & (value < BROWN_VALUE)] = COLOURS.index("brown")
    grey = saturation < GREY_SATURATION
    names[grey] = np.where(value[grey] > WHITE_VALUE, COLOURS.index("white"), COLOURS.index("grey"))
    names[value < BLACK_VALUE] = COLOURS.index("black")
    return names
