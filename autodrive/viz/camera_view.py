"""Draws the vector space into a camera image: 3-D boxes and the planned path, projected by the rig's calibration."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import IDENTITY, Pose2, box_corners
from autodrive.rig import Camera
from autodrive.scene import DetectedObject, TrackedObject, Trajectory
from autodrive.viz import colors

NEAR_M = 0.3
EDGES = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)]
FRONT = [(0, 5), (1, 4)]  # a cross on the face that looks forward


def project(camera: Camera, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (M, 2) and depths (M,) of base_link points (M, 3); pixels mean something only where depth > 0.

    The pinhole model alone: a strongly distorted image should be drawn upon after undistortion.
    """
    optical = points @ camera.rotation - camera.position @ camera.rotation
    depth = optical[:, 2]
    safe = np.maximum(depth, 1e-3)
    u = camera.K[0, 0] * optical[:, 0] / safe + camera.K[0, 2]
    v = camera.K[1, 1] * optical[:, 1] / safe + camera.K[1, 2]
    return np.stack([u, v], axis=1), depth


def box_vertices(item: DetectedObject | TrackedObject, base_from_frame: Pose2) -> NDArray[np.float64]:
    """Eight corners (8, 3) in base_link, bottom ring then top ring, each from front left counter-clockwise."""
    pose = base_from_frame @ Pose2(item.x, item.y, item.yaw)
    ring = box_corners(pose.x, pose.y, pose.yaw, item.length, item.width)
    bottom = np.full((4, 1), item.z - item.height / 2)
    top = np.full((4, 1), item.z + item.height / 2)
    return np.vstack([np.hstack([ring, bottom]), np.hstack([ring, top])])


def draw_boxes(
    image: NDArray[np.uint8],
    camera: Camera,
    objects: Sequence[DetectedObject | TrackedObject],
    base_from_frame: Pose2 = IDENTITY,
    targets: frozenset[int] = frozenset(),
) -> None:
    """Draw object boxes into ``image`` (RGB, in place); ``base_from_frame`` is the frame the objects are in.

    Tracks whose id is in ``targets`` are drawn boldly.
    """
    for item in objects:
        pixels, depth = project(camera, box_vertices(item, base_from_frame))
        if (depth < NEAR_M).any() or not _on_image(pixels, image):
            continue
        target = isinstance(item, TrackedObject) and item.track_id in targets
        color, thickness = (colors.TARGET, 2) if target else (colors.OBJECT[item.label], 1)
        corners = np.clip(pixels, -4000, 4000).astype(int)
        for a, b in (*EDGES, *FRONT):
            cv2.line(image, corners[a].tolist(), corners[b].tolist(), color, thickness, cv2.LINE_AA)


def draw_plan(
    image: NDArray[np.uint8], camera: Camera, trajectory: Trajectory, base_from_map: Pose2, half_width_m: float = 0.8
) -> None:
    """Draw the planned path on the ground as the band that the body will cover (RGB, in place)."""
    centre = base_from_map.apply(np.stack([trajectory.x, trajectory.y], axis=1))
    yaw = trajectory.yaw + base_from_map.yaw
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * half_width_m
    ground = np.zeros((len(centre), 1))
    left, left_depth = project(camera, np.hstack([centre + normal, ground]))
    right, right_depth = project(camera, np.hstack([centre - normal, ground]))
    seen = (left_depth > NEAR_M) & (right_depth > NEAR_M)
    if seen.sum() < 2:
        return
    outline = np.vstack([left[seen], right[seen][::-1]])
    overlay = image.copy()
    cv2.fillPoly(overlay, [np.clip(outline, -4000, 4000).astype(np.int32)], colors.PLAN)
    cv2.addWeighted(overlay, 0.35, image, 0.65, 0, dst=image)


def _on_image(pixels: NDArray[np.float64], image: NDArray[np.uint8]) -> bool:
    height, width = image.shape[:2]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool(high[0] >= 0 and high[1] >= 0 and low[0] < width and low[1] < height)
