"""The arms: what the task asks of the hands, as joint targets and torques at every tick of the body."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import String

from autodrive.humanoid.arm_task import ArmStatus, ArmTask
from autodrive.humanoid.arms import make_arms
from autodrive.humanoid.robot import load_robot
from autodrive.tasks.wish import TaskState
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.body_messages import from_joints_and_imu, to_joint_command
from optimus_nodes.task_json import status_to_json, task_from_json
from optimus_nodes.tick_gate import TickGate
from optimus_nodes.timing import is_frame


class ManipulationNode(StageNode):
    """joint states, imu, odometry of the body, task -> arm command, state of the hands.

    ``stages`` are the nodes without whose output no task comes: a frame that one of them failed at is bridged.
    """

    defaults = {"robot": "g1", "stages": [""]}  # noqa: RUF012

    def setup(self) -> None:
        """Build the model of the arms."""
        self._arms = make_arms(load_robot(self.value("robot")))
        self._status: ArmStatus | None = None
        self._command, self._state = self.say(contracts.ARM_COMMAND), self.say(contracts.MANIPULATION_STATE)
        self._gate = TickGate(self._step, patient=self.lockstep)
        self._stages = frozenset(self.value("stages"))
        self.hear(contracts.TASK, self._on_task, required=True)
        self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        self.hear_together(
            {
                "joints": (contracts.JOINT_STATES, lambda m: m),
                "imu": (contracts.IMU, lambda m: m),
                "ego": (contracts.BODY_ODOMETRY, messages.from_odometry),
            },
            self._on_tick,
        )

    def _on_task(self, message: String) -> None:
        task = task_from_json(message.data)
        self._gate.command(task.stamp_ns, task)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        if stamp_ns and any(s.level == DiagnosticStatus.ERROR and s.name in self._stages for s in message.status):
            self._gate.bridge(stamp_ns)

    def _on_tick(self, stamp_ns: int, values: dict[str, Any]) -> None:
        if is_frame(stamp_ns):
            # the task of this frame is decided from it, so it goes out before that task is known
            self._state.publish(String(data=status_to_json(stamp_ns, self._status)))
        self._gate.tick(stamp_ns, values)

    def _step(self, stamp_ns: int, v: dict[str, Any], task: TaskState | None) -> None:
        body = from_joints_and_imu(v["joints"], v["imu"])
        command, self._status = self._arms.step(body, v["ego"], ArmTask("rest") if task is None else task.arms)
        self._command.publish(to_joint_command(command))
