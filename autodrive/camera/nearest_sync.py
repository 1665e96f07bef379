"""Bring images of cameras that share no trigger together: with each of the first, the nearest of the others."""

from __future__ import annotations

from typing import Any

from autodrive.errors import InputError


class NearestSynchronizer:
    """Collects one value per name around each stamp of the first name; a set is handed out as soon as it is complete.

    A value belongs to a set when its stamp is within ``tolerance_ns`` of the first name's; of several the nearest of
    those that have come. No value is in two sets, and the stamps of sets increase. A reference stamp that some name has
    passed without a value for it is discarded (``dropped``); a value that is not newer than the last of its name is
    ignored (``late``). Choose a tolerance below half the period of the cameras: then there is one candidate at most.
    """

    def __init__(self, names: tuple[str, ...], tolerance_ns: int, depth: int = 20) -> None:
        """``names`` unique and not empty, ``tolerance_ns`` positive, ``depth`` at least 1; InputError otherwise."""
        if not names or len(set(names)) != len(names):
            raise InputError(f"NearestSynchronizer: names must be unique and not empty, got {names!r}")
        if not (tolerance_ns > 0 and depth >= 1):
            raise InputError(f"NearestSynchronizer: tolerance {tolerance_ns} and depth {depth} must be positive")
        self.names = tuple(names)
        self.tolerance_ns, self.depth = tolerance_ns, depth
        self.dropped = 0
        self.late = 0
        self._queues: dict[str, dict[int, Any]] = {name: {} for name in names}
        self._last: dict[str, int] = {}
        self._newest: tuple[int, dict[str, Any]] | None = None

    def add(self, name: str, stamp_ns: int, value: Any) -> dict[str, Any] | None:
        """Store one value; return a complete set, in the order of ``names``, if this value completes it."""
        if name not in self._queues:
            raise InputError(f"NearestSynchronizer: unknown name {name!r}; known are {self.names}")
        if stamp_ns <= self._last.get(name, stamp_ns - 1):
            self.late += 1
            return None
        self._last[name] = stamp_ns
        queue = self._queues[name]
        queue[stamp_ns] = value
        if len(queue) > self.depth:
            del queue[min(queue)]
            self.dropped += name == self.names[0]
        return self._match()

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Reference stamp and values of the newest complete set, None before the first."""
        return None if self._newest is None else (self._newest[0], dict(self._newest[1]))

    @property
    def pending(self) -> tuple[int, ...]:
        """Reference stamps that still lack a value, oldest first."""
        return tuple(sorted(self._queues[self.names[0]]))

    def _match(self) -> dict[str, Any] | None:
        """The newest reference stamp for which everything is there; older ones are then overtaken."""
        references = self._queues[self.names[0]]
        for reference in sorted(references, reverse=True):
            chosen = {name: self._nearest(name, reference) for name in self.names}
            if all(stamp is not None for stamp in chosen.values()):
                return self._hand_out(reference, chosen)
        for reference in [r for r in references if any(self._missed(name, r) for name in self.names)]:
            del references[reference]
            self.dropped += 1
        return None

    def _missed(self, name: str, reference: int) -> bool:
        passed = self._last.get(name, reference) > reference + self.tolerance_ns
        return passed and self._nearest(name, reference) is None

    def _nearest(self, name: str, reference: int) -> int | None:
        candidates = [s for s in self._queues[name] if abs(s - reference) <= self.tolerance_ns]
        return min(candidates, key=lambda stamp: (abs(stamp - reference), stamp), default=None)

    def _hand_out(self, reference: int, chosen: dict[str, int | None]) -> dict[str, Any]:
        complete = {}
        for name, stamp in chosen.items():
            queue = self._queues[name]
            assert stamp is not None
            complete[name] = queue[stamp]
            old = [s for s in queue if s <= stamp]
            self.dropped += len(old) - 1 if name == self.names[0] else 0
            for s in old:
                del queue[s]
        self._newest = (reference, complete)
        return dict(complete)
