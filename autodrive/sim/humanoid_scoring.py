"""Scores an episode of a body on legs from ground truth: falls, touches, ways, and distances to people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from autodrive.scene import ObjectClass
from autodrive.sim.hall_tasks import surface_distance
from autodrive.sim.touches import Touches
from autodrive.sim.world import Contact, GroundTruth

STRIDE_M = 0.1  # a standing body sways: its way grows only in strides


@dataclass(frozen=True, slots=True)
class TouchEvent:
    """The body began to touch a person or a thing."""

    stamp_ns: int
    kind: str
    name: str


class HumanoidScorer:
    """Feed it every frame's truth, in order. What the hands shall touch (``handled``, ids) is no contact to count."""

    def __init__(self, handled: frozenset[str] = frozenset()) -> None:
        self._handled = handled
        self._touches = Touches()
        self._falls = Touches()
        self.history: list[GroundTruth] = []
        self.falls = 0
        self.events: list[TouchEvent] = []
        self.path_length_m = 0.0
        self._stride_from: tuple[float, float] | None = None
        self._clearance_m = math.inf

    def update(self, truth: GroundTruth) -> None:
        """Take in one frame."""
        self.history.append(truth)
        self.falls += len(self._falls.new(truth.stamp_ns, [Contact("fall", "ground")] if truth.fallen else []))
        for contact in self._touches.new(truth.stamp_ns, truth.contacts):
            if contact.name not in self._handled:
                self.events.append(TouchEvent(truth.stamp_ns, contact.kind, contact.name))
        self._move(truth.ego.x, truth.ego.y)
        for item in truth.objects:
            if item.label == ObjectClass.PEDESTRIAN:
                self._clearance_m = min(self._clearance_m, surface_distance(item, truth.ego.x, truth.ego.y))

    def result(self) -> dict[str, Any]:
        """Plain types for report.json; distances to people are from base_link to a person's box."""
        people = sum(event.kind == "pedestrian" for event in self.events)
        return {
            "falls": self.falls,
            "contacts_with_people": people,
            "contacts_with_objects": len(self.events) - people,
            "contact_events": [{"t": e.stamp_ns * 1e-9, "kind": e.kind, "name": e.name} for e in self.events],
            "path_length_m": self.path_length_m,
            "min_distance_to_people_m": None if math.isinf(self._clearance_m) else self._clearance_m,
        }

    def _move(self, x: float, y: float) -> None:
        if self._stride_from is None:
            self._stride_from = (x, y)
        stride = math.dist(self._stride_from, (x, y))
        if stride >= STRIDE_M:
            self.path_length_m += stride
            self._stride_from = (x, y)
