"""A recording as frames: what belongs to one exposure, in the order of the exposures, whatever the order in the bag."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from autodrive.data.bags import BagBytes

_STAMP = struct.Struct("<iI")
_AT = {"tf2_msgs/msg/TFMessage": 8}  # behind the name of the encoding and the count of transforms; else in front
_TEXT, _NONE = "std_msgs/msg/String", {"std_msgs/msg/Bool", "std_msgs/msg/Empty"}
_JSON_STAMP = re.compile(rb'\{"stamp_ns": ?(\d+)')


@dataclass
class Frame:
    """``inputs`` are to be played at ``stamp_ns``, in order of recording; ``answers`` are what was said then."""

    stamp_ns: int
    inputs: list[BagBytes] = field(default_factory=list)
    answers: list[BagBytes] = field(default_factory=list)


def stamp_in(item: BagBytes) -> int | None:
    """The stamp within a message [ns]; None where there is none. Text has one if it is JSON that begins with it."""
    if item.type == _TEXT:
        found = _JSON_STAMP.match(item.data, 8)  # behind the name of the encoding and the length
        return int(found[1]) if found else None
    at = _AT.get(item.type, 4)
    if item.type in _NONE or len(item.data) < at + _STAMP.size:
        return None
    seconds, nanoseconds = _STAMP.unpack_from(item.data, at)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def stamp_of(item: BagBytes) -> int:
    """The stamp within a message [ns], the time of recording for one that has none."""
    stamp_ns = stamp_in(item)
    return item.stamp_ns if stamp_ns is None else stamp_ns


class ImageStream:
    """Images of a recording, one exposure at a time, so that they need not fit into memory."""

    def __init__(self, items: Iterable[BagBytes]) -> None:
        self._items = iter(items)
        self._next = next(self._items, None)

    def take(self, stamp_ns: int) -> list[BagBytes]:
        """The images stamped ``stamp_ns``; earlier ones that nobody asked for are passed over."""
        found = []
        while self._next is not None and (at_ns := stamp_of(self._next)) <= stamp_ns:
            found += [self._next] if at_ns == stamp_ns else []
            self._next = next(self._items, None)
        return found


def gather(
    items: Iterable[BagBytes], answers: Collection[str], latched: Collection[str], first_ns: int, last_ns: int
) -> Iterator[Frame]:
    """Frames of ``first_ns`` to ``last_ns``; the first has also all that is latched, of whatever time.

    ``answers`` are topics that are not played. All is held in memory, some 1 MB for a second of a drive.
    """
    frames: dict[int, Frame] = {}
    standing: list[BagBytes] = []
    for item in items:
        if item.topic in latched and item.topic not in answers:
            standing.append(item)
            continue
        stamp_ns = stamp_of(item)
        if first_ns <= stamp_ns <= last_ns:
            frame = frames.setdefault(stamp_ns, Frame(stamp_ns))
            (frame.answers if item.topic in answers else frame.inputs).append(item)
    for k, stamp_ns in enumerate(sorted(frames)):
        if k == 0:
            frames[stamp_ns].inputs[:0] = standing
        yield frames[stamp_ns]
