"""Follows the trajectory: steering and acceleration."""

from __future__ import annotations

from autodrive.control.controller import Controller
from autodrive.scene import EgoState, Trajectory
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes


class ControlNode(StageNode):
    """trajectory, odometry -> control; in realtime on every odometry with the newest trajectory."""

    def setup(self) -> None:
        """Hear planning and localization."""
        self._controller = Controller()
        self._newest: Trajectory | None = None
        self._control = self.say(contracts.CONTROL)
        if self.lockstep:
            self.hear_together(
                {
                    "trajectory": (contracts.TRAJECTORY, trajectory_from_bytes),
                    "ego": (contracts.ODOMETRY, messages.from_odometry),
                },
                lambda _, v: self._step(v["trajectory"], v["ego"]),
            )
        else:
            self.hear(contracts.TRAJECTORY, self._on_trajectory, raw=True)
            self.hear(contracts.ODOMETRY, lambda m: self._step(self._newest, messages.from_odometry(m)))

    def _on_trajectory(self, data: bytes) -> None:
        self._newest = trajectory_from_bytes(data)

    def _step(self, trajectory: Trajectory | None, ego: EgoState) -> None:
        self._control.publish(messages.to_control(self._controller.step(trajectory, ego)))
