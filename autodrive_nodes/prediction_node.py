"""What the others will do: several modes for every track."""

from __future__ import annotations

from typing import Any

from autodrive.forecast import forecast
from autodrive.scene import Route
from autodrive_nodes import contracts, messages
from autodrive_nodes.object_bytes import forecasts_to_bytes, tracks_from_bytes
from autodrive_nodes.stage_node import StageNode


class PredictionNode(StageNode):
    """tracks, odometry, free space, lanes -> predicted objects; a route, where ``routed``, tells how the road runs."""

    defaults = {"routed": True}  # noqa: RUF012

    def setup(self) -> None:
        """Hear perception."""
        self._route: Route | None = None
        self._early: list[tuple[int, dict[str, Any]]] = []
        self._predictions = self.say(contracts.PREDICTIONS)
        if self.value("routed"):
            self.hear(contracts.ROUTE, self._on_route)
        self.hear_together(
            {
                "tracks": (contracts.TRACKS, tracks_from_bytes),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "free": (contracts.FREE_SPACE, messages.from_occupancy),
                "markings": (contracts.LANES, messages.from_markings),
            },
            self._step,
        )

    def _on_route(self, message: Any) -> None:
        points = messages.path_points(message)
        self._route = Route(points, messages.route_start(points), 0.0)
        early, self._early = self._early, []
        for stamp_ns, values in early:
            self._step(stamp_ns, values)

    def _step(self, stamp_ns: int, v: dict[str, Any]) -> None:
        if self._route is None and self.value("routed"):
            self._early.append((stamp_ns, v))
            return
        forecasts = forecast(v["tracks"], v["ego"], self._route, v["free"], markings=v["markings"])
        self._predictions.publish(forecasts_to_bytes(stamp_ns, forecasts))
