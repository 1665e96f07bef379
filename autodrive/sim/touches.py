"""Turns contacts, which last, flicker and come in swarms, into events that may be counted."""

from __future__ import annotations

from collections.abc import Iterable

from autodrive.sim.world import Contact

TOUCH_GAP_S = 2.0  # touching the same thing again within this time is the same event


class Touches:
    """Says which contacts are new; the same thing counts again only after it was left alone for TOUCH_GAP_S."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}

    def new(self, stamp_ns: int, contacts: Iterable[Contact]) -> list[Contact]:
        """The contacts of one tick, in order of time, that begin an event."""
        begun = []
        for contact in contacts:
            last = self._last_ns.get(contact.name)
            self._last_ns[contact.name] = stamp_ns
            if last is None or (stamp_ns - last) * 1e-9 > TOUCH_GAP_S:
                begun.append(contact)
        return begun
