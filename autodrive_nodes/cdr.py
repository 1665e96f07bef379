"""Plain CDR, little-endian (OMG CORBA 3.3, chapter 9.3): how messages lie in the bytes that DDS carries.

Every number is aligned to its own size, counted from behind the four bytes that name the encoding. A message that holds
thousands of small structs costs tens of milliseconds as Python objects and one as bytes and numpy arrays.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError

LITTLE_ENDIAN = b"\x00\x01\x00\x00"
Array = NDArray[np.float64]


class Writer:
    """Builds a message that begins with a std_msgs/Header."""

    def __init__(self, stamp_ns: int, frame_id: str) -> None:
        self._data = bytearray()
        self.numbers("iI", *divmod(stamp_ns, 1_000_000_000))
        name = frame_id.encode() + b"\0"
        self.numbers("I", len(name))
        self.raw(name)

    def message(self) -> bytes:
        """The serialized message."""
        return LITTLE_ENDIAN + bytes(self._data)

    def numbers(self, kinds: str, *values: float) -> None:
        """``kinds`` as for struct: numbers of at most four bytes, all of the same size."""
        self._align(struct.calcsize(kinds[0]))
        self._data += struct.pack("<" + kinds, *values)

    def array(self, values: NDArray[Any]) -> None:
        """Float64 numbers, or records that begin with one."""
        self.aligned(values.tobytes())

    def aligned(self, data: bytes) -> None:
        """Bytes that begin with a float64."""
        if data:
            self._align(8)
            self.raw(data)

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._data += data

    def _align(self, size: int) -> None:
        self._data += bytes(-len(self._data) % size)


class Reader:
    """Walks through a message on topic ``where`` that begins with a std_msgs/Header.

    Raises InputError for another encoding and where the bytes end early.
    """

    def __init__(self, data: bytes, where: str) -> None:
        if data[:4] != LITTLE_ENDIAN:
            raise InputError(f"{where}: message encoding {data[:4].hex()!r} is not plain little-endian CDR")
        self._data, self._at, self._where = memoryview(data)[4:], 0, where
        seconds, nanoseconds = self.numbers("iI")
        self.stamp_ns = seconds * 1_000_000_000 + nanoseconds
        self.raw(self.count())

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """``kinds`` as for struct: numbers of at most four bytes, all of the same size."""
        self._align(struct.calcsize(kinds[0]))
        return struct.unpack_from("<" + kinds, self.raw(struct.calcsize("<" + kinds)))

    def count(self) -> int:
        """The length of a sequence or string."""
        return int(self.numbers("I")[0])

    def doubles(self, count: int) -> Array:
        """Float64 numbers."""
        return np.frombuffer(self.aligned(8 * count), "<f8")

    def aligned(self, size: int) -> memoryview:
        """Bytes that begin with a float64."""
        if size:
            self._align(8)
        return self.raw(size)

    def raw(self, size: int) -> memoryview:
        """The next bytes."""
        if size > len(self._data) - self._at:
            raise InputError(f"{self._where}: message of {len(self._data) + 4} bytes ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def _align(self, size: int) -> None:
        self._at = min(self._at + -self._at % size, len(self._data))


def yaws(quaternions: Array) -> Array:
    """Headings of quaternions (N, 4) in x, y, z, w; NaN for what is not finite."""
    x, y, z, w = quaternions.T
    with np.errstate(invalid="ignore", over="ignore"):
        angles: Array = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    angles[~np.isfinite(quaternions).all(axis=1)] = np.nan
    return angles


def planar_poses(x: Any, y: Any, z: Any, yaw: Array) -> Array:
    """geometry_msgs/Pose (N, 7): position x, y, z and quaternion x, y, z, w."""
    poses = np.zeros((len(yaw), 7))
    poses[:, 0], poses[:, 1], poses[:, 2] = x, y, z
    poses[:, 5], poses[:, 6] = np.sin(yaw / 2), np.cos(yaw / 2)
    return poses
