"""Random variation of training samples: another ego heading, a mirrored world, another grid, other light and optics.

Labels and geometry move together, so an augmented sample is as true as the original. Only the extrinsic noise is a lie:
it is told to the network alone, because calibrations are never perfect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.data.sample import OBJECT_COLUMNS, Sample, decode_images
from autodrive.geometry import Pose2, wrap_angle
from autodrive.rig import NETWORK_WIDTH, rotation_from_rpy
from autodrive.scene import GridExtent

X, Y, YAW = (OBJECT_COLUMNS.index(name) for name in ("x", "y", "yaw"))
XY = [X, Y]
VXY = [OBJECT_COLUMNS.index(name) for name in ("vx", "vy")]


@dataclass(frozen=True)
class View:
    """A decoded sample as the network will see it, in a frame that may be turned and mirrored against base_link.

    ``images``, ``previous_images`` (N, H, W, 3) uint8 RGB (the latter empty when there is no memory, then ``dt`` is 0);
    ``optical_from_base`` is true, ``told_optical_from_base`` is what the network is told; ``base_from_view`` (2, 2) is
    orthogonal and takes ground coordinates of this view to those of the sample's masks.
    """

    images: NDArray[np.uint8]
    previous_images: NDArray[np.uint8]
    intrinsics: NDArray[np.float32]
    optical_from_base: NDArray[np.float32]
    told_optical_from_base: NDArray[np.float32]
    previous_from_current: Pose2
    dt: float
    objects: NDArray[np.float32]
    extent: GridExtent
    base_from_view: NDArray[np.float64]


def plain_view(
    sample: Sample, extent: GridExtent, cameras: NDArray[np.int64] | None = None, memory: bool = True
) -> View:
    """The sample unchanged, seen by some of its cameras (all by default), with or without its earlier frame."""
    chosen = np.arange(len(sample.images)) if cameras is None else cameras
    images = decode_images(tuple(sample.images[i] for i in chosen))
    previous = decode_images(tuple(sample.previous_images[i] for i in chosen)) if memory else images[:0]
    extrinsics = sample.optical_from_base[chosen]
    return View(
        images,
        previous,
        sample.intrinsics[chosen],
        extrinsics,
        extrinsics,
        sample.previous_from_current,
        sample.dt if memory else 0.0,
        sample.objects,
        extent,
        np.eye(2),
    )


def turn_and_mirror(view: View, angle: float, mirror: bool) -> View:
    """Express the view in a base frame turned by ``angle`` [rad], then mirrored left to right with its images."""
    sign = -1.0 if mirror else 1.0
    c, s = math.cos(angle), math.sin(angle)
    base_from_new = np.array([[c, -s], [s, c]]) @ np.diag([1.0, sign])
    motion = view.previous_from_current
    shift = base_from_new.T @ [motion.x, motion.y]
    objects = view.objects.copy()
    objects[:, XY] = objects[:, XY] @ base_from_new
    objects[:, VXY] = objects[:, VXY] @ base_from_new
    objects[:, YAW] = [wrap_angle(sign * (yaw - angle)) for yaw in objects[:, YAW].tolist()]
    intrinsics = view.intrinsics.copy()
    images, previous = view.images, view.previous_images
    if mirror:
        intrinsics[:, 2] = NETWORK_WIDTH - 1 - intrinsics[:, 2]
        images, previous = images[:, :, ::-1], previous[:, :, ::-1]
    return replace(
        view,
        images=images,
        previous_images=previous,
        intrinsics=intrinsics,
        optical_from_base=_turn_extrinsics(view.optical_from_base, base_from_new, mirror),
        told_optical_from_base=_turn_extrinsics(view.told_optical_from_base, base_from_new, mirror),
        previous_from_current=Pose2(float(shift[0]), float(shift[1]), sign * motion.yaw),
        objects=objects,
        base_from_view=view.base_from_view @ base_from_new,
    )


def _turn_extrinsics(
    extrinsics: NDArray[np.float32], base_from_new: NDArray[np.float64], mirror: bool
) -> NDArray[np.float32]:
    turned = extrinsics.copy()
    turned[:, :, :2] = extrinsics[:, :, :2] @ base_from_new
    if mirror:
        turned[:, 0] *= -1  # a mirrored image shows the mirrored world
    return turned


def jitter_extent(extent: GridExtent, rng: np.random.Generator) -> GridExtent:
    """A square grid of 0.875 to 1.25 times the size, its centre moved by a few per cent of it."""
    size = extent.x_max - extent.x_min
    half = size * rng.uniform(0.875, 1.25 if size < 30 else 1.125) / 2
    x = (extent.x_min + extent.x_max) / 2 + rng.normal(0, 0.03) * size
    y = (extent.y_min + extent.y_max) / 2 + rng.normal(0, 0.03) * size
    return GridExtent(x - half, x + half, y - half, y + half)


def jitter_extrinsics(view: View, rng: np.random.Generator) -> View:
    """Tell the network slightly wrong camera directions: 0.3 deg in roll and pitch, 0.5 deg in yaw (one sigma)."""
    told = view.optical_from_base.copy()
    for i in range(len(told)):
        yaw, pitch, roll = np.radians(rng.normal(0, [0.5, 0.3, 0.3]))
        # optical axes: x right, y down, z forward, so pitch turns about x, yaw about y and roll about z
        told[i] = (rotation_from_rpy(pitch, yaw, roll) @ told[i]).astype(np.float32)
    return replace(view, told_optical_from_base=told)


def vary_light(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Brightness, contrast, white balance, hue, noise and blur; one light for the frame, small differences per camera.

    The same ``seed`` varies another frame of the same scene in the same way.
    """
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)
    offset = rng.uniform(-20, 20)
    mixing = _hue_rotation(float(rng.normal(0, 0.12))) if rng.random() < 0.5 else None
    noise = float(rng.uniform(1, 6)) if rng.random() < 0.3 else 0.0
    blur = bool(rng.random() < 0.15)
    level = np.arange(256)[:, None]
    varied = []
    for image in images:
        camera_gain = gain * rng.uniform(0.93, 1.07)
        table = np.clip((level - 128) * camera_gain + 128 + offset + rng.uniform(-6, 6), 0, 255).astype(np.uint8)
        out = cv2.LUT(np.ascontiguousarray(image), table[:, None, :])
        if mixing is not None:
            out = cv2.transform(out, mixing)
        if blur:
            out = cv2.GaussianBlur(out, (3, 3), 0)
        if noise:
            grain = np.empty(out.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(2**31)))
            cv2.randn(grain, np.zeros(3), np.full(3, noise))
            out = cv2.add(out, grain, dtype=cv2.CV_8U)
        varied.append(out)
    return np.stack(varied)


def _hue_rotation(angle: float) -> NDArray[np.float64]:
    """Rotation of RGB about the grey axis."""
    c, s = math.cos(angle), math.sin(angle) / math.sqrt(3)
    return np.full((3, 3), (1 - c) / 3) + np.diag([c] * 3) + np.array([[0, -s, s], [s, 0, -s], [-s, s, 0]])


def augment(sample: Sample, extent: GridExtent, rng: np.random.Generator) -> View:
    """Draw one training view: cameras, memory, heading, mirror, grid, calibration noise and light."""
    count = len(sample.images)
    # rigs with many cameras also train with some missing, which costs less time and keeps the network rig-agnostic
    keep = count if count <= 5 else int(rng.integers(count - 3, count - 1))
    cameras = np.sort(rng.permutation(count)[:keep])
    view = plain_view(sample, jitter_extent(extent, rng), cameras, memory=bool(rng.random() < 0.8))
    angle = rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(-math.pi, math.pi)
    view = turn_and_mirror(view, float(angle), bool(rng.random() < 0.5))
    view = jitter_extrinsics(view, rng)
    seed = int(rng.integers(2**63))
    if rng.random() < 0.85:
        previous = view.previous_images
        view = replace(
            view,
            images=vary_light(view.images, seed),
            previous_images=vary_light(previous, seed) if len(previous) else previous,
        )
    return view
