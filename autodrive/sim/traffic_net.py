"""The road network that SUMO has loaded: where each class may go, and random ways through it."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence

import libsumo

_ATTEMPTS = 60


class TrafficNet:
    """Read once after each load; edge and lane names are SUMO's."""

    def __init__(self, classes: Collection[str], closed_lanes: Collection[str] = ()) -> None:
        """``classes`` are SUMO vehicle classes; ``closed_lanes`` are open to none of them."""
        edges = sorted(e for e in libsumo.edge.getIDList() if not e.startswith(":"))
        self._lanes: dict[str, list[tuple[str, int]]] = {c: [] for c in sorted(classes)}
        for edge in edges:
            for index in range(libsumo.edge.getLaneNumber(edge)):
                lane = f"{edge}_{index}"
                if lane in closed_lanes:
                    libsumo.lane.setDisallowed(lane, [*libsumo.lane.getDisallowed(lane), *self._lanes])
                for name in self._lanes:
                    if _admits(lane, name):
                        self._lanes[name].append((edge, index))
        ends = {(libsumo.edge.getFromJunction(e), libsumo.edge.getToJunction(e)): e for e in edges}
        self._opposite = {edge: ends.get((b, a)) for (a, b), edge in ends.items()}

    def opposite(self, edge: str) -> str | None:
        """The edge of the same street in the other direction."""
        return self._opposite.get(edge)

    def walkable(self, edge: str) -> bool:
        """Whether the edge has a sidewalk."""
        return any(e == edge for e, _ in self._lanes["pedestrian"])

    def random_lane(self, rng: random.Random, vehicle_class: str) -> tuple[str, int]:
        """An edge and the index of one of its lanes that is open to the class."""
        return rng.choice(self._lanes[vehicle_class])

    def random_route(self, rng: random.Random, vehicle_class: str, type_id: str, start: str) -> Sequence[str]:
        """Edges from ``start`` to anywhere else, at least three; the start alone if there is no way out."""
        best: Sequence[str] = (start,)
        for _ in range(_ATTEMPTS):
            goal, _index = self.random_lane(rng, vehicle_class)
            edges = libsumo.simulation.findRoute(start, goal, type_id).edges
            if len(edges) > 2:
                return tuple(edges)
            if len(edges) > len(best):
                best = tuple(edges)
        return best

    def random_walk(self, rng: random.Random, start: str) -> tuple[str, Sequence[libsumo.simulation.Stage]]:
        """A walk from ``start`` to another sidewalk: the edge where it ends, and the stages for SUMO."""
        for _ in range(_ATTEMPTS):
            goal, _index = self.random_lane(rng, "pedestrian")
            stages = libsumo.simulation.findIntermodalRoute(start, goal, modes="") if goal != start else ()
            if stages:
                return goal, stages
        return start, ()


def lane_length(edge: str, index: int) -> float:
    """Length of a lane [m]."""
    return float(libsumo.lane.getLength(f"{edge}_{index}"))


def place_on(edge: str, index: int, position: float) -> tuple[float, float]:
    """World coordinates of a point at ``position`` [m] along a lane."""
    x, y = libsumo.simulation.convert2D(edge, position, index)
    return float(x), float(y)


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance between two points [m]."""
    return math.hypot(a[0] - b[0], a[1] - b[1])


def _admits(lane: str, vehicle_class: str) -> bool:
    allowed = libsumo.lane.getAllowed(lane)
    return vehicle_class in allowed if allowed else vehicle_class not in libsumo.lane.getDisallowed(lane)
