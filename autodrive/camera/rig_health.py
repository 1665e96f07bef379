"""What is wrong with a camera as the others of its rig show it: exchanged cables, foreign stamps.

For cameras of one trigger, which are exposed together. Times are stamps; no clock is asked. A still image of a body
that moves is here too: a rendered world has no noise, so that a body that stands may well see the same twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.camera.health import Look
from autodrive.errors import ConfigError

UNLIKE = 5.0  # grey levels, mean over the thumbnail, by which two images must differ from their last to be compared
LIKENESS = 0.75  # so much better must each fit the other's last


@dataclass(frozen=True, slots=True)
class RigLimits:
    """``late_s``: so far from the others a stamp is of another exposure; ``in_row``: so often before it is a fault;
    ``frozen``: so many equal images stand still while the body moves; ``gap_s``: older images say nothing.
    """

    late_s: float = 0.15
    in_row: int = 3
    frozen: int = 3
    gap_s: float = 0.35

    def __post_init__(self) -> None:
        """Raises ConfigError for limits that no camera could keep."""
        if not (self.late_s > 0 and self.gap_s > 0 and self.in_row >= 1 and self.frozen >= 2):
            raise ConfigError(f"limits of a rig must be positive, frozen at least 2: {self}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """One image of a camera, and by how much it differs from the one before, 0 where there was none lately."""

    stamp_ns: int
    thumbnail: NDArray[np.float32]
    change: float


class RigHealth:
    """Compares the cameras of a rig with each other, image by image."""

    def __init__(self, names: tuple[str, ...], limits: RigLimits | None = None) -> None:
        self._limits = limits or RigLimits()
        self.moving = False  # the body, so that all images must change
        self._seen: dict[str, deque[_Seen]] = {name: deque(maxlen=2) for name in names}
        self._view = {name: name for name in names}  # whose view each camera shows
        self._looks: dict[str, int] = {}
        self._equal = dict.fromkeys(names, 1)
        self._off = dict.fromkeys(names, 0)
        self._off_s = dict.fromkeys(names, 0.0)

    def frame(self, name: str, stamp_ns: int, glance: Look) -> None:
        """An image of one camera came; a second one of the same exposure says nothing."""
        seen = self._seen[name]
        if seen and seen[-1].stamp_ns == stamp_ns:
            return
        self._compare_stamp(name, stamp_ns)
        still = self.moving and self._looks.get(name) == glance.digest
        self._equal[name] = self._equal[name] + 1 if still else 1
        self._looks[name] = glance.digest
        recent = bool(seen) and 0 < stamp_ns - seen[-1].stamp_ns <= self._limits.gap_s * 1e9
        change = _distance(glance.thumbnail, seen[-1].thumbnail) if recent else 0.0
        seen.append(_Seen(stamp_ns, glance.thumbnail, change))
        self._compare_view(name)

    def now_ns(self) -> int:
        """The exposure that the rig is at: the middle one of the cameras' newest stamps; 0 before any."""
        stamps = [seen[-1].stamp_ns for seen in self._seen.values() if seen]
        return int(np.median(stamps)) if stamps else 0

    def fault(self, name: str) -> str | None:
        """Why this camera must not be used now, None if it may."""
        if self._off[name] >= self._limits.in_row:
            side = "behind" if self._off_s[name] < 0 else "ahead of"
            return f"its stamps are {abs(self._off_s[name]):.2f} s {side} those of the other cameras"
        if self._equal[name] >= self._limits.frozen:
            return f"frozen: {self._equal[name]} equal images while the body moves"
        if (other := self._view[name]) != name:
            return f"exchanged: it shows what camera {other} showed before"
        return None

    def _compare_stamp(self, name: str, stamp_ns: int) -> None:
        stamps = [seen[-1].stamp_ns for other, seen in self._seen.items() if other != name and seen]
        off_s = (stamp_ns - float(np.median(stamps))) * 1e-9 if stamps else 0.0
        self._off_s[name] = off_s
        self._off[name] = self._off[name] + 1 if abs(off_s) > self._limits.late_s else 0

    def _compare_view(self, name: str) -> None:
        """Whether this camera and another, whose image of the same exposure is there, now show each other's view."""
        now = self._seen[name][-1]
        changed = {
            other: seen[-1].change
            for other, seen in self._seen.items()
            if seen and seen[-1].stamp_ns == now.stamp_ns and seen[-1].change >= UNLIKE
        }
        if name not in changed:
            return
        misfits = {o: self._misfit(name, o) / (now.change + changed[o]) for o in changed if o != name}
        best = min(misfits, key=lambda other: misfits[other], default=name)
        if best != name and misfits[best] < LIKENESS:
            self._view[name], self._view[best] = self._view[best], self._view[name]

    def _misfit(self, a: str, b: str) -> float:
        (before_a, now_a), (before_b, now_b) = self._seen[a], self._seen[b]
        return _distance(now_a.thumbnail, before_b.thumbnail) + _distance(now_b.thumbnail, before_a.thumbnail)


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.mean(np.abs(a - b))) if a.shape == b.shape else np.inf
