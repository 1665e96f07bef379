"""Draws the vector space from above, forward up: ground, objects with velocities, forecasts, route and plan."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import IDENTITY, Pose2, box_corners
from autodrive.scene import (
    DetectedObject,
    Forecast,
    GridExtent,
    GroundClass,
    GroundGrid,
    GroundMarkings,
    TrackedObject,
    Trajectory,
)
from autodrive.viz import colors

SHIFT = 4  # cv2 sub-pixel bits


def _free_shades() -> NDArray[np.uint8]:
    """Colours (1, 256, 3) of the probability 0..255 that a cell is free, from background to free."""
    blend = np.clip((np.arange(256)[:, None] / 255 - 0.2) / 0.6, 0, 1)
    tint, background = np.array(colors.GROUND[GroundClass.FREE]), np.array(colors.BACKGROUND)
    return (background * (1 - blend) + tint * blend).astype(np.uint8)[None]


FREE_SHADES = _free_shades()


class BirdsEye:
    """A canvas (size, size, 3) RGB over ``extent`` in base_link; x (forward) points up, y points left."""

    def __init__(self, extent: GridExtent, size: int) -> None:
        self.extent = extent
        span = extent.x_max - extent.x_min
        self.scale = size / span
        self._detail_m = span / 80  # what must be seen at any scale: 0.8 m around a car, 0.2 m around a humanoid
        self.image: NDArray[np.uint8] = colors.blank(size, size, colors.BACKGROUND)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """Fixed-point pixel coordinates (M, 2) of base_link points (M, 2)."""
        u = (self.extent.y_max - points[:, 1]) * self.scale
        v = (self.extent.x_max - points[:, 0]) * self.scale
        return np.round(np.stack([u, v], axis=1) * (1 << SHIFT)).astype(np.int32)

    def ground(self, grid: GroundGrid) -> None:
        """Paint free cells, first of all, over whatever is there; the grid may have any extent."""
        free = np.clip(grid.probability[int(GroundClass.FREE)] * 255, 0, 255).astype(np.uint8)
        size = self.image.shape[0]
        span = grid.extent.x_max - grid.extent.x_min
        zoom = self.scale * span / free.shape[0]
        # cell [i, j] covers x_min + i*res, y_min + j*res: both axes run against the picture's
        matrix = np.array(
            [
                [-zoom, 0, (self.extent.y_max - grid.extent.y_min) * self.scale - zoom / 2],
                [0, -zoom, (self.extent.x_max - grid.extent.x_min) * self.scale - zoom / 2],
            ]
        )
        warped = cv2.warpAffine(free, matrix, (size, size), flags=cv2.INTER_LINEAR)
        self.image[:] = cv2.LUT(cv2.merge([warped] * 3), FREE_SHADES)

    def markings(self, markings: GroundMarkings) -> None:
        """Dot the paint on the ground in the colour of its kind."""
        pixels = self.pixels(markings.points)
        for pixel, kind in zip(pixels, markings.kind, strict=True):
            radius = int(0.31 * self._detail_m * self.scale * (1 << SHIFT))
            cv2.circle(self.image, pixel.tolist(), radius, colors.GROUND[GroundClass(int(kind))], -1, cv2.LINE_8, SHIFT)

    def objects(
        self,
        objects: Sequence[DetectedObject | TrackedObject],
        base_from_frame: Pose2 = IDENTITY,
        targets: frozenset[int] = frozenset(),
    ) -> None:
        """Draw oriented boxes with a nose, one second of velocity, and the track's id; a ring around ``targets``."""
        smallest = 0.625 * self._detail_m
        for item in objects:
            pose = base_from_frame @ Pose2(item.x, item.y, item.yaw)
            color = colors.OBJECT[item.label]
            corners = box_corners(pose.x, pose.y, pose.yaw, max(item.length, smallest), max(item.width, smallest))
            self._polyline(corners, color, closed=True, fill=True)
            nose = pose.apply(np.array([[item.length / 2, 0.0], [item.length / 2 + self._detail_m, 0.0]]))
            self._polyline(nose, color)
            velocity = base_from_frame.rotate(np.array([item.vx, item.vy]))
            if np.hypot(*velocity) > 0.3:
                start = np.array([pose.x, pose.y])
                self._polyline(np.stack([start, start + velocity]), colors.TEXT)
            if isinstance(item, TrackedObject):
                if item.track_id in targets:
                    self._ring(pose, 0.5 * float(np.hypot(item.length, item.width)) + self._detail_m)
                corner = self.pixels(np.array([[pose.x, pose.y]]))[0] >> SHIFT
                label = f"{item.track_id}"
                cv2.putText(
                    self.image, label, (corner + 4).tolist(), cv2.FONT_HERSHEY_PLAIN, 0.8, color, 1, cv2.LINE_AA
                )

    def goal(self, pose: Pose2) -> None:
        """Draw where base_link shall come to stand, as an arrow head."""
        d = self._detail_m
        outline = np.array([[1.5 * d, 0.0], [-d, d], [-0.4 * d, 0.0], [-d, -d]])
        self._polyline(pose.apply(outline), colors.TARGET, closed=True, thickness=2)

    def _ring(self, pose: Pose2, radius_m: float) -> None:
        centre = self.pixels(np.clip(np.array([[pose.x, pose.y]]), -1000, 1000))[0]
        radius = int(radius_m * self.scale * (1 << SHIFT))
        cv2.circle(self.image, centre.tolist(), radius, colors.TARGET, 2, cv2.LINE_AA, SHIFT)

    def forecasts(self, forecasts: Sequence[Forecast], base_from_map: Pose2) -> None:
        """Draw every mode as a line whose brightness is its probability."""
        for forecast in forecasts:
            color = np.array(colors.OBJECT[forecast.track.label], float)
            start = np.array([[forecast.track.x, forecast.track.y]])
            for mode in forecast.modes:
                points = np.vstack([start, mode.poses[:, :2]])
                if np.hypot(*(points[-1] - points[0])) < 0.5:
                    continue
                shade = tuple(int(c) for c in color * (0.3 + 0.7 * mode.probability))
                self._polyline(base_from_map.apply(points), shade)

    def route(self, points: NDArray[np.float64], base_from_map: Pose2) -> None:
        """Draw the navigation route (N, 2) given in map."""
        self._polyline(base_from_map.apply(points), colors.ROUTE)

    def plan(self, trajectory: Trajectory, base_from_map: Pose2) -> None:
        """Draw the planned path; red when it is the planner's fallback."""
        points = base_from_map.apply(np.stack([trajectory.x, trajectory.y], axis=1))
        self._polyline(points, colors.WARNING if trajectory.fallback else colors.PLAN, thickness=2)

    def ego(self, front_m: float, rear_m: float, width_m: float) -> None:
        """Draw the ego footprint: overhangs ahead of and behind base_link."""
        length = front_m + rear_m
        self._polyline(
            box_corners((front_m - rear_m) / 2, 0.0, 0.0, length, width_m), colors.EGO, closed=True, fill=True
        )

    def _polyline(
        self,
        points: NDArray[np.float64],
        color: tuple[int, ...],
        closed: bool = False,
        fill: bool = False,
        thickness: int = 1,
    ) -> None:
        pixels = self.pixels(np.clip(points, -1000, 1000))
        if fill:
            shade = tuple(int(c * 0.45) for c in color)
            cv2.fillPoly(self.image, [pixels], shade, cv2.LINE_AA, SHIFT)
        cv2.polylines(self.image, [pixels], closed, color, thickness, cv2.LINE_AA, SHIFT)
