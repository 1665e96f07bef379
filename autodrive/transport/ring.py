"""A ring of image slots in POSIX shared memory: one writer, many readers, no lock, no copy on read.

Each slot carries a sequence number that is odd while it is being written (a seqlock, Lameter 2005): a reader sees
when a slot was reused under it. A writer holds a file lock, which readers never take and which the kernel releases
however the writer ends: a segment whose lock is free is stale, and ``remove_stale_segments`` removes it, whoever has
the pid by now. Segments are private to the user (mode 0600); readers refuse those of another user. A generation, drawn
once per segment, tells a segment from a later one, or from one on another host, that has the same name.
"""

from __future__ import annotations

import fcntl
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
_MAGIC = b"ADRING02"
_HEADER = struct.Struct("<8sIIQ")  # magic, slots, slot bytes, generation
_HEADER_BYTES = 64
_SLOT_HEADER_BYTES = 64
_DESCRIPTOR = struct.Struct(
    "<4sBBHIIIQQ"
)  # magic, version, channels, name length, height, width, slot, sequence, generation
_DESCRIPTOR_MAGIC = b"ADSL"
_VERSION = 2
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)-[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Where one image lies: what travels over the topic instead of the pixels."""

    segment: str
    slot: int
    sequence: int
    generation: int
    height: int
    width: int
    channels: int

    def pack(self) -> bytes:
        """The descriptor as bytes."""
        name = self.segment.encode()
        head = (_DESCRIPTOR_MAGIC, _VERSION, self.channels, len(name), self.height, self.width, self.slot)
        return _DESCRIPTOR.pack(*head, self.sequence, self.generation) + name

    @staticmethod
    def unpack(data: bytes) -> Descriptor:
        """Parse and validate; raises InputError."""
        if len(data) < _DESCRIPTOR.size:
            raise InputError(f"shared-memory descriptor of {len(data)} bytes is too short")
        magic, version, channels, length, height, width, slot, sequence, generation = _DESCRIPTOR.unpack_from(data)
        name = bytes(data[_DESCRIPTOR.size :]).decode("ascii", "replace")
        if magic != _DESCRIPTOR_MAGIC or version != _VERSION or length != len(name):
            raise InputError("not a shared-memory descriptor of this version of autodrive")
        if not _NAME.fullmatch(name):
            raise InputError(f"shared-memory segment name {name!r} is not one of ours")
        if not (0 < height <= 16384 and 0 < width <= 16384 and channels in (1, 3, 4)):
            raise InputError(f"shared-memory descriptor says {width}x{height}x{channels}, which is no image")
        if sequence == 0 or sequence % 2:
            raise InputError(f"shared-memory descriptor has sequence {sequence}, which no finished image has")
        return Descriptor(name, slot, sequence, generation, height, width, channels)


class RingWriter:
    """Owns one segment; ``close`` removes it."""

    def __init__(self, name: str, slot_bytes: int, slots: int = 16) -> None:
        self.segment = f"{PREFIX}-{os.getuid()}-{os.getpid()}-{name}"
        if not _NAME.fullmatch(self.segment):
            raise InputError(f"ring name {name!r} must be letters, digits and '_'")
        self._slots, self._slot_bytes = slots, slot_bytes
        self._stride = _stride(slot_bytes)
        size = _HEADER_BYTES + slots * self._stride
        path = SHM / self.segment
        path.unlink(missing_ok=True)
        try:
            self._handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.posix_fallocate(self._handle, 0, size)
                self._map = mmap.mmap(self._handle, size)
            except OSError:
                os.close(self._handle)
                raise
        except OSError as error:
            path.unlink(missing_ok=True)
            raise EnvironmentProblem(
                f"cannot allocate {size / 1e6:.0f} MB of shared memory in {SHM} ({error.strerror}); "
                "free some (`df -h /dev/shm`) or enlarge it"
            ) from error
        self._generation = int.from_bytes(os.urandom(8), "little")
        _HEADER.pack_into(self._map, 0, _MAGIC, slots, slot_bytes, self._generation)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._sequences = _sequences(self._map, slots, slot_bytes)
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
        self._sequences[slot] = sequence - 1
        start = offset + _SLOT_HEADER_BYTES
        target = self._bytes[start : start + image.nbytes].reshape(image.shape)
        np.copyto(target, image)
        self._sequences[slot] = sequence
        self._count += 1
        channels = image.shape[2] if image.ndim == 3 else 1
        return Descriptor(self.segment, slot, sequence, self._generation, image.shape[0], image.shape[1], channels)

    def close(self) -> None:
        """Remove the segment; readers that still map it keep what they have. May be called twice."""
        if self._handle < 0:
            return
        (SHM / self.segment).unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = -1


@dataclass(frozen=True, slots=True)
class _Segment:
    """One mapped segment."""

    memory: mmap.mmap
    slots: int
    slot_bytes: int
    generation: int
    sequences: NDArray[np.uint64]


class RingReader:
    """Maps segments as descriptors name them, and unmaps those that ended when a new one comes."""

    def __init__(self) -> None:
        self._segments: dict[str, _Segment] = {}

    def view(self, descriptor: Descriptor) -> NDArray[np.uint8]:
        """A read-only view (H, W, C) of the slot; raises InputError if the slot was reused or is not there."""
        segment = self._open(descriptor)
        size = descriptor.height * descriptor.width * descriptor.channels
        if descriptor.slot >= segment.slots or size > segment.slot_bytes:
            raise InputError(f"descriptor points outside of segment {descriptor.segment}")
        if not self.valid(descriptor):
            raise InputError(f"slot {descriptor.slot} of {descriptor.segment} was overwritten before it was read")
        offset = _HEADER_BYTES + descriptor.slot * _stride(segment.slot_bytes) + _SLOT_HEADER_BYTES
        flat = np.frombuffer(segment.memory, np.uint8, size, offset)
        return flat.reshape(descriptor.height, descriptor.width, descriptor.channels)

    def valid(self, descriptor: Descriptor) -> bool:
        """Whether the slot still holds this image: ask again after the last use of a view."""
        segment = self._open(descriptor)
        return descriptor.slot < segment.slots and bool(segment.sequences[descriptor.slot] == descriptor.sequence)

    def reachable(self, descriptor: Descriptor) -> bool:
        """Whether the segment is on this host, of this user, and still the one that the descriptor means."""
        try:
            self._open(descriptor)
        except InputError:
            return False
        return True

    def _open(self, descriptor: Descriptor) -> _Segment:
        """The mapped segment; one of an earlier writer of the same name is mapped anew."""
        name = descriptor.segment
        known = self._segments.get(name)
        if known is None or known.generation != descriptor.generation:
            self._forget_ended()
            known = self._segments[name] = _map(name)
        if known.generation != descriptor.generation:
            raise InputError(
                f"shared-memory segment {name} is not the one that the descriptor means: that one has ended, or is on "
                "another host, from which only plain or compressed images arrive"
            )
        return known

    def _forget_ended(self) -> None:
        """Unmap segments whose writer removed them: a camera that comes and goes must not fill the memory."""
        for name in [name for name in self._segments if not (SHM / name).exists()]:
            del self._segments[name]

    def close(self) -> None:
        """Forget all segments."""
        self._segments.clear()


def segments_of(pid: int) -> list[Path]:
    """Where this user's segments lie that the process ``pid`` has made."""
    return sorted(SHM.glob(f"{PREFIX}-{os.getuid()}-{pid}-*"))


def remove_stale_segments() -> list[str]:
    """Remove this user's segments whose writer has ended; returns their names."""
    removed = []
    for path in SHM.glob(f"{PREFIX}-{os.getuid()}-*"):
        match = _NAME.fullmatch(path.name)
        if match and _is_stale(path, int(match[2])):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _is_stale(path: Path, pid: int) -> bool:
    """No writer holds its lock; one that is just being made has no header yet and belongs to a living process."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # gone, or not ours to open
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.read(handle, len(_MAGIC)) == _MAGIC or not Path(f"/proc/{pid}").exists()
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def _sequences(memory: mmap.mmap, slots: int, slot_bytes: int) -> NDArray[np.uint64]:
    """The sequence number of every slot, each read and written by one aligned access."""
    return np.ndarray((slots,), np.uint64, memory, _HEADER_BYTES, (_stride(slot_bytes),))


def _stride(slot_bytes: int) -> int:
    return _SLOT_HEADER_BYTES + -(-slot_bytes // 64) * 64


def _map(segment: str) -> _Segment:
    try:
        handle = os.open(SHM / segment, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise InputError(
            f"shared-memory segment {segment} cannot be opened ({error.strerror}): "
            "its writer ended or is on another host"
        ) from error
    try:
        status = os.fstat(handle)
        if status.st_uid != os.getuid():
            raise InputError(f"shared-memory segment {segment} belongs to another user; refused")
        if status.st_size < _HEADER_BYTES:  # a writer that is just making it, or none of ours
            raise InputError(f"shared-memory segment {segment} is damaged")
        memory = mmap.mmap(handle, status.st_size, prot=mmap.PROT_READ)
    finally:
        os.close(handle)
    magic, slots, slot_bytes, generation = _HEADER.unpack_from(memory)
    if magic != _MAGIC or len(memory) != _HEADER_BYTES + slots * _stride(slot_bytes):
        raise InputError(f"shared-memory segment {segment} is damaged")
    return _Segment(memory, slots, slot_bytes, generation, _sequences(memory, slots, slot_bytes))
