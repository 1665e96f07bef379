"""The humanoid's side of a world: owns /clock, publishes joints, IMU and cameras, and moves the joints as commanded.

In lockstep the world waits, however long, for the joint command of the tick just published; in realtime it steps at
wall speed with the newest command, and keeps its balance by itself, as a robot's firmware does, when no new one comes
or somebody else publishes commands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from autodrive.body import JointCommand
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.standby import Standby
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts
from autodrive_nodes.world_host import WorldHost
from optimus_nodes.body_messages import from_joint_command, to_imu, to_joint_states
from optimus_nodes.task_json import grounding_from_json
from optimus_nodes.timing import TICK_NS, is_frame

FALLEN_S = 2.0  # a fallen robot does not get up: the run ends a moment later, so that the fall is on record
# so long after the stamp at which the task ended, the run ends; long enough for the word to arrive before, in lockstep
AFTER_TASK_S = 2.0
OVER = ("done", "failed", "refused", "question")


class BodyBridgeNode(WorldHost):
    """Hosts a World that is made from a robot, a rig and the run's duration.

    ``ends_with_task``: the run is over a moment after the instruction is carried out, refused or asked back about.
    """

    defaults = {**WorldHost.defaults, "robot": "g1", "ends_with_task": False}  # noqa: RUF012

    def setup(self) -> None:
        """Build the world and the publishers."""
        super().setup()
        self._sensors: Any = None
        self._command: JointCommand | None = None
        self._standby = None if self.lockstep else Standby(load_robot(self.value("robot")))
        self._fell_ns: int | None = None
        self._task_over_ns: int | None = None
        self._joints, self._imu = self.say(contracts.JOINT_STATES), self.say(contracts.IMU)
        self.hear(contracts.JOINT_COMMAND, self._on_command, required=True)
        if self.value("ends_with_task"):
            self.hear(contracts.GROUNDING, self._on_grounding)

    def make(self, kind: Any) -> Any:
        """A hall."""
        return kind(self.value("robot"), self._rig, duration_s=self.value("duration_s"))

    def started(self) -> None:
        """Announce start pose and cameras."""
        self._sensors = self._world.reset(self.value("seed"))
        self.announce(self._world.start)

    def must_be_heard(self) -> list[Any]:
        """What odometry needs."""
        return [self._joints, self._imu]

    def first(self) -> None:
        """Publish the first tick, which is a frame."""
        if not self.lockstep:
            self.every(TICK_NS * 1e-9 / self.value("pace"), self._step)
        self._publish()

    def _on_command(self, message: JointState) -> None:
        command = from_joint_command(message)
        if not self.lockstep:
            self._command = command
        elif self._sensors is not None and command.stamp_ns == self._sensors.body.stamp_ns and not self._ended:
            self._command = command
            self._step()

    def _on_grounding(self, message: String) -> None:
        told = grounding_from_json(message.data)
        self._task_over_ns = told["stamp_ns"] if told["state"] in OVER else None

    def _step(self) -> None:
        if self._ended or self._command is None:
            return
        command = self._command if self._standby is None else self._obeyed(self._command, self._standby)
        self._sensors = self._world.step(command)
        self._publish()

    def _obeyed(self, command: JointCommand, standby: Standby) -> JointCommand:
        body, before = self._sensors.body, standby.active
        refused = self.rivals(contracts.JOINT_COMMAND) or _unsound(command, body.names)
        chosen = standby.choose(body, command, trusted=not refused)
        if standby.active and not before:
            age_s = (body.stamp_ns - command.stamp_ns) * 1e-9
            why = refused or f"the joint command is {age_s:.2f} s old"
            self.diagnose(body.stamp_ns, DiagnosticStatus.ERROR, f"stands by itself: {why}")
        return chosen

    def _publish(self) -> None:
        body = self._sensors.body
        end = ""
        if is_frame(body.stamp_ns):
            truth = self._world.ground_truth()
            end = self._reason_to_end(truth)
            self.publish_truth(truth, end)
        self.publish_time(body.stamp_ns)
        if end:
            return
        self._joints.publish(to_joint_states(body))
        self._imu.publish(to_imu(body))
        if is_frame(body.stamp_ns):
            self.publish_images(body.stamp_ns, self._sensors.images)

    def _reason_to_end(self, truth: GroundTruth) -> str:
        if truth.fallen:
            self._fell_ns = self._fell_ns or truth.stamp_ns
            if truth.stamp_ns - self._fell_ns >= FALLEN_S * 1e9:
                return "the robot fell"
        if self._task_over_ns is not None and truth.stamp_ns - self._task_over_ns >= AFTER_TASK_S * 1e9:
            return "the task is over"
        return "time is over" if truth.stamp_ns >= self._end_ns else ""


def _unsound(command: JointCommand, joints: tuple[str, ...]) -> str:
    """Why the body would not take a command, "" if it would."""
    shapes = command.position.shape, command.effort.shape
    if command.names != joints or shapes != ((len(joints),), (len(joints),)):
        return "the joint command is not one for these joints"
    return "" if np.isfinite(command.position + command.effort).all() else "the joint command is not finite"
