"""From camera images as they come to the network's input: undistort, scale, crop, normalise.

One remap per camera with maps computed once. A camera whose image is already an undistorted NETWORK_WIDTH wide (the
simulator's) is cropped without any resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig, network_intrinsics
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD

Image = NDArray[np.uint8]
# a remap reads 2 x 2 pixels: shrinking more than this aliases unless the image is blurred first
ALIASING_SHRINK = 1.5


class Preprocessor:
    """Turns one native RGB image per camera, in rig order, into the network's images."""

    def __init__(self, rig: Rig) -> None:
        self._cameras = rig.cameras
        self._steps = [_CameraStep(camera) for camera in rig.cameras]
        self._mean = np.array(PIXEL_MEAN, np.float32)[:, None, None]
        self._scale = 1 / np.array(PIXEL_STD, np.float32)[:, None, None]

    def network_images(self, images: Sequence[Image]) -> NDArray[np.uint8]:
        """RGB images (N, NETWORK_HEIGHT, NETWORK_WIDTH, 3) uint8 before normalisation, as training samples store them.

        Raises InputError that names the camera when an image is missing or has another size or type.
        """
        if len(images) != len(self._cameras):
            names = [camera.name for camera in self._cameras]
            raise InputError(f"got {len(images)} images, the rig has {len(names)} cameras: {names}")
        out = np.zeros((len(images), NETWORK_HEIGHT, NETWORK_WIDTH, 3), np.uint8)
        for target, image, step in zip(out, images, self._steps, strict=True):
            step.apply(image, target)
        return out

    def __call__(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """The network's input (N, 3, NETWORK_HEIGHT, NETWORK_WIDTH) float32; errors as in ``network_images``."""
        planes = self.network_images(images).transpose(0, 3, 1, 2).astype(np.float32, order="C")
        planes -= self._mean
        planes *= self._scale
        return planes


class _CameraStep:
    """What one camera's image goes through."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        undistorted = not camera.distortion.any()
        self._crop = undistorted and camera.width == NETWORK_WIDTH
        if not self._crop:
            self._maps = _sampling_maps(camera)
            shrink = camera.width / NETWORK_WIDTH
            self._blur = 0.5 * np.sqrt(shrink**2 - 1) if shrink > ALIASING_SHRINK else 0.0

    def apply(self, image: Image, target: Image) -> None:
        """Write the network's view of ``image`` into ``target``, which is black."""
        camera = self._camera
        expected = (camera.height, camera.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise InputError(
                f"camera {camera.name!r}: got an image of shape {image.shape} and type {image.dtype}, "
                f"expected {expected} uint8 (RGB); check the camera's driver and the rig file"
            )
        if self._crop:
            rows = min(camera.height, NETWORK_HEIGHT)
            target[NETWORK_HEIGHT - rows :] = image[camera.height - rows :]
            return
        smooth = cv2.GaussianBlur(image, (0, 0), self._blur) if self._blur else image
        cv2.remap(smooth, *self._maps, cv2.INTER_LINEAR, dst=target, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def _sampling_maps(camera: Camera) -> tuple[NDArray[Any], NDArray[Any]]:
    """Native pixel of every network pixel, in the fixed-point form that cv2.remap is fastest with."""
    fx, fy, cx, cy = network_intrinsics(camera)
    u, v = np.meshgrid(np.arange(NETWORK_WIDTH), np.arange(NETWORK_HEIGHT))
    rays = np.stack([(u - cx) / fx, (v - cy) / fy], -1).reshape(-1, 1, 2).astype(np.float64)
    zero = np.zeros(3)
    if camera.model == "equidistant":
        pixels = cv2.fisheye.distortPoints(rays, camera.K, _padded(camera.distortion, 4))
    else:
        points = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)
        pixels, _ = cv2.projectPoints(points, zero, zero, camera.K, camera.distortion)
    pixels = pixels.reshape(NETWORK_HEIGHT, NETWORK_WIDTH, 2).astype(np.float32)
    fixed, fraction = cv2.convertMaps(pixels[..., 0], pixels[..., 1], cv2.CV_16SC2)
    return fixed, fraction


def _padded(coefficients: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """At least ``size`` coefficients: those not given are zero."""
    return np.concatenate([coefficients, np.zeros(max(0, size - len(coefficients)))])[:size]
