"""A recording as frames: what belongs to one exposure, in the order of the exposures, whatever the order in the bag."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from autodrive.data.bags import BagBytes

_STAMP = struct.Struct("<iI")
_AT = {"tf2_msgs/msg/TFMessage": 8}  # behind the name of the encoding and the count of transforms; else in front
_NONE = {"std_msgs/msg/String", "std_msgs/msg/Bool"}


@dataclass
class Frame:
    """``inputs`` are to be played at ``stamp_ns``, in order of recording; ``answers`` are what was said then."""

    stamp_ns: int
    inputs: list[BagBytes] = field(default_factory=list)
    answers: list[BagBytes] = field(default_factory=list)


def stamp_of(item: BagBytes) -> int:
    """The stamp within a message [ns], the time of recording for a type that has none."""
    at = _AT.get(item.type, 4)
    if item.type in _NONE or len(item.data) < at + _STAMP.size:
        return item.stamp_ns
    seconds, nanoseconds = _STAMP.unpack_from(item.data, at)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def gather(
    items: Iterable[BagBytes], answers: Collection[str], latched: Collection[str], first_ns: int, last_ns: int
) -> Iterator[Frame]:
    """Frames of ``first_ns`` to ``last_ns``; the first has also all that is latched, of whatever time.

    ``answers`` are topics that are not played. All is held in memory, some 0.3 MB for a second of a car's drive.
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
