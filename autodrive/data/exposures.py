"""Groups the images of several cameras that belong together, from a stream in the order of recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

TOLERANCE_NS = 60_000_000  # a rotating trigger, as that of nuScenes, spreads one exposure over up to half a period
PATIENCE_NS = 1_000_000_000  # how far a bag is read on in search of a camera's image


@dataclass(frozen=True, slots=True)
class Exposure:
    """Images of one moment by camera index: ``stamp_ns`` is the reference camera's, the others are ``offsets_ns`` off.

    A camera without an image within the tolerance has None in both.
    """

    stamp_ns: int
    images: tuple[Any | None, ...]
    offsets_ns: tuple[int | None, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the cameras without an image."""
        return tuple(k for k, image in enumerate(self.images) if image is None)


def group_exposures(
    images: Iterable[tuple[int, int, Any]], cameras: int, reference: int, tolerance_ns: int = TOLERANCE_NS
) -> Iterator[Exposure]:
    """One exposure per image of camera ``reference``, with the nearest image of each other camera.

    ``images`` yields (camera index, stamp [ns], image). Make the slowest camera the reference: images of faster cameras
    between two exposures are passed over. Every image is used at most once, and stamps of exposures only go forward.
    """
    waiting: list[deque[tuple[int, Any]]] = [deque() for _ in range(cameras)]
    newest = [-(1 << 62)] * cameras
    last_ns = -(1 << 62)

    def due() -> bool:
        if not waiting[reference]:
            return False
        horizon = waiting[reference][0][0] + tolerance_ns
        return min(newest) >= horizon or max(newest) >= horizon + PATIENCE_NS

    for camera, stamp_ns, image in images:
        newest[camera] = max(newest[camera], stamp_ns)
        if camera != reference or stamp_ns > last_ns:
            waiting[camera].append((stamp_ns, image))
            last_ns = stamp_ns if camera == reference else last_ns
        while due():
            yield _take(waiting, reference, tolerance_ns)
        _forget(waiting, reference, max(newest) - PATIENCE_NS - 2 * tolerance_ns)
    while waiting[reference]:
        yield _take(waiting, reference, tolerance_ns)


def _take(waiting: list[deque[tuple[int, Any]]], reference: int, tolerance_ns: int) -> Exposure:
    stamp_ns = waiting[reference][0][0]
    images: list[Any | None] = []
    offsets: list[int | None] = []
    for queue in waiting:
        while len(queue) > 1 and abs(queue[1][0] - stamp_ns) < abs(queue[0][0] - stamp_ns):
            queue.popleft()
        if queue and abs(queue[0][0] - stamp_ns) <= tolerance_ns:
            taken_ns, image = queue.popleft()
            images.append(image)
            offsets.append(taken_ns - stamp_ns)
        else:
            images.append(None)
            offsets.append(None)
    return Exposure(stamp_ns, tuple(images), tuple(offsets))


def _forget(waiting: list[deque[tuple[int, Any]]], reference: int, before_ns: int) -> None:
    """Drop images that no exposure can want any more, so that a silent reference camera does not fill the memory."""
    for camera, queue in enumerate(waiting):
        while camera != reference and queue and queue[0][0] < before_ns:
            queue.popleft()
