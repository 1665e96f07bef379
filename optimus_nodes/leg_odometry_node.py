"""Where the humanoid is: leg kinematics and the IMU, from the start pose on; no pose from outside."""

from __future__ import annotations

from typing import Any

from tf2_msgs.msg import TFMessage

from autodrive.geometry import Pose2
from autodrive.humanoid.robot import load_robot
from autodrive.localization.leg_odometry import LegOdometry
from autodrive.localization.start_pose import check_start_pose
from autodrive.lockstep import StampSynchronizer
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.body_messages import from_joints_and_imu
from optimus_nodes.timing import is_frame


class LegOdometryNode(StageNode):
    """joint states, imu -> odometry of the body at every tick, and what the car calls localization at every frame."""

    defaults = {"robot": "g1"}  # noqa: RUF012

    def setup(self) -> None:
        """Wait for the start pose and the body."""
        self._robot = load_robot(self.value("robot"))
        self._odometry: LegOdometry | None = None
        self._start_ns = 0
        self._moved_ns: int | None = None
        self._early: list[tuple[int, dict[str, Any]]] = []
        self._body, self._frame = self.say(contracts.BODY_ODOMETRY), self.say(contracts.ODOMETRY)
        self._tf = self.say(contracts.TF)
        self.hear(contracts.INITIAL_POSE, self._on_start)
        self._sets: StampSynchronizer = self.hear_together(
            {"joints": (contracts.JOINT_STATES, lambda m: m), "imu": (contracts.IMU, lambda m: m)}, self._step
        )

    def _on_start(self, message: Any) -> None:
        self._start_ns = messages.stamp_of(message)
        p = message.pose.pose
        start = Pose2(p.position.x, p.position.y, messages.yaw_of(p.orientation))
        self._odometry = LegOdometry(self._robot, start)
        early, self._early = self._early, []
        for stamp_ns, values in early:
            self._step(stamp_ns, values)

    def _step(self, stamp_ns: int, values: dict[str, Any]) -> None:
        if self._odometry is None:
            self._early.append((stamp_ns, values))
            return
        if self._moved_ns is None and not self.lockstep:
            check_start_pose(self._start_ns, stamp_ns)
        self._moved_ns = stamp_ns
        ego = self._odometry.update(from_joints_and_imu(values["joints"], values["imu"]))
        self._body.publish(messages.to_odometry(ego))
        if is_frame(stamp_ns):
            self._frame.publish(messages.to_odometry(ego))
            self._tf.publish(TFMessage(transforms=[messages.to_transform(stamp_ns, "map", "base_link", ego.pose)]))
