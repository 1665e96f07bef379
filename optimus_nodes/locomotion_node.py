"""The legs: a walking policy at 50 Hz that follows /cmd_vel, with the arms of the manipulation, inside joint limits."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TwistStamped

from autodrive.body import WalkCommand
from autodrive.errors import InputError
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.walker import Walker
from autodrive.safety.joint_limits import JointGuard
from autodrive_nodes import contracts
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.body_messages import from_arm_command, from_joints_and_imu, from_twist, to_joint_command
from optimus_nodes.tick_gate import TickGate

STALE_NS = 500_000_000


class LocomotionNode(StageNode):
    """joint states, imu, arm command, /cmd_vel -> joint command."""

    defaults = {"robot": "g1"}  # noqa: RUF012

    def setup(self) -> None:
        """Load the policy."""
        robot = load_robot(self.value("robot"))
        self._walker = Walker(robot)
        self._guard = JointGuard(robot.limits(robot.floating_spec().compile()))
        self._command = self.say(contracts.JOINT_COMMAND)
        self._gate = TickGate(self._step, patient=self.lockstep)
        self.hear(contracts.CMD_VEL, self._on_walk, required=True)
        self.hear_together(
            {
                "joints": (contracts.JOINT_STATES, lambda m: m),
                "imu": (contracts.IMU, lambda m: m),
                "arms": (contracts.ARM_COMMAND, from_arm_command),
            },
            self._gate.tick,
        )

    def _on_walk(self, message: TwistStamped) -> None:
        walk = from_twist(message)
        self._gate.command(walk.stamp_ns, walk)

    def _step(self, stamp_ns: int, v: dict[str, Any], walk: WalkCommand | None) -> None:
        unsure = not self.lockstep and self.rivals(contracts.CMD_VEL)
        if walk is None or unsure or not 0 <= stamp_ns - walk.stamp_ns <= STALE_NS:
            walk = WalkCommand(stamp_ns, 0.0, 0.0, 0.0)
        body = from_joints_and_imu(v["joints"], v["imu"])
        verdict = self._guard.check(self._walker.step(body, walk, v["arms"]), stamp_ns)
        if verdict.command is not None:
            self._command.publish(to_joint_command(verdict.command))
        if verdict.fault:
            raise InputError(verdict.fault)
