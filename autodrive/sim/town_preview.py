"""A picture of a town from above, north up."""

from __future__ import annotations

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from autodrive.geometry import box_corners
from autodrive.scene import ObjectClass
from autodrive.sim.town import Town

PIXELS_PER_M = 3.0
_SHIFT = 4
_GRASS, _ASPHALT, _PAVEMENT, _WHITE = (120, 140, 95), (88, 88, 92), (178, 174, 168), (240, 240, 240)
_CENTRE, _STOP, _HOUSE, _OUTLINE, _TREE = (235, 185, 60), (220, 60, 50), (190, 160, 125), (110, 90, 70), (70, 110, 60)
_OBJECTS = {
    ObjectClass.CAR: (60, 90, 190),
    ObjectClass.TRUCK: (40, 50, 120),
    ObjectClass.CONE: (245, 125, 30),
    ObjectClass.BARRIER: (210, 40, 40),
}


def draw_town(town: Town, route: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """RGB image (H, W, 3) at PIXELS_PER_M; ``route`` (N, 2) is drawn if given."""
    x_min, x_max, y_min, y_max = town.bounds
    size = (round((y_max - y_min) * PIXELS_PER_M), round((x_max - x_min) * PIXELS_PER_M), 3)
    image = np.full(size, _GRASS, np.uint8)
    surface = town.surface
    for area, colour in (
        (surface.pavement, _PAVEMENT),
        (surface.road, _ASPHALT),
        (surface.zebra, _WHITE),
        (surface.lane_lines, _WHITE),
        (surface.centre_lines, _CENTRE),
        (surface.stop_lines, _STOP),
    ):
        _fill(image, town, area, colour)
    for building in town.buildings:
        corners = _pixels(town, building.corners)
        cv2.fillPoly(image, [corners], _HOUSE, cv2.LINE_AA, _SHIFT)
        cv2.polylines(image, [corners], True, _OUTLINE, 1, cv2.LINE_AA, _SHIFT)
    for tree in town.trees:
        centre = _pixels(town, np.array([[tree.x, tree.y]]))[0]
        cv2.circle(
            image, centre.tolist(), round(tree.radius * PIXELS_PER_M * 2**_SHIFT), _TREE, -1, cv2.LINE_AA, _SHIFT
        )
    for item in (*town.parked, *town.obstacles):
        corners = _pixels(town, box_corners(item.x, item.y, item.yaw, item.length, item.width))
        cv2.fillPoly(image, [corners], _OBJECTS[item.label], cv2.LINE_AA, _SHIFT)
    if route is not None:
        cv2.polylines(image, [_pixels(town, route)], False, (60, 220, 230), 3, cv2.LINE_AA, _SHIFT)
    return image


def _fill(image: NDArray[np.uint8], town: Town, area: BaseGeometry, colour: tuple[int, int, int]) -> None:
    for part in shapely.get_parts(area):
        rings = [np.array(ring.coords) for ring in (part.exterior, *part.interiors)]
        cv2.fillPoly(image, [_pixels(town, ring) for ring in rings], colour, cv2.LINE_AA, _SHIFT)


def _pixels(town: Town, points: NDArray[np.float64]) -> NDArray[np.int32]:
    x_min, _, _, y_max = town.bounds
    pixels = np.stack([points[:, 0] - x_min, y_max - points[:, 1]], axis=1) * PIXELS_PER_M
    return np.round(pixels * 2**_SHIFT).astype(np.int32)
