"""Bring values that carry the same camera stamp together, whatever the order in which they arrive."""

from __future__ import annotations

from typing import Any

from autodrive.errors import InputError


class StampSynchronizer:
    """Collects one value per name and stamp; a set is handed out exactly once, when it is complete.

    Stamps only go forward: completing stamp t discards every incomplete set older than t (``dropped`` counts the sets),
    and a value that comes for a stamp already completed or discarded is ignored (``late``). A second value for the same
    name and stamp changes nothing (``duplicates``). At most ``depth`` incomplete sets are held, then the oldest goes.
    """

    def __init__(self, names: tuple[str, ...], depth: int = 20) -> None:
        """``names`` must be unique and not empty, ``depth`` at least 1; raises InputError otherwise."""
        if not names or len(set(names)) != len(names):
            raise InputError(f"StampSynchronizer: names must be unique and not empty, got {names!r}")
        if not depth >= 1:
            raise InputError(f"StampSynchronizer: depth must be at least 1, got {depth!r}")
        self.names = tuple(names)
        self.depth = depth
        self.dropped = 0
        self.duplicates = 0
        self.late = 0
        self._pending: dict[int, dict[str, Any]] = {}
        self._newest: tuple[int, dict[str, Any]] | None = None
        self._floor: int | None = None  # stamps up to here are over: completed, overtaken or pushed out

    def add(self, name: str, stamp_ns: int, value: Any) -> dict[str, Any] | None:
        """Store one value; return the complete set, in the order of ``names``, if this value completes it."""
        if name not in self.names:
            raise InputError(f"StampSynchronizer: unknown name {name!r}; known are {self.names}")
        if self._floor is not None and stamp_ns <= self._floor:
            if self._newest is not None and stamp_ns == self._newest[0]:
                self.duplicates += 1
            else:
                self.late += 1
            return None
        waiting = self._pending.setdefault(stamp_ns, {})
        if name in waiting:
            self.duplicates += 1
            return None
        waiting[name] = value
        if len(waiting) == len(self.names):
            return self._complete(stamp_ns)
        if len(self._pending) > self.depth:
            self._discard_up_to(min(self._pending))
        return None

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Stamp and values of the newest complete set, None before the first."""
        return None if self._newest is None else (self._newest[0], dict(self._newest[1]))

    @property
    def pending(self) -> tuple[int, ...]:
        """Stamps of the sets that still lack a value, oldest first."""
        return tuple(sorted(self._pending))

    def clear(self) -> None:
        """Forget all sets and stamps, as at the start of an episode; the counters stay."""
        self._pending.clear()
        self._newest = None
        self._floor = None

    def _complete(self, stamp_ns: int) -> dict[str, Any]:
        waiting = self._pending.pop(stamp_ns)
        complete = {name: waiting[name] for name in self.names}
        self._discard_up_to(stamp_ns)
        self._newest = (stamp_ns, complete)
        return dict(complete)

    def _discard_up_to(self, stamp_ns: int) -> None:
        for old in [stamp for stamp in self._pending if stamp <= stamp_ns]:
            del self._pending[old]
            self.dropped += 1
        self._floor = stamp_ns
