"""A ring of image slots in POSIX shared memory: one writer, many readers, no lock, no copy on read.

Each slot carries a sequence number that is odd while it is being written (a seqlock, Lameter 2005): a reader sees
when a slot was reused under it. A killed process leaves nothing behind but a file whose name holds its pid; the next
writer of the same user removes it. Segments are private to the user (mode 0600); readers refuse those of another user.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import EnvironmentProblem, InputError

SHM = Path("/dev/shm")
PREFIX = "autodrive"
_MAGIC = b"ADRING01"
_HEADER = struct.Struct("<8sII")  # magic, slots, slot bytes
_HEADER_BYTES = 64
_SLOT_HEADER_BYTES = 64
_DESCRIPTOR = struct.Struct("<4sBBHIIIQ")  # magic, version, channels, name length, height, width, slot, sequence
_DESCRIPTOR_MAGIC = b"ADSL"
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)-[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Where one image lies: what travels over the topic instead of the pixels."""

    segment: str
    slot: int
    sequence: int
    height: int
    width: int
    channels: int

    def pack(self) -> bytes:
        """The descriptor as bytes."""
        name = self.segment.encode()
        head = (_DESCRIPTOR_MAGIC, 1, self.channels, len(name), self.height, self.width, self.slot, self.sequence)
        return _DESCRIPTOR.pack(*head) + name

    @staticmethod
    def unpack(data: bytes) -> Descriptor:
        """Parse and validate; raises InputError."""
        if len(data) < _DESCRIPTOR.size:
            raise InputError(f"shared-memory descriptor of {len(data)} bytes is too short")
        magic, version, channels, length, height, width, slot, sequence = _DESCRIPTOR.unpack_from(data)
        name = bytes(data[_DESCRIPTOR.size :]).decode("ascii", "replace")
        if magic != _DESCRIPTOR_MAGIC or version != 1 or length != len(name):
            raise InputError("not a shared-memory descriptor of this version of autodrive")
        if not _NAME.fullmatch(name):
            raise InputError(f"shared-memory segment name {name!r} is not one of ours")
        if not (0 < height <= 16384 and 0 < width <= 16384 and channels in (1, 3, 4)):
            raise InputError(f"shared-memory descriptor says {width}x{height}x{channels}, which is no image")
        return Descriptor(name, slot, sequence, height, width, channels)


class RingWriter:
    """Owns one segment; ``close`` removes it."""

    def __init__(self, name: str, slot_bytes: int, slots: int = 16) -> None:
        self.segment = f"{PREFIX}-{os.getuid()}-{os.getpid()}-{name}"
        if not _NAME.fullmatch(self.segment):
            raise InputError(f"ring name {name!r} must be letters, digits and '_'")
        self._slots, self._slot_bytes = slots, slot_bytes
        self._stride = _SLOT_HEADER_BYTES + -(-slot_bytes // 64) * 64
        size = _HEADER_BYTES + slots * self._stride
        path = SHM / self.segment
        path.unlink(missing_ok=True)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                os.posix_fallocate(handle, 0, size)
                self._map = mmap.mmap(handle, size)
            finally:
                os.close(handle)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise EnvironmentProblem(
                f"cannot allocate {size / 1e6:.0f} MB of shared memory in {SHM} ({error.strerror}); "
                "free some (`df -h /dev/shm`) or enlarge it"
            ) from error
        _HEADER.pack_into(self._map, 0, _MAGIC, slots, slot_bytes)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._count = 0

    def write(self, image: NDArray[np.uint8]) -> Descriptor:
        """Copy an image (H, W) or (H, W, C) into the next slot; raises InputError if it does not fit."""
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.nbytes > self._slot_bytes:
            raise InputError(
                f"image of shape {image.shape} and type {image.dtype} does not fit a slot of {self._slot_bytes} bytes"
            )
        slot = self._count % self._slots
        sequence = 2 * (self._count // self._slots) + 2
        offset = _HEADER_BYTES + slot * self._stride
        struct.pack_into("<Q", self._map, offset, sequence - 1)
        start = offset + _SLOT_HEADER_BYTES
        target = self._bytes[start : start + image.nbytes].reshape(image.shape)
        np.copyto(target, image)
        struct.pack_into("<Q", self._map, offset, sequence)
        self._count += 1
        channels = image.shape[2] if image.ndim == 3 else 1
        return Descriptor(self.segment, slot, sequence, image.shape[0], image.shape[1], channels)

    def close(self) -> None:
        """Remove the segment; readers that still map it keep what they have."""
        (SHM / self.segment).unlink(missing_ok=True)


class RingReader:
    """Maps segments as descriptors name them."""

    def __init__(self) -> None:
        self._maps: dict[str, tuple[mmap.mmap, int, int]] = {}

    def view(self, descriptor: Descriptor) -> NDArray[np.uint8]:
        """A read-only view (H, W, C) of the slot; raises InputError if the slot was reused or is not there."""
        memory, slots, slot_bytes = self._open(descriptor.segment)
        size = descriptor.height * descriptor.width * descriptor.channels
        if descriptor.slot >= slots or size > slot_bytes:
            raise InputError(f"descriptor points outside of segment {descriptor.segment}")
        if not self.valid(descriptor):
            raise InputError(f"slot {descriptor.slot} of {descriptor.segment} was overwritten before it was read")
        offset = _HEADER_BYTES + descriptor.slot * _stride(slot_bytes) + _SLOT_HEADER_BYTES
        flat = np.frombuffer(memory, np.uint8, size, offset)
        return flat.reshape(descriptor.height, descriptor.width, descriptor.channels)

    def valid(self, descriptor: Descriptor) -> bool:
        """Whether the slot still holds this image: ask again after the last use of a view."""
        memory, _, slot_bytes = self._open(descriptor.segment)
        offset = _HEADER_BYTES + descriptor.slot * _stride(slot_bytes)
        (sequence,) = struct.unpack_from("<Q", memory, offset)
        return bool(sequence == descriptor.sequence)

    def _open(self, segment: str) -> tuple[mmap.mmap, int, int]:
        if segment not in self._maps:
            self._maps[segment] = _map(segment)
        return self._maps[segment]

    def close(self) -> None:
        """Forget all segments."""
        self._maps.clear()


def remove_stale_segments() -> list[str]:
    """Remove this user's segments whose writer is no longer alive; returns their names."""
    removed = []
    for path in SHM.glob(f"{PREFIX}-{os.getuid()}-*"):
        match = _NAME.fullmatch(path.name)
        if match and not Path(f"/proc/{match[2]}").exists():
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _stride(slot_bytes: int) -> int:
    return _SLOT_HEADER_BYTES + -(-slot_bytes // 64) * 64


def _map(segment: str) -> tuple[mmap.mmap, int, int]:
    try:
        handle = os.open(SHM / segment, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise InputError(f"shared-memory segment {segment} is gone ({error.strerror}): its writer ended") from error
    try:
        status = os.fstat(handle)
        if status.st_uid != os.getuid():
            raise InputError(f"shared-memory segment {segment} belongs to another user; refused")
        memory = mmap.mmap(handle, status.st_size, prot=mmap.PROT_READ)
    finally:
        os.close(handle)
    magic, slots, slot_bytes = _HEADER.unpack_from(memory) if len(memory) >= _HEADER_BYTES else (b"", 0, 0)
    if magic != _MAGIC or len(memory) != _HEADER_BYTES + slots * _stride(slot_bytes):
        raise InputError(f"shared-memory segment {segment} is damaged")
    return memory, slots, slot_bytes
