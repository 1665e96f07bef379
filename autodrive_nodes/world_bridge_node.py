"""The car's side of a world: owns /clock, publishes what the car's sensors say, and moves the car as commanded.

In lockstep the world waits, however long, for the command that carries the stamp of the frame just published; in
realtime it steps at wall speed with the newest command and brakes when none came for half a second, or a spoilt one.
"""

from __future__ import annotations

import math
from typing import Any

from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Imu

from autodrive.scene import Command
from autodrive.sim.world import TICK_S, GroundTruth, Sensors
from autodrive_nodes import contracts, messages
from autodrive_nodes.world_host import WorldHost

STALE_COMMAND_S = 0.5
BRAKE_MPS2 = -4.0
ARRIVED_M, STANDING_MPS = 1.5, 0.2


class WorldBridgeNode(WorldHost):
    """Hosts a World that is made from a town, a rig and the drive's duration."""

    defaults = {**WorldHost.defaults, "town": "summit"}  # noqa: RUF012

    def setup(self) -> None:
        """Build the world and the publishers."""
        super().setup()
        self._sensors: Sensors | None = None
        self._command = Command(0, 0.0, 0.0, 0.0)
        self._refused, self._steering_held = "", 0.0
        c = contracts
        self._velocity, self._imu, self._steering = self.say(c.VELOCITY), self.say(c.IMU), self.say(c.STEERING)
        self._route = self.say(c.ROUTE)
        self.hear(c.COMMAND, self._on_command, required=True)

    def make(self, kind: Any) -> Any:
        """A town."""
        return kind(self.value("town"), self._rig, duration_s=self.value("duration_s"))

    def started(self) -> None:
        """Announce route, start pose and cameras."""
        self._sensors = self._world.reset(self.value("seed"))
        self._route.publish(messages.to_path(self._world.route))
        self.announce(self._world.route.start)

    def must_be_heard(self) -> list[Any]:
        """What localization needs."""
        return [self._velocity, self._imu, self._steering]

    def first(self) -> None:
        """Publish the first frame."""
        if not self.lockstep:
            self.every(TICK_S / self.value("pace"), self._step)
        self._publish()

    def _on_command(self, message: Any) -> None:
        command = messages.from_control(message)
        if not self.lockstep:
            self._command = command
        elif self._sensors is not None and command.stamp_ns == self._sensors.stamp_ns and not self._ended:
            self._command = command
            self._step()

    def _step(self) -> None:
        if self._ended or self._sensors is None:
            return
        command = self._command if self.lockstep else self._obeyed(self._command, self._sensors.stamp_ns)
        self._sensors = self._world.step(command)
        self._publish()

    def _obeyed(self, command: Command, now_ns: int) -> Command:
        """The newest command, or braking with the wheels held: when the gate is silent or says what is no number, or
        somebody passes for it."""
        age_s = (now_ns - command.stamp_ns) * 1e-9
        why = self.rivals(contracts.COMMAND)
        if not why and not all(map(math.isfinite, (command.steering, command.acceleration, command.speed))):
            why = "the command is not finite"
        if not why and age_s > STALE_COMMAND_S:
            why = f"the command is {age_s:.1f} s old"
        if why:
            command = Command(now_ns, self._steering_held, BRAKE_MPS2, 0.0)
            if not self._refused:
                self.diagnose(now_ns, DiagnosticStatus.ERROR, f"brakes by itself: {why}")
        self._refused, self._steering_held = why, command.steering
        return command

    def _publish(self) -> None:
        assert self._sensors is not None
        s = self._sensors
        truth = self._world.ground_truth()
        end = self._reason_to_end(truth)
        self.publish_truth(truth, end)
        self.publish_time(s.stamp_ns)
        if not end:
            self._publish_motion(s)
            self.publish_images(s.stamp_ns, s.images)

    def _publish_motion(self, s: Sensors) -> None:
        header = messages.header(s.stamp_ns, "base_link")
        speed = VelocityReport(header=header, longitudinal_velocity=s.wheel_speed, heading_rate=float(s.gyro[2]))
        self._velocity.publish(speed)
        self._steering.publish(SteeringReport(stamp=header.stamp, steering_tire_angle=s.steering))
        imu = Imu(header=header)
        imu.angular_velocity.x, imu.angular_velocity.y, imu.angular_velocity.z = s.gyro.tolist()
        a = imu.linear_acceleration
        a.x, a.y, a.z = s.accelerometer.tolist()
        imu.orientation_covariance[0] = -1.0  # no orientation, as sensor_msgs/Imu says it
        self._imu.publish(imu)

    def _reason_to_end(self, truth: GroundTruth) -> str:
        goal = self._world.route.points[-1]
        front = truth.ego.x, truth.ego.y
        if math.dist(front, goal) < ARRIVED_M and abs(truth.speed) < STANDING_MPS:
            return "route completed"
        return "time is over" if truth.stamp_ns >= self._end_ns else ""
