"""Holds the body's ticks back until the command of their camera frame is there: what makes 50 Hz control lockstep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimus_nodes.timing import frame_of

MAX_WAITING = 100


class TickGate:
    """Calls ``step(stamp, values, command)`` in order of stamps.

    A ``patient`` one lets a tick wait for the command stamped with its frame; else the newest command holds, or None.
    """

    def __init__(self, step: Callable[[int, Any, Any], None], patient: bool) -> None:
        self._step, self._patient = step, patient
        self._waiting: list[tuple[int, Any]] = []
        self._commands: dict[int, Any] = {}
        self._newest: Any = None

    def command(self, stamp_ns: int, command: Any) -> None:
        """A frame's command came."""
        self._commands[stamp_ns] = self._newest = command
        while len(self._commands) > 2:
            del self._commands[min(self._commands)]
        self._advance()

    def bridge(self, stamp_ns: int) -> None:
        """No command will come for a frame that was spoilt: the last one holds on."""
        if stamp_ns not in self._commands:
            self.command(stamp_ns, self._newest)

    def tick(self, stamp_ns: int, values: Any) -> None:
        """A tick's inputs came."""
        self._waiting.append((stamp_ns, values))
        del self._waiting[:-MAX_WAITING]
        self._advance()

    def _advance(self) -> None:
        while self._waiting:
            stamp_ns, values = self._waiting[0]
            if self._patient and frame_of(stamp_ns) not in self._commands:
                return
            self._waiting.pop(0)
            command = self._commands[frame_of(stamp_ns)] if self._patient else self._newest
            self._step(stamp_ns, values, command)
