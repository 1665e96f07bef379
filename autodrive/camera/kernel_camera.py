"""The structs that engines/kernels/preprocess.cu takes, filled from a rig."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, network_intrinsics
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import native_rows_seen, reduction

CAMERA = np.dtype(
    [
        ("pixels", "u8"),
        *((name, "i4") for name in ("width", "height", "pitch", "format", "model", "reduce")),
        ("ray", "f4", 4),
        ("radial", "f4", 6),
        ("tangential", "f4", 2),
        *((name, "f4") for name in ("fx", "fy", "cx", "cy")),
    ],
    align=True,
)
NORMALISATION = np.dtype([("mean", "f4", 3), ("scale", "f4", 3)], align=True)
BLOCK = (32, 8, 1)
_POLYNOMIAL, _EQUIDISTANT = 0, 1


def kernel_camera(camera: Camera, pixel_format: PixelFormat, address: int) -> NDArray[np.void]:
    """One element of CAMERA for tightly packed pixels at ``address``; raises InputError for an impossible size."""
    shape = buffer_shape(pixel_format, camera.width, camera.height)
    fx, fy, cx, cy = network_intrinsics(camera)
    item = np.zeros((), CAMERA)
    item["pixels"], item["width"], item["height"] = address, camera.width, camera.height
    item["pitch"] = int(np.prod(shape[1:]))
    item["format"], item["reduce"] = pixel_format, reduction(camera)
    item["ray"] = 1 / fx, -cx / fx, 1 / fy, -cy / fy
    item["fx"], item["fy"], item["cx"], item["cy"] = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    coefficients = np.concatenate([camera.distortion, np.zeros(8)])[:8]
    if camera.model == "equidistant":
        item["model"] = _EQUIDISTANT
        item["radial"][:4] = coefficients[:4]
    else:
        item["model"] = _POLYNOMIAL
        item["radial"] = coefficients[[0, 1, 4, 5, 6, 7]]
        item["tangential"] = coefficients[2:4]
    return item


def rows_read(camera: Camera, pixel_format: PixelFormat) -> tuple[slice, ...]:
    """Rows of an image of ``buffer_shape`` that the kernel may read; the others need not be there."""
    top, bottom = native_rows_seen(camera)
    if pixel_format != PixelFormat.NV12:
        return (slice(top, bottom),)
    return slice(top, bottom), slice(camera.height + top // 2, camera.height + -(-bottom // 2))


def normalisation() -> NDArray[np.void]:
    """NORMALISATION as the network was trained with."""
    item = np.zeros((), NORMALISATION)
    item["mean"], item["scale"] = PIXEL_MEAN, 1 / np.array(PIXEL_STD)
    return item


def launch_grid(cameras: int) -> tuple[int, int, int]:
    """Blocks of size BLOCK that cover the network's images of all cameras."""
    return -(-NETWORK_WIDTH // BLOCK[0]), -(-NETWORK_HEIGHT // BLOCK[1]), cameras
