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

UNLIKE = (
    12.0  # grey levels, mean over the thumbnail, by which an image must differ from the one before to be looked into
)
KEPT = 5  # images of each camera
LIKENESS = 0.6  # so much nearer must it be to what another camera showed


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
    """One image of a camera: ``source`` is the camera whose view it is."""

    stamp_ns: int
    thumbnail: NDArray[np.float32]
    source: str


class RigHealth:
    """Compares the cameras of a rig with each other, image by image."""

    def __init__(self, names: tuple[str, ...], limits: RigLimits | None = None) -> None:
        self._limits = limits or RigLimits()
        self.moving = False  # the body, so that all images must change
        self._seen: dict[str, deque[_Seen]] = {name: deque(maxlen=KEPT) for name in names}
        self._looks: dict[str, int] = {}
        self._equal = dict.fromkeys(names, 1)
        self._off = dict.fromkeys(names, 0)
        self._off_s = dict.fromkeys(names, 0.0)

    def frame(self, name: str, stamp_ns: int, glance: Look) -> None:
        """An image of one camera came; one that comes again says nothing new."""
        if self._seen[name] and self._seen[name][-1].stamp_ns == stamp_ns and self._looks[name] == glance.digest:
            return
        self._compare_stamp(name, stamp_ns)
        still = self.moving and self._looks.get(name) == glance.digest
        self._equal[name] = self._equal[name] + 1 if still else 1
        self._looks[name] = glance.digest
        source = self._source(name, stamp_ns, glance.thumbnail)
        self._seen[name].append(_Seen(stamp_ns, glance.thumbnail, source))

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
        if (other := self._exchanged_with(name)) is not None:
            return f"exchanged: it shows what camera {other} showed before"
        return None

    def _compare_stamp(self, name: str, stamp_ns: int) -> None:
        stamps = [seen[-1].stamp_ns for other, seen in self._seen.items() if other != name and seen]
        off_s = (stamp_ns - float(np.median(stamps))) * 1e-9 if stamps else 0.0
        self._off_s[name] = off_s
        self._off[name] = self._off[name] + 1 if abs(off_s) > self._limits.late_s else 0

    def _source(self, name: str, stamp_ns: int, thumbnail: NDArray[np.float32]) -> str:
        """Whose view the image is: that of the camera whose last image it is most like, if it is unlike its own."""
        own = self._before(name, stamp_ns)
        if not own:
            return self._seen[name][-1].source if self._seen[name] else name
        distance = _distance(thumbnail, own[-1].thumbnail)
        if distance < UNLIKE:
            return own[-1].source
        others = [seen for other in self._seen if other != name for seen in self._before(other, stamp_ns)]
        nearest = min(others, key=lambda seen: _distance(thumbnail, seen.thumbnail), default=own[-1])
        is_like = _distance(thumbnail, nearest.thumbnail) < LIKENESS * distance
        return nearest.source if is_like else own[-1].source

    def _before(self, name: str, stamp_ns: int) -> list[_Seen]:
        """A camera's images before a stamp that are not too old."""
        return [seen for seen in self._seen[name] if 0 < stamp_ns - seen.stamp_ns <= self._limits.gap_s * 1e9]

    def _exchanged_with(self, name: str) -> str | None:
        """The camera that shows this one's view while this one shows its: one alone may be a coincidence."""
        seen = self._seen[name]
        other = seen[-1].source if seen else name
        if other == name or not self._seen[other] or self._seen[other][-1].source != name:
            return None
        return other


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.mean(np.abs(a - b))) if a.shape == b.shape else np.inf
