"""What every bridge to a world shares: clock, image rings, camera calibrations, the start, the truth, and the end."""

from __future__ import annotations

import importlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from autodrive.errors import AutodriveError, ConfigError
from autodrive.geometry import Pose2
from autodrive.rig import Camera, load_rig
from autodrive.sim.world import GroundTruth
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.truth import truth_messages, truth_to_json

SETTLE_S = 0.5


class WorldHost(StageNode):
    """Hosts a World: ``world`` is "module:Class" of one that is made by ``make``.

    A subclass publishes the body's own sensors and hears its commands. In realtime ``pace`` is how many of its seconds
    pass in one of the wall clock.
    """

    defaults = {"world": "", "rig": "", "seed": 1, "duration_s": 60.0, "pace": 1.0}  # noqa: RUF012

    def setup(self) -> None:
        """Build the world, its image rings and the publishers."""
        if not 0 < self.value("pace") < math.inf:
            raise ConfigError(f"pace must be a positive number, got {self.value('pace')}")
        self._rig = load_rig(Path(self.value("rig")))
        module, _, name = self.value("world").partition(":")
        self._world: Any = self.make(getattr(importlib.import_module(module), name))
        self._rings = {c.name: RingWriter(f"camera_{c.name}", c.width * c.height * 3) for c in self._rig.cameras}
        self._end_ns = round(self.value("duration_s") * 1e9)
        self._ended = False
        c = contracts
        self._time, self._events = self.say(c.CLOCK), self.say(c.TRUTH_EVENTS)
        self._truth_objects, self._truth_odometry = self.say(c.TRUTH_OBJECTS), self.say(c.TRUTH_ODOMETRY)
        self._start_pose, self._tf = self.say(c.INITIAL_POSE), self.say(c.TF_STATIC)
        self._infos = {k.name: self.say(c.CAMERA_INFO, camera=k.name) for k in self._rig.cameras}
        self._plain = {k.name: self.say(c.IMAGE, camera=k.name) for k in self._rig.cameras}
        self._shm = {k.name: self.say(c.IMAGE_SHM, camera=k.name) for k in self._rig.cameras}

    def make(self, kind: Any) -> Any:
        """The world, from its class."""
        raise NotImplementedError

    def first(self) -> None:
        """Publish the first sensors; everybody listens."""
        raise NotImplementedError

    def must_be_heard(self) -> list[Any]:
        """Publishers of the body's own sensors, without whose readers nothing can begin."""
        raise NotImplementedError

    def announce(self, start: Pose2) -> None:
        """Say where the body starts and what its cameras are; ``first`` follows when everybody listens."""
        message = PoseWithCovarianceStamped(header=messages.header(0, "map"))
        message.pose.pose = messages.to_pose(start.x, start.y, 0.0, start.yaw)
        self._start_pose.publish(message)
        self._tf.publish(TFMessage(transforms=[messages.to_camera_transform(k) for k in self._rig.cameras]))
        for camera in self._rig.cameras:
            self._infos[camera.name].publish(messages.to_camera_info(camera))
        self._heard_since: float | None = None
        self._listeners: list[int] = []
        self._waiting = self.every(0.1, self._begin_when_heard)

    def report_failure(self, text: str, stamp_ns: int | None = None) -> None:
        """A world that fails ends the run."""
        if not self._ended:
            self._ended = True
            self.say_fatal(f"{self.get_name()}: {text}")

    def _begin_when_heard(self) -> None:
        """Discovery is not instant: a frame published before all listen would be lost to some."""
        heard = [p.get_subscription_count() for p in (*self.must_be_heard(), *self._shm.values())]
        now = time.monotonic()
        if not all(heard):
            self._heard_since = None
            return
        if heard != self._listeners:  # a recorder that listens too is not the stage that must
            self._listeners, self._heard_since = heard, now
        self._heard_since = self._heard_since or now
        if now - self._heard_since < SETTLE_S:
            return
        self.stop(self._waiting)
        self.first()

    def publish_time(self, stamp_ns: int) -> None:
        """The world's time."""
        self._time.publish(Clock(clock=messages.to_time(stamp_ns)))

    def publish_truth(self, truth: GroundTruth, end: str) -> None:
        """For those who judge; ``end`` is why the run is over, "" while it goes on."""
        self._ended = bool(end)
        event: dict[str, Any] = {
            "stamp_ns": truth.stamp_ns,
            "wall_ns": time.monotonic_ns(),
            "truth": truth_to_json(truth),
        }
        if end:
            event |= {"end": end, "state_sha256": self._world.state_digest().hex()}
        self._events.publish(String(data=json.dumps(event)))
        objects, odometry = truth_messages(truth)
        self._truth_objects.publish(objects)
        self._truth_odometry.publish(odometry)

    def publish_images(self, stamp_ns: int, images: tuple[np.ndarray[Any, np.dtype[np.uint8]], ...]) -> None:
        """One exposure of all cameras."""
        for camera, image in zip(self._rig.cameras, images, strict=True):
            self._publish_image(stamp_ns, camera, image)

    def _publish_image(self, stamp_ns: int, camera: Camera, image: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        descriptor = self._rings[camera.name].write(image)
        self._shm[camera.name].publish(messages.to_shared_image(stamp_ns, camera.frame_id, descriptor))
        if self._plain[camera.name].get_subscription_count():
            self._plain[camera.name].publish(messages.to_image(stamp_ns, camera, image))

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
