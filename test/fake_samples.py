"""Training samples drawn with OpenCV instead of a simulator: boxes and a painted lane, right in every camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.data.sample import MASK_CELLS, Sample, encode_images
from autodrive.geometry import Pose2, box_corners
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Rig, load_rig, projection
from autodrive.scene import ObjectClass

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    ObjectClass.CAR: (4.5, 1.9, 1.6),
    ObjectClass.PEDESTRIAN: (0.5, 0.5, 1.75),
    ObjectClass.CONE: (0.35, 0.35, 0.7),
}
COLORS = {ObjectClass.CAR: (200, 40, 40), ObjectClass.PEDESTRIAN: (40, 40, 220), ObjectClass.CONE: (240, 140, 20)}


def shipped_rig(name: str) -> Rig:
    """One of the rigs in config/rigs."""
    return load_rig(ROOT / "config" / "rigs" / f"{name}.yaml")


def _project(
    points: NDArray[np.float64], intrinsics: NDArray[np.float32], matrix: NDArray[np.float32]
) -> NDArray[np.float64]:
    camera = points @ matrix[:, :3].T + matrix[:, 3]
    depth = np.where(np.abs(camera[:, 2]) < 1e-3, 1e-3, camera[:, 2])
    u = intrinsics[0] * camera[:, 0] / depth + intrinsics[2]
    v = intrinsics[1] * camera[:, 1] / depth + intrinsics[3]
    return np.stack([u, v, camera[:, 2]], -1)


def _draw(image: NDArray[np.uint8], corners: NDArray[np.float64], color: tuple[int, int, int]) -> int:
    """Fill the hull of projected corners; returns how many pixels it covers."""
    if (corners[:, 2] < 0.3).any():
        return 0
    hull = cv2.convexHull(np.round(np.clip(corners[:, :2], -2000, 2000)).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(image.shape[:2], np.uint8), hull, 1)
    image[mask > 0] = color
    return int(mask.sum())


def render(rig: Rig, objects: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 128, 320, 3) of boxes over grey ground under a blue sky, and the pixels of each object."""
    intrinsics, extrinsics = projection(rig)
    images = np.full((len(rig.cameras), NETWORK_HEIGHT, NETWORK_WIDTH, 3), 110, np.uint8)
    pixels = np.zeros(len(objects), np.int64)
    order = np.argsort(-np.hypot(objects[:, 1], objects[:, 2]))
    for image, k, matrix in zip(images, intrinsics, extrinsics, strict=True):
        horizon = int(np.clip(k[3] - k[1] * np.tan(np.arcsin(-matrix[2, 2])), 0, NETWORK_HEIGHT))
        image[:horizon] = (120, 160, 220)
        for i in order:
            label, x, y, z, yaw, length, width, height = objects[i, :8].astype(np.float64)
            ground = box_corners(x, y, yaw, length, width)
            corners = np.concatenate([np.c_[ground, np.full(4, z + s * height / 2)] for s in (-1, 1)])
            pixels[i] += _draw(image, _project(corners, k, matrix), COLORS[ObjectClass(int(label))])
    return images, pixels


def fake_sample(rig: Rig, seed: int) -> Sample:
    """A frame pair 0.5 s apart: the body moves, some objects move."""
    rng = np.random.default_rng(seed)
    size = rig.extent.x_max - rig.extent.x_min
    motion = Pose2(float(rng.uniform(0, 0.04) * size), 0.0, float(rng.normal(0, 0.03)))
    dt = 0.5
    count = int(rng.integers(4, 9))
    rows = np.zeros((count, 11), np.float32)
    for row in rows:
        label = ObjectClass(int(rng.choice([ObjectClass.CAR, ObjectClass.PEDESTRIAN, ObjectClass.CONE])))
        radius, angle = size * rng.uniform(0.1, 0.4), rng.uniform(-np.pi, np.pi)
        yaw = rng.uniform(-np.pi, np.pi)
        length, width, height = SIZES[label]
        speed = 0.0 if label == ObjectClass.CONE or rng.random() < 0.5 else rng.uniform(0.5, 2.0)
        row[:] = label, radius * np.cos(angle), radius * np.sin(angle), height / 2, yaw, length, width, height, 0, 0, 0
        row[8:10] = speed * np.cos(yaw), speed * np.sin(yaw)
    images, pixels = render(rig, rows)
    rows[:, 10] = pixels
    earlier = rows.copy()
    earlier[:, 1:3] = motion.apply(rows[:, 1:3] - dt * rows[:, 8:10])
    earlier[:, 4] += motion.yaw
    previous, _ = render(rig, earlier)
    intrinsics, extrinsics = projection(rig)
    half = 0.75 * size
    masks = np.zeros((4, MASK_CELLS, MASK_CELLS), bool)
    masks[0, :, MASK_CELLS // 4 : 3 * MASK_CELLS // 4] = True
    masks[1, :, MASK_CELLS // 2 - 1 : MASK_CELLS // 2 + 1] = True
    return Sample(
        rig.name, "fake", seed, encode_images(images), encode_images(previous), intrinsics, extrinsics,
        motion, dt, rows, masks, half,
    )  # fmt: skip
