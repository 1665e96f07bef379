"""What the pre-processing kernel must give, from OpenCV's own parts: whole image, float, without rounding between."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.camera.pixel_formats import PixelFormat, to_rgb
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, network_intrinsics
from autodrive.vision.preprocess import reduction


def opencv_reference(camera: Camera, pixel_format: PixelFormat, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels (3, NETWORK_HEIGHT, NETWORK_WIDTH) before normalisation of one image of ``buffer_shape``."""
    n = reduction(camera)
    rgb = to_rgb(image, pixel_format).astype(np.float32)
    size = camera.width // n, camera.height // n
    small = cv2.resize(rgb[: size[1] * n, : size[0] * n], size, interpolation=cv2.INTER_AREA)
    fx, fy, cx, cy = network_intrinsics(camera)
    target = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    wanted = (NETWORK_WIDTH, NETWORK_HEIGHT)
    if camera.model == "equidistant":
        k = camera.distortion[:4]
        maps = cv2.fisheye.initUndistortRectifyMap(camera.K, k, np.eye(3), target, wanted, cv2.CV_32FC1)
    else:
        maps = cv2.initUndistortRectifyMap(camera.K, camera.distortion, np.eye(3), target, wanted, cv2.CV_32FC1)
    x, y = ((m + np.float32(0.5)) / n - np.float32(0.5) for m in maps)
    seen = cv2.remap(small, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(seen.transpose(2, 0, 1), np.float32)
