"""The last seconds of everything that is recorded, so that a moment worth keeping has a past."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge

from backports import zstd

RING_NS = 30_000_000_000
IMAGE_BYTES = 512 * 1024**2  # of raw images 8.7 s, of JPEG the whole 30 s (eight cameras 640x400 at 10 Hz)
REST_BYTES = 64 * 1024**2  # all else of a car among others is 1 MB/s, compressed 0.3
LARGE_BYTES = 100_000  # a message of that size is taken for an image or a point cloud

Message = tuple[str, int, bytes]  # topic, time of recording [ns], CDR


class Ring:
    """The messages of the last ``span_ns``, and never more than ``budget_bytes``: then the oldest go."""

    def __init__(self, span_ns: int = RING_NS, budget_bytes: int = IMAGE_BYTES) -> None:
        self._span_ns, self._budget = span_ns, budget_bytes
        self._kept: deque[Message] = deque()
        self._bytes = 0

    def put(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Remember one message."""
        self._kept.append((topic, stamp_ns, data))
        self._bytes += len(data)
        while self._bytes > self._budget or stamp_ns - self._kept[0][1] > self._span_ns:
            self._bytes -= len(self._kept.popleft()[2])

    def all(self) -> list[Message]:
        """All that is remembered, oldest first."""
        return list(self._kept)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0


class Memory:
    """Two rings, so that images, of which few seconds fit, do not push out everything else.

    All else is kept compressed: 30 s are 30 MiB of messages, twice as much among many others.
    """

    def __init__(self, span_ns: int = RING_NS, image_bytes: int = IMAGE_BYTES, rest_bytes: int = REST_BYTES) -> None:
        self._large, self._small = Ring(span_ns, image_bytes), Ring(span_ns, rest_bytes)
        self._newest_ns = 0

    def put(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Remember one message; a clock that jumps back empties the memory."""
        if stamp_ns < self._newest_ns:
            self._large.clear()
            self._small.clear()
        self._newest_ns = stamp_ns
        if len(data) >= LARGE_BYTES:
            self._large.put(topic, stamp_ns, data)
        else:
            self._small.put(topic, stamp_ns, zstd.compress(data, level=1))

    def all(self) -> Iterator[Message]:
        """All that is remembered by now in order of time, what is small before what is large of the same time.

        Each message is unpacked when it is taken.
        """
        small = ((topic, stamp_ns, zstd.decompress(data)) for topic, stamp_ns, data in self._small.all())
        return merge(small, self._large.all(), key=lambda message: message[1])
