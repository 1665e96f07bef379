"""What makes a moment worth keeping: small detectors.

A trigger is a class with ``name`` and ``fires``; a new one is one class here and its line in ``TRIGGERS``. It says
true at the rising edge only: a condition that lasts is one moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from autodrive.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Observation:
    """What the triggers may know at ``stamp_ns``; None where nothing was said. Speeds m/s, accelerations m/s^2."""

    stamp_ns: int
    speed_mps: float | None = None
    engaged: bool | None = None  # whether the stack acts, and nobody by hand
    fallback: bool | None = None
    best_score: float | None = None  # of the tracks; 1 without any
    wanted_mps2: float | None = None  # what control asked for
    allowed_mps2: float | None = None  # what the gate let through
    wanted_mps: float | None = None  # the same of a body that is told speeds
    allowed_mps: float | None = None
    pressed: bool | None = None


class Trigger(Protocol):
    """One reason to keep a moment."""

    name: str

    def fires(self, seen: Observation) -> bool:
        """Whether the condition begins with this observation."""
        ...


class _Edge:
    """True when a condition begins; an observation that does not tell changes nothing."""

    name = ""

    def __init__(self) -> None:
        self._held = False

    def fires(self, seen: Observation) -> bool:
        """See ``Trigger``."""
        now = self.holds(seen)
        if now is None:
            return False
        began, self._held = now and not self._held, now
        return began

    def holds(self, seen: Observation) -> bool | None:
        """Whether the condition holds; None where the observation does not tell."""
        raise NotImplementedError


class HardBraking(_Edge):
    """Slows down by more than 4 m/s^2, over at least 0.2 s so that noise of a wheel sensor is none."""

    name = "hard_braking"
    limit_mps2, window_ns = 4.0, 200_000_000

    def __init__(self) -> None:
        super().__init__()
        self._speeds: deque[tuple[int, float]] = deque()

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        if seen.speed_mps is None:
            return None
        if self._speeds and seen.stamp_ns <= self._speeds[-1][0]:
            self._speeds.clear()
        self._speeds.append((seen.stamp_ns, seen.speed_mps))
        while len(self._speeds) > 1 and seen.stamp_ns - self._speeds[1][0] >= self.window_ns:
            self._speeds.popleft()
        then_ns, then_mps = self._speeds[0]
        if seen.stamp_ns - then_ns < self.window_ns:
            return False
        return (then_mps - seen.speed_mps) / ((seen.stamp_ns - then_ns) * 1e-9) > self.limit_mps2


class Disengagement(_Edge):
    """Somebody took over."""

    name = "disengagement"

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        return None if seen.engaged is None else not seen.engaged


class PlannerFallback(_Edge):
    """The planner found no good plan."""

    name = "planner_fallback"

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        return seen.fallback


class LowConfidence(_Edge):
    """Not one track is better than 0.3."""

    name = "low_confidence"
    limit = 0.3

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        return None if seen.best_score is None else seen.best_score < self.limit


class Disagreement(_Edge):
    """The gate does not let through what control asked for, by more than 1 m/s^2 or 0.3 m/s."""

    name = "disagreement"
    limit_mps2, limit_mps = 1.0, 0.3

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        if seen.wanted_mps2 is not None and seen.allowed_mps2 is not None:
            return not abs(seen.wanted_mps2 - seen.allowed_mps2) <= self.limit_mps2
        if seen.wanted_mps is not None and seen.allowed_mps is not None:
            return not abs(seen.wanted_mps - seen.allowed_mps) <= self.limit_mps
        return None


class OperatorButton(_Edge):
    """Somebody pressed the button, or called the service."""

    name = "operator_button"

    def holds(self, seen: Observation) -> bool | None:
        """See ``_Edge``."""
        return seen.pressed


TRIGGERS: tuple[type[_Edge], ...] = (
    HardBraking,
    Disengagement,
    PlannerFallback,
    LowConfidence,
    Disagreement,
    OperatorButton,
)


def make_triggers(names: Iterable[str]) -> list[Trigger]:
    """The triggers of these names; raises ConfigError for an unknown one."""
    known = {kind.name: kind for kind in TRIGGERS}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"trigger {unknown[0]!r} is unknown; choose of {sorted(known)}")
    return [known[name]() for name in names]
