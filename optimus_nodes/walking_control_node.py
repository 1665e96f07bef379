"""Follows the trajectory on legs, or takes the last paces to a pose nearer to furniture than the planner goes."""

from __future__ import annotations

from typing import Any

from autodrive.body import WalkCommand
from autodrive.control.walking import WalkingController
from autodrive.geometry import Pose2
from autodrive.humanoid.docking import DockState, dock
from autodrive.scene import EgoState
from autodrive.tasks.wish import TaskState
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes
from optimus_nodes.body_messages import to_twist
from optimus_nodes.task_json import task_from_json


class WalkingControlNode(StageNode):
    """trajectory, odometry, task -> velocity command."""

    def setup(self) -> None:
        """Hear planning and localization."""
        self._controller = WalkingController()
        self._dock: tuple[Pose2, DockState] | None = None
        self._walk = self.say(contracts.WALK)
        self.hear_together(
            {
                "trajectory": (contracts.TRAJECTORY, trajectory_from_bytes),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "task": (contracts.TASK, lambda m: task_from_json(m.data)),
            },
            lambda _, v: self._walk.publish(to_twist(self._step(v))),
        )

    def _step(self, v: dict[str, Any]) -> WalkCommand:
        ego: EgoState = v["ego"]
        task: TaskState = v["task"]
        followed = self._controller.step(v["trajectory"], ego)
        if task.dock is None:
            self._dock = None
            return followed
        if self._dock is None or self._dock[0] != task.dock:
            self._dock = task.dock, DockState()
        command, state = dock(ego, task.dock, self._dock[1])
        self._dock = task.dock, state
        return command
