"""The world's side of the graph: owns /clock, publishes what the car's sensors say, and moves the car as commanded.

In lockstep the world waits, however long, for the command that carries the stamp of the frame just published; in
realtime it steps at wall speed with the newest command and brakes when none came for half a second.
"""

from __future__ import annotations

import importlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport
from geometry_msgs.msg import PoseWithCovarianceStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Imu
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from autodrive.errors import AutodriveError
from autodrive.rig import Camera, load_rig
from autodrive.scene import Command
from autodrive.sim.world import TICK_S, GroundTruth, Sensors, World
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.truth import truth_messages, truth_to_json

SETTLE_S = 0.5
STALE_COMMAND_NS = 500_000_000
BRAKE_MPS2 = -4.0
ARRIVED_M, STANDING_MPS = 1.5, 0.2


class WorldBridgeNode(StageNode):
    """Hosts a World: ``world`` is "module:Class" of one that is made from a town, a rig and the drive's duration."""

    defaults = {"world": "", "rig": "", "town": "summit", "seed": 1, "duration_s": 60.0}  # noqa: RUF012

    def setup(self) -> None:
        """Build the world, its image rings and the publishers."""
        rig = load_rig(Path(self.value("rig")))
        module, _, name = self.value("world").partition(":")
        make = getattr(importlib.import_module(module), name)
        self._world: World = make(self.value("town"), rig, duration_s=self.value("duration_s"))
        self._rig = rig
        self._rings = {c.name: RingWriter(f"camera_{c.name}", c.width * c.height * 3) for c in rig.cameras}
        self._end_ns = round(self.value("duration_s") * 1e9)
        self._sensors: Sensors | None = None
        self._command = Command(0, 0.0, 0.0, 0.0)
        self._ended = False
        c = contracts
        self._time, self._velocity, self._imu = self.say(c.CLOCK), self.say(c.VELOCITY), self.say(c.IMU)
        self._steering, self._events = self.say(c.STEERING), self.say(c.TRUTH_EVENTS)
        self._truth_objects, self._truth_odometry = self.say(c.TRUTH_OBJECTS), self.say(c.TRUTH_ODOMETRY)
        self._route, self._start_pose, self._tf = self.say(c.ROUTE), self.say(c.INITIAL_POSE), self.say(c.TF_STATIC)
        self._infos = {k.name: self.say(c.CAMERA_INFO, camera=k.name) for k in rig.cameras}
        self._plain = {k.name: self.say(c.IMAGE, camera=k.name) for k in rig.cameras}
        self._shm = {k.name: self.say(c.IMAGE_SHM, camera=k.name) for k in rig.cameras}
        self.hear(c.COMMAND, self._on_command, required=True)

    def started(self) -> None:
        """Announce route, start pose and cameras; the first frame follows when everybody listens."""
        self._sensors = self._world.reset(self.value("seed"))
        self._route.publish(messages.to_path(self._world.route))
        start = PoseWithCovarianceStamped(header=messages.header(0, "map"))
        pose = self._world.route.start
        start.pose.pose = messages.to_pose(pose.x, pose.y, 0.0, pose.yaw)
        self._start_pose.publish(start)
        self._tf.publish(TFMessage(transforms=[messages.to_camera_transform(k) for k in self._rig.cameras]))
        for camera in self._rig.cameras:
            self._infos[camera.name].publish(messages.to_camera_info(camera))
        self._heard_since: float | None = None
        self._waiting = self.every(0.1, self._begin_when_heard)

    def report_failure(self, text: str, stamp_ns: int | None = None) -> None:
        """A world that fails ends the drive."""
        if not self._ended:
            self._ended = True
            self.say_fatal(f"{self.get_name()}: {text}")

    def _begin_when_heard(self) -> None:
        """Discovery is not instant: a frame published before all listen would be lost to some."""
        heard = [p.get_subscription_count() > 0 for p in (self._velocity, self._imu, self._steering)]
        heard += [p.get_subscription_count() > 0 for p in self._shm.values()]
        if not all(heard):
            self._heard_since = None
            return
        now = time.monotonic()
        self._heard_since = self._heard_since or now
        if now - self._heard_since < SETTLE_S:
            return
        self.stop(self._waiting)
        if not self.lockstep:
            self.every(TICK_S, self._step)
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
        command = self._command
        if not self.lockstep and self._sensors.stamp_ns - command.stamp_ns > STALE_COMMAND_NS:
            command = Command(self._sensors.stamp_ns, command.steering, BRAKE_MPS2, 0.0)
        self._sensors = self._world.step(command)
        self._publish()

    def _publish(self) -> None:
        assert self._sensors is not None
        s = self._sensors
        truth = self._world.ground_truth()
        end = self._reason_to_end(truth)
        self._ended = bool(end)
        event: dict[str, Any] = {"stamp_ns": s.stamp_ns, "wall_ns": time.monotonic_ns(), "truth": truth_to_json(truth)}
        if end:
            event |= {"end": end, "state_sha256": self._world.state_digest().hex()}
        self._events.publish(String(data=json.dumps(event)))
        objects, odometry = truth_messages(truth)
        self._truth_objects.publish(objects)
        self._truth_odometry.publish(odometry)
        self._time.publish(Clock(clock=messages.to_time(s.stamp_ns)))
        if not end:
            self._publish_motion(s)
            for camera, image in zip(self._rig.cameras, s.images, strict=True):
                self._publish_image(s.stamp_ns, camera, image)

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

    def _publish_image(self, stamp_ns: int, camera: Camera, image: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        descriptor = self._rings[camera.name].write(image)
        header = messages.header(stamp_ns, camera.frame_id)
        self._shm[camera.name].publish(CompressedImage(header=header, format="shm", data=descriptor.pack()))
        if self._plain[camera.name].get_subscription_count():
            self._plain[camera.name].publish(messages.to_image(stamp_ns, camera, image))

    def _reason_to_end(self, truth: GroundTruth) -> str:
        goal = self._world.route.points[-1]
        front = truth.ego.x, truth.ego.y
        if math.dist(front, goal) < ARRIVED_M and abs(truth.speed) < STANDING_MPS:
            return "route completed"
        return "time is over" if truth.stamp_ns >= self._end_ns else ""

    def shutdown(self) -> None:
        """Remove the image rings and close the world."""
        for ring in getattr(self, "_rings", {}).values():
            ring.close()
        self._rings = {}
        if (world := getattr(self, "_world", None)) is not None:
            del self._world
            try:
                world.close()
            except AutodriveError as error:
                self.get_logger().warning(str(error))
