"""The images of one exposure of a whole rig, as descriptors in shared memory: the payload of the frame-set topic."""

from __future__ import annotations

import struct

from sensor_msgs.msg import CompressedImage

from autodrive.errors import InputError
from autodrive.transport.ring import Descriptor
from autodrive_nodes import messages

FORMAT = "shm_set"
_ITEM = struct.Struct("<HH")

FrameSet = tuple[tuple[str, Descriptor], ...]  # camera name and where its image lies, in rig order


def to_message(stamp_ns: int, frames: FrameSet) -> CompressedImage:
    """Pack a frame set."""
    parts = []
    for name, descriptor in frames:
        encoded, packed = name.encode(), descriptor.pack()
        parts.append(_ITEM.pack(len(encoded), len(packed)) + encoded + packed)
    return CompressedImage(header=messages.header(stamp_ns, "base_link"), format=FORMAT, data=b"".join(parts))


def from_message(message: CompressedImage) -> FrameSet:
    """Unpack a frame set; raises InputError."""
    if message.format != FORMAT:
        raise InputError(f"frame set: format is {message.format!r}, expected {FORMAT!r}")
    data, at, frames = bytes(message.data), 0, []
    while at < len(data):
        if len(data) - at < _ITEM.size:
            raise InputError("frame set: truncated")
        name_length, length = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        name = data[at : at + name_length].decode("utf-8", "replace")
        frames.append((name, Descriptor.unpack(data[at + name_length : at + name_length + length])))
        at += name_length + length
    return tuple(frames)
