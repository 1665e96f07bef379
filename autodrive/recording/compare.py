"""Two recordings of the same topics, message by message and field by field: what moved, when, and by how much."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from autodrive.data.bags import BagBytes, BagReader
from autodrive.recording.frames import stamp_in

FLOAT32 = 7  # of sensor_msgs/PointField
ROUNDING = 1e-9  # of numbers below 1, of the value above: another processor rounds otherwise, and nothing has moved


@dataclass
class Change:
    """A field of a topic that differs: in how many values, first when, and the greatest amount of all.

    ``amounts`` has, for every message in which it differs, the stamp [ns] and the greatest amount.
    """

    topic: str
    field: str
    values: int
    first_ns: int
    worst_ns: int
    worst: float
    old: Any
    new: Any
    amounts: dict[int, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """``same`` counts equal messages by topic (to the byte, or within tolerance)."""

    same: dict[str, int]
    missing: dict[str, int]
    extra: dict[str, int]
    changes: tuple[Change, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing moved."""
        return not (self.changes or self.missing or self.extra)


def compare(
    reference: Path, candidate: Path, topics: Collection[str], tolerances: Mapping[str, float] | None = None
) -> Comparison:
    """Messages of ``topics``, matched by stamp.

    ``tolerances`` maps patterns "topic:field" to amounts, for others it is the rounding of processors.
    """
    with BagReader(reference) as old_bag, BagReader(candidate) as new_bag:
        old, new = _by_stamp(old_bag, topics), _by_stamp(new_bag, topics)
        same, found = dict.fromkeys(sorted(topics), 0), dict[tuple[str, str], Change]()
        for key in sorted(old.keys() & new.keys(), key=lambda k: (k[1], k[0])):
            if old[key].data == new[key].data:
                same[key[0]] += 1
                continue
            moved = list(differences(old_bag.decode(old[key]), new_bag.decode(new[key])))
            moved = [
                m for m in moved if not m[3] <= max(_allowed(tolerances or {}, f"{key[0]}:{m[0]}"), _rounding(m[1]))
            ]
            same[key[0]] += not moved
            for name, before, after, amount in moved:
                _note(found, key[0], name, key[1], before, after, amount)
    return Comparison(same, _count(old.keys() - new.keys()), _count(new.keys() - old.keys()), tuple(found.values()))


def differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any, float]]:
    """Fields that differ, with both values and the amount: infinite where no number tells it (text, length, NaN)."""
    if is_dataclass(old) and is_dataclass(new):  # each bag has types of its own
        clouds = _cloud(old), _cloud(new)
        whole = clouds[0] is None or clouds[1] is None
        if clouds[0] is not None and clouds[1] is not None:
            yield from differences(*clouds, f"{name}.values".lstrip("."))
        for f in fields(old):
            if f.name != "__msgtype__" and (whole or f.name != "data"):
                yield from differences(getattr(old, f.name), getattr(new, f.name), f"{name}.{f.name}".lstrip("."))
    elif isinstance(old, (list, np.ndarray)) and isinstance(new, (list, np.ndarray)):
        if len(old) != len(new):
            yield f"{name}.length", len(old), len(new), math.inf
        elif isinstance(old, list):
            for k, (a, b) in enumerate(zip(old, new, strict=True)):
                yield from differences(a, b, f"{name}[{k}]")
        else:
            yield from _array_difference(old, new, name)
    elif isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key in old:
            yield from differences(old[key], new[key], f"{name}.{key}")
    elif isinstance(old, str) and isinstance(new, str) and old != new and (both := _documents(old, new)) is not None:
        yield from differences(*both, name)
    elif old != new and not (old is not new and old != old and new != new):
        yield name, old, new, _amount(old, new)


def _cloud(message: Any) -> Any:
    """The numbers of a PointCloud2 of float32 alone, whose bytes say nothing; None for every other message."""
    if not hasattr(message, "point_step") or any(f.datatype != FLOAT32 for f in message.fields):
        return None
    return np.frombuffer(message.data.tobytes(), "<f4") if len(message.data) % 4 == 0 else None


def _documents(old: str, new: str) -> tuple[Any, Any] | None:
    """What two texts say in JSON; None where they are other texts."""
    try:
        both = json.loads(old), json.loads(new)
    except (ValueError, RecursionError):
        return None
    return both if all(isinstance(document, (dict, list)) for document in both) else None


def _rounding(value: Any) -> float:
    return ROUNDING * max(1.0, abs(value)) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _array_difference(old: Any, new: Any, name: str) -> Iterator[tuple[str, Any, Any, float]]:
    a, b = old.astype(np.float64).ravel(), new.astype(np.float64).ravel()
    gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    gap[np.isnan(gap)] = np.inf
    if gap.any():
        k = int(gap.argmax())
        yield f"{name}[{k}]", a[k], b[k], float(gap[k])


def _amount(old: Any, new: Any) -> float:
    if isinstance(old, (int, float)) and isinstance(new, (int, float)) and math.isfinite(old - new):
        return abs(float(old) - float(new))
    return math.inf


def _by_stamp(bag: BagReader, topics: Collection[str]) -> dict[tuple[str, int, int], BagBytes]:
    """By topic, stamp, and which of several of that stamp; what has no stamp by its place alone."""
    found: dict[tuple[str, int, int], BagBytes] = {}
    for item in bag.serialized(topics):
        stamp_ns, k = stamp_in(item) or 0, 0
        while (item.topic, stamp_ns, k) in found:
            k += 1
        found[item.topic, stamp_ns, k] = item
    return found


def _allowed(tolerances: Mapping[str, float], name: str) -> float:
    return next((amount for pattern, amount in tolerances.items() if fnmatchcase(name, pattern)), 0.0)


def _count(keys: Collection[tuple[str, int, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for topic, _, _ in sorted(keys):
        found[topic] = found.get(topic, 0) + 1
    return found


def _note(
    found: dict[tuple[str, str], Change], topic: str, name: str, at_ns: int, old: Any, new: Any, amount: float
) -> None:
    general = "".join(part.partition("]")[2] if k else part for k, part in enumerate(name.split("[")))
    change = found.get((topic, general))
    if change is None:
        found[topic, general] = Change(topic, name, 1, at_ns, at_ns, amount, old, new, {at_ns: amount})
        return
    change.amounts[at_ns] = max(amount, change.amounts.get(at_ns, 0.0))
    change.values += 1
    if amount > change.worst:
        change.field, change.worst, change.worst_ns, change.old, change.new = name, amount, at_ns, old, new
