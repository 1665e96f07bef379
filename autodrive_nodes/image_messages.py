"""Images of other people's camera drivers as RGB, from every 8-bit encoding that such drivers publish."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from autodrive.camera.pixel_formats import PixelFormat, buffer_shape, to_rgb
from autodrive.errors import InputError

# encodings of sensor_msgs/image_encodings that are layouts of PixelFormat, and those that only lack or repeat channels
_LAYOUTS = {
    "rgb8": PixelFormat.RGB8,
    "bgr8": PixelFormat.BGR8,
    "nv12": PixelFormat.NV12,
    "yuv422_yuy2": PixelFormat.YUYV,
    "bayer_rggb8": PixelFormat.BAYER_RGGB8,
    "bayer_bggr8": PixelFormat.BAYER_BGGR8,
    "bayer_grbg8": PixelFormat.BAYER_GRBG8,
    "bayer_gbrg8": PixelFormat.BAYER_GBRG8,
}
_CHANNELS = {"mono8": (1, cv2.COLOR_GRAY2RGB), "rgba8": (4, cv2.COLOR_RGBA2RGB), "bgra8": (4, cv2.COLOR_BGRA2RGB)}


def from_image(message: Image, topic: str) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) uint8; raises InputError that names the topic for other encodings or a wrong size."""
    shape = _shape(message, topic)
    row_bytes = int(np.prod(shape[1:]))
    if len(message.data) != shape[0] * message.step or not message.step >= row_bytes > 0:
        raise InputError(
            f"{topic}: {len(message.data)} bytes for {message.width}x{message.height} {message.encoding}, "
            f"step {message.step}"
        )
    stored = np.frombuffer(message.data, np.uint8).reshape(shape[0], message.step)[:, :row_bytes].reshape(shape)
    if message.encoding in _LAYOUTS:
        return to_rgb(stored, _LAYOUTS[message.encoding])
    return np.asarray(cv2.cvtColor(stored, _CHANNELS[message.encoding][1]), np.uint8)


def _shape(message: Image, topic: str) -> tuple[int, ...]:
    """Of the array that the message holds, without the padding of its rows."""
    if not (message.width and message.height):
        raise InputError(f"{topic}: the image is empty ({message.width}x{message.height})")
    if message.encoding in _CHANNELS:
        return (message.height, message.width, _CHANNELS[message.encoding][0])
    if message.encoding not in _LAYOUTS:
        raise InputError(f"{topic}: encoding {message.encoding!r} is not one of {sorted({*_LAYOUTS, *_CHANNELS})}")
    try:
        return buffer_shape(_LAYOUTS[message.encoding], message.width, message.height)
    except InputError as error:
        raise InputError(f"{topic}: {error}") from error
