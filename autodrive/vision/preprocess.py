"""From camera images as they come to the network's input: undistort, scale, crop, normalise.

Per camera one remap with maps computed once, after averaging blocks of pixels where the image is much larger than the
network's, of only those rows that the network sees. Cameras are shared out over all cores. A camera whose image is
already an undistorted NETWORK_WIDTH wide (the simulator's) is cropped without any resampling.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig, network_intrinsics
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD

Image = NDArray[np.uint8]
OUTSIDE = -1e4  # where a distortion model has a pole: a pixel that no image has


class Preprocessor:
    """Turns one native RGB image per camera, in rig order, into the network's images."""

    def __init__(self, rig: Rig) -> None:
        self._cameras = rig.cameras
        self._steps = [_CameraStep(camera) for camera in rig.cameras]
        self._mean = np.array(PIXEL_MEAN, np.float32)[:, None, None]
        self._scale = 1 / np.array(PIXEL_STD, np.float32)[:, None, None]
        # starts no thread before it is used; handing a mere crop to another thread costs more than the crop
        resampled = sum(not step.crops for step in self._steps)
        self._pool = ThreadPoolExecutor(min(resampled, os.cpu_count() or 1)) if resampled > 1 else None

    def network_images(self, images: Sequence[Image]) -> NDArray[np.uint8]:
        """RGB images (N, NETWORK_HEIGHT, NETWORK_WIDTH, 3) uint8 before normalisation, as training samples store them.

        Raises InputError that names the camera when an image is missing or has another size or type.
        """
        self._check_count(images)
        out = np.zeros((len(images), NETWORK_HEIGHT, NETWORK_WIDTH, 3), np.uint8)
        self._for_each_camera(lambda step, image, target: step.apply(image, target), images, out)
        return out

    def __call__(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """The network's input (N, 3, NETWORK_HEIGHT, NETWORK_WIDTH) float32; errors as in ``network_images``."""
        self._check_count(images)
        out = np.empty((len(images), 3, NETWORK_HEIGHT, NETWORK_WIDTH), np.float32)
        self._for_each_camera(self._normalised, images, out)
        return out

    def _normalised(self, step: _CameraStep, image: Image, planes: NDArray[np.float32]) -> None:
        pixels = np.zeros((NETWORK_HEIGHT, NETWORK_WIDTH, 3), np.uint8)
        step.apply(image, pixels)
        np.subtract(pixels.transpose(2, 0, 1), self._mean, out=planes)
        planes *= self._scale

    def _check_count(self, images: Sequence[Image]) -> None:
        if len(images) != len(self._cameras):
            names = [camera.name for camera in self._cameras]
            raise InputError(f"got {len(images)} images, the rig has {len(names)} cameras: {names}")

    def _for_each_camera(
        self, work: Callable[[_CameraStep, Image, Any], None], images: Sequence[Image], out: NDArray[Any]
    ) -> None:
        # consuming the results raises what a camera raised, the first of the rig first
        for _ in (self._pool.map if self._pool else map)(work, self._steps, images, out):
            pass


class _CameraStep:
    """What one camera's image goes through."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        undistorted = not camera.distortion.any()
        self.crops = undistorted and camera.width == NETWORK_WIDTH
        if not self.crops:
            self._reduce = reduction(camera)
            columns, rows = camera.width // self._reduce, camera.height // self._reduce
            pixels = (_native_pixels(camera) + 0.5) / self._reduce - 0.5
            self._top, self._bottom = _rows_seen(pixels[..., 1], rows)
            self._columns = columns
            pixels[..., 1] -= self._top
            self._maps = cv2.convertMaps(pixels[..., 0], pixels[..., 1], cv2.CV_16SC2)

    def apply(self, image: Image, target: Image) -> None:
        """Write the network's view of ``image`` into ``target``, which is black."""
        camera = self._camera
        expected = (camera.height, camera.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise InputError(
                f"camera {camera.name!r}: got an image of shape {image.shape} and type {image.dtype}, "
                f"expected {expected} uint8 (RGB); check the camera's driver and the rig file"
            )
        if self.crops:
            rows = min(camera.height, NETWORK_HEIGHT)
            target[NETWORK_HEIGHT - rows :] = image[camera.height - rows :]
            return
        n = self._reduce
        seen = image[self._top * n : self._bottom * n, : self._columns * n]
        size = self._columns, self._bottom - self._top
        small = cv2.resize(seen, size, interpolation=cv2.INTER_AREA) if n > 1 else seen
        cv2.remap(small, *self._maps, cv2.INTER_LINEAR, dst=target, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def reduction(camera: Camera) -> int:
    """Side of the blocks that are averaged first: a remap reads 2 x 2 pixels, so shrinking by more than 1.5 aliases."""
    return max(1, int(camera.width / NETWORK_WIDTH + 0.5))


def native_rows_seen(camera: Camera) -> tuple[int, int]:
    """First and one past the last row of the native image that the network's view may depend on.

    A block and a row are spared on both sides, for single precision and for demosaicing.
    """
    top, bottom = _rows_seen(_native_pixels(camera)[..., 1], camera.height)
    spare = reduction(camera) + 1
    return max(0, top - spare), min(camera.height, bottom + spare)


def _rows_seen(y: NDArray[np.floating], rows: int) -> tuple[int, int]:
    """First and one past the last of ``rows`` that bilinear sampling at ``y`` reads; never empty."""
    top = int(np.clip(np.floor(y.min()), 0, rows - 1))
    return top, int(np.clip(np.floor(y.max()) + 2, top + 1, rows))


def _native_pixels(camera: Camera) -> NDArray[np.float32]:
    """Native pixel (NETWORK_HEIGHT, NETWORK_WIDTH, 2) of every network pixel."""
    fx, fy, cx, cy = network_intrinsics(camera)
    u, v = np.meshgrid(np.arange(NETWORK_WIDTH), np.arange(NETWORK_HEIGHT))
    rays = np.stack([(u - cx) / fx, (v - cy) / fy], -1).reshape(-1, 1, 2).astype(np.float64)
    zero = np.zeros(3)
    if camera.model == "equidistant":
        pixels = cv2.fisheye.distortPoints(rays, camera.K, _padded(camera.distortion, 4))
    else:
        points = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)
        pixels, _ = cv2.projectPoints(points, zero, zero, camera.K, camera.distortion)
    pixels = np.where(np.isfinite(pixels), pixels, OUTSIDE)
    return np.asarray(pixels.reshape(NETWORK_HEIGHT, NETWORK_WIDTH, 2), np.float32)


def _padded(coefficients: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """At least ``size`` coefficients: those not given are zero."""
    return np.concatenate([coefficients, np.zeros(max(0, size - len(coefficients)))])[:size]
