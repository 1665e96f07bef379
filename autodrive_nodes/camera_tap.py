"""Images for a recording: out of shared memory into the bytes of a sensor_msgs/Image or, as JPEG, a CompressedImage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage

from autodrive.errors import InputError
from autodrive.transport.ring import Descriptor, RingReader
from autodrive_nodes import messages
from autodrive_nodes.cdr import Writer

RAW, JPEG = "raw", "jpeg"
QUALITY = 90
_ENCODINGS = {1: "mono8", 3: "rgb8", 4: "rgba8"}


class CameraTap:
    """Copies images of any camera before their slot is used again."""

    def __init__(self, kind: str) -> None:
        self._kind, self._reader = kind, RingReader()

    def take(self, message: CompressedImage) -> bytes | None:
        """The recorded form of the image that a descriptor message means; None where it was overwritten meanwhile.

        Raises InputError for a message that is no descriptor of this host.
        """
        descriptor = Descriptor.unpack(bytes(message.data))
        if not self._reader.valid(descriptor):
            return None
        image = self._reader.view(descriptor)
        stamp_ns, frame_id = messages.stamp_ns(message.header.stamp), message.header.frame_id
        data = image_bytes(stamp_ns, frame_id, image) if self._kind == RAW else jpeg_bytes(stamp_ns, frame_id, image)
        return data if self._reader.valid(descriptor) else None


def image_bytes(stamp_ns: int, frame_id: str, image: NDArray[np.uint8]) -> bytes:
    """The CDR of a sensor_msgs/Image of (H, W, C) uint8, copied once: as a message object it would be thrice."""
    height, width, channels = image.shape
    encoding = _ENCODINGS[channels].encode() + b"\0"
    head = Writer(stamp_ns, frame_id)
    head.numbers("II", height, width)
    head.numbers("I", len(encoding))
    head.raw(encoding)
    head.numbers("B", 0)  # little-endian
    head.numbers("II", width * channels, image.size)
    return b"".join((head.message(), np.ascontiguousarray(image).data))


def jpeg_bytes(stamp_ns: int, frame_id: str, image: NDArray[np.uint8]) -> bytes:
    """The CDR of a sensor_msgs/CompressedImage of an RGB image (H, W, 3)."""
    if image.shape[2] != 3:
        raise InputError(f"only RGB images are recorded as JPEG, this one has {image.shape[2]} channels")
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    if not done:
        raise InputError(f"image of {frame_id} cannot be encoded as JPEG")
    header = messages.header(stamp_ns, frame_id)
    return bytes(
        serialize_message(CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=jpeg.tobytes()))
    )
