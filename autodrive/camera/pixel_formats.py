"""The pixel layouts that cameras deliver, and their way to RGB on the CPU."""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError


class PixelFormat(IntEnum):
    """Values are those of engines/kernels/preprocess.cu; Bayer tiles are named by their first row, then the second."""

    RGB8 = 0
    BGR8 = 1
    NV12 = 2
    YUYV = 3
    BAYER_RGGB8 = 4
    BAYER_BGGR8 = 5
    BAYER_GRBG8 = 6
    BAYER_GBRG8 = 7


_TO_RGB = {
    PixelFormat.BGR8: cv2.COLOR_BGR2RGB,
    PixelFormat.NV12: cv2.COLOR_YUV2RGB_NV12,
    PixelFormat.YUYV: cv2.COLOR_YUV2RGB_YUY2,
    PixelFormat.BAYER_RGGB8: cv2.COLOR_BayerRGGB2RGB,
    PixelFormat.BAYER_BGGR8: cv2.COLOR_BayerBGGR2RGB,
    PixelFormat.BAYER_GRBG8: cv2.COLOR_BayerGRBG2RGB,
    PixelFormat.BAYER_GBRG8: cv2.COLOR_BayerGBRG2RGB,
}


def buffer_shape(pixel_format: PixelFormat, width: int, height: int) -> tuple[int, ...]:
    """Shape of the uint8 array that holds one image; raises InputError for a size that the format cannot have."""
    if pixel_format in (PixelFormat.RGB8, PixelFormat.BGR8):
        return (height, width, 3)
    if width % 2 or (height % 2 and pixel_format != PixelFormat.YUYV):
        raise InputError(f"{pixel_format.name} needs even sizes, got {width}x{height}")
    if pixel_format == PixelFormat.NV12:
        return (height * 3 // 2, width)
    return (height, width, 2) if pixel_format == PixelFormat.YUYV else (height, width)


def to_rgb(image: NDArray[np.uint8], pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of an image of ``buffer_shape``; BT.601 with limited range where it is YUV. RGB8 is not copied."""
    if pixel_format == PixelFormat.RGB8:
        return image
    return np.asarray(cv2.cvtColor(image, _TO_RGB[pixel_format]), np.uint8)
