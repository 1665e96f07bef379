"""Decides how to walk: a timed trajectory to the task's goal, by the car's planner with a walking motion model."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from autodrive.planning.goal_planner import GoalPlanner
from autodrive.tasks.wish import TaskState
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.track_ages import TrackAges
from autodrive_nodes.trajectory_bytes import trajectory_to_bytes
from optimus_nodes.task_json import task_from_json


class WalkPlanningNode(StageNode):
    """predictions, odometry, free space, task -> trajectory."""

    def setup(self) -> None:
        """Hear what is predicted and what is wanted."""
        self._planner = GoalPlanner()
        self._trajectory = self.say(contracts.TRAJECTORY)
        self.hear_together(
            {
                "forecasts": (contracts.PREDICTIONS, TrackAges().forecasts),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "free": (contracts.FREE_SPACE, messages.from_occupancy),
                "task": (contracts.TASK, lambda m: task_from_json(m.data)),
            },
            self._step,
        )

    def _step(self, stamp_ns: int, v: dict[str, Any]) -> None:
        task: TaskState = v["task"]
        plan = self._planner.plan(
            v["ego"], v["forecasts"], v["free"], task.goal, carrying=task.carrying, target_ids=task.near
        )
        self._trajectory.publish(trajectory_to_bytes(plan))
        level = DiagnosticStatus.WARN if plan.fallback else DiagnosticStatus.OK
        self.diagnose(stamp_ns, level, plan.reason, {"phase": task.phase})
