"""A world without physics, traffic or graphics, for tests of the graph: a car on an endless plane, cheap and exact."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np

from autodrive.geometry import Pose2
from autodrive.rig import Rig
from autodrive.scene import Command, Route
from autodrive.sim.world import TICK_S, GroundTruth, Sensors

WHEELBASE_M = 2.579
TICK_NS = round(TICK_S * 1e9)
ROUTE_M = 300.0
START_MPS = 8.0
FAULTS = {  # when the gyro says nonsense
    "gyro hiccup": lambda stamp_ns: stamp_ns == 15 * TICK_NS,
    "gyro broken": lambda stamp_ns: stamp_ns >= 4 * TICK_NS,
}


class ToyWorld:
    """Implements ``autodrive.sim.world.World``: a kinematic car that comes rolling, and images of noise."""

    def __init__(self, town: str, rig: Rig, duration_s: float = 60.0) -> None:
        """``town`` names what goes wrong, one of FAULTS or ""."""
        self.rig, self._fault = rig, town
        points = np.stack([np.linspace(0.0, ROUTE_M, 151), np.zeros(151)], axis=1)
        self.route = Route(points, Pose2(0.0, 0.0, 0.0), 8.0, town)

    def reset(self, seed: int) -> Sensors:
        """Roll over the start."""
        rng = np.random.default_rng(seed)
        self._images = tuple(
            rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8) for camera in self.rig.cameras
        )
        self._pose, self._speed, self._steering = self.route.start, START_MPS, 0.0
        self._rate = 0.0
        self._stamp_ns = 0
        self._digest = hashlib.sha256(struct.pack("<q", seed))
        return self._finish()

    def step(self, command: Command) -> Sensors:
        """Move along a circle for one tick."""
        before = self._speed
        self._speed = max(self._speed + command.acceleration * TICK_S, 0.0)
        self._steering = command.steering
        mean = 0.5 * (before + self._speed)
        self._rate = mean * math.tan(command.steering) / WHEELBASE_M
        middle = self._pose.yaw + 0.5 * self._rate * TICK_S
        self._pose = Pose2(
            self._pose.x + mean * TICK_S * math.cos(middle),
            self._pose.y + mean * TICK_S * math.sin(middle),
            self._pose.yaw + self._rate * TICK_S,
        )
        return self._finish()

    def ground_truth(self) -> GroundTruth:
        """Nobody else is here."""
        return GroundTruth(self._stamp_ns, self._pose, self._speed, (), (), (), off_road=False)

    def state_digest(self) -> bytes:
        """sha256 over every state since reset."""
        return self._digest.digest()

    def close(self) -> None:
        """Nothing to release."""

    def _finish(self) -> Sensors:
        self._stamp_ns += TICK_NS
        self._digest.update(struct.pack("<qddd", self._stamp_ns, self._pose.x, self._pose.y, self._speed))
        rate = math.nan if self._fault in FAULTS and FAULTS[self._fault](self._stamp_ns) else self._rate
        return Sensors(
            stamp_ns=self._stamp_ns,
            images=self._images,
            wheel_speed=self._speed,
            steering=self._steering,
            gyro=np.array([0.0, 0.0, rate]),
            accelerometer=np.array([0.0, 0.0, 9.81]),
        )
