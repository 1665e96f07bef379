"""Decides: a timed trajectory along the route, held to the lane that the cameras see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from autodrive.localization.lane_alignment import LaneAligner
from autodrive.localization.reframe import reframe_forecast, reframe_trajectory
from autodrive.planning.planner import Planner
from autodrive.scene import Route
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.track_ages import TrackAges
from autodrive_nodes.trajectory_bytes import trajectory_to_bytes


class PlanningNode(StageNode):
    """predictions, odometry, free space, lanes -> trajectory."""

    defaults = {"speed_limit": 8.33}  # noqa: RUF012

    def setup(self) -> None:
        """Wait for the route."""
        self._planner, self._aligner = Planner(), LaneAligner()
        self._route: Route | None = None
        self._early: list[tuple[int, dict[str, Any]]] = []
        self._trajectory = self.say(contracts.TRAJECTORY)
        self.hear(contracts.ROUTE, self._on_route)
        self.hear_together(
            {
                "forecasts": (contracts.PREDICTIONS, TrackAges().forecasts),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "free": (contracts.FREE_SPACE, messages.from_occupancy),
                "markings": (contracts.LANES, messages.from_markings),
            },
            self._step,
        )

    def _on_route(self, message: Any) -> None:
        points = messages.path_points(message)
        self._route = Route(points, messages.route_start(points), self.value("speed_limit"))
        self._planner.set_route(self._route)
        early, self._early = self._early, []
        for stamp_ns, values in early:
            self._step(stamp_ns, values)

    def _step(self, stamp_ns: int, v: dict[str, Any]) -> None:
        if self._route is None:
            self._early.append((stamp_ns, v))
            return
        ego = v["ego"]
        correction = self._aligner.update(ego, self._route, v["free"], v["markings"])
        # dead reckoning drifts against the route; objects drift with the ego, so all move together
        aligned = correction.apply(ego.pose)
        shift = aligned @ ego.pose.inverse()
        forecasts = tuple(reframe_forecast(f, shift) for f in v["forecasts"])
        plan = self._planner.plan(replace(ego, pose=aligned), forecasts, v["free"], v["markings"])
        self._trajectory.publish(trajectory_to_bytes(reframe_trajectory(plan, shift.inverse())))
        level = DiagnosticStatus.WARN if plan.fallback else DiagnosticStatus.OK
        self.diagnose(stamp_ns, level, plan.reason, {"lateral_correction_m": f"{correction.offset_m:.3f}"})
