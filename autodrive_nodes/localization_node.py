"""Where the car is: dead reckoning from wheel speed, gyro and steering, from the start pose on."""

from __future__ import annotations

from typing import Any

from tf2_msgs.msg import TFMessage

from autodrive.geometry import Pose2
from autodrive.localization.dead_reckoning import DeadReckoning
from autodrive.localization.start_pose import check_start_pose
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode


class LocalizationNode(StageNode):
    """velocity, steering, imu -> odometry and the transform of base_link in map."""

    def setup(self) -> None:
        """Wait for the start pose and the motion sensors."""
        self._reckoning: DeadReckoning | None = None
        self._start_ns = 0
        self._moved_ns: int | None = None
        self._early: list[tuple[int, dict[str, Any]]] = []
        self._odometry, self._tf = self.say(contracts.ODOMETRY), self.say(contracts.TF)
        self.hear(contracts.INITIAL_POSE, self._on_start)
        self.hear_together(
            {
                "speed": (contracts.VELOCITY, lambda m: m.longitudinal_velocity),
                "steering": (contracts.STEERING, lambda m: m.steering_tire_angle),
                "yaw_rate": (contracts.IMU, lambda m: m.angular_velocity.z),
            },
            self._step,
        )

    def _on_start(self, message: Any) -> None:
        self._start_ns = messages.stamp_of(message)
        p = message.pose.pose
        self._reckoning = DeadReckoning(Pose2(p.position.x, p.position.y, messages.yaw_of(p.orientation)))
        early, self._early = self._early, []
        for stamp_ns, values in early:
            self._step(stamp_ns, values)

    def _step(self, stamp_ns: int, values: dict[str, Any]) -> None:
        if self._reckoning is None:
            self._early.append((stamp_ns, values))
            return
        if self._moved_ns is None and not self.lockstep:
            check_start_pose(self._start_ns, stamp_ns)
        self._moved_ns = stamp_ns
        ego = self._reckoning.update(stamp_ns, values["speed"], values["yaw_rate"], values["steering"])
        self._odometry.publish(messages.to_odometry(ego))
        self._tf.publish(TFMessage(transforms=[messages.to_transform(stamp_ns, "map", "base_link", ego.pose)]))
