"""Pose of a walking body from its legs and its IMU: the pelvis moves opposite to the foot that stands.

Which foot stands is a matter of degree: points of the undersides that are low and hardly move, given the motion that
the body had just now, weigh most. So a foot may roll from heel to toe, and feet take over from each other smoothly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.body import BodyState
from autodrive.errors import InputError
from autodrive.geometry import Array, Pose2, wrap_angle
from autodrive.humanoid.robot import Robot
from autodrive.localization.leg_kinematics import LegKinematics, LegPosture, lean
from autodrive.scene import EgoState


@dataclass(frozen=True, kw_only=True)
class LegOdometryConfig:
    """How contact is judged and how much is smoothed."""

    height_scale: float = 0.006  # m above the lowest point
    speed_scale: float = 0.3  # m/s
    contact_time_s: float = 0.06  # of the velocity that tells a standing foot from a moving one
    velocity_time_s: float = 0.4  # of the reported velocity: most of the sway of a gait of 1 s is gone
    ground_time_s: float = 0.5  # how fast the ground's height follows the feet
    planted_s: float = 0.5  # so long both feet must rest before the gyro's bias is measured
    planted_speed: float = 0.06  # m/s between the feet
    max_bias: float = 0.05
    max_gap_s: float = 0.5


class LegOdometry:
    """Integrates one body state after another."""

    def __init__(self, robot: Robot, start: Pose2, config: LegOdometryConfig | None = None) -> None:
        """``start`` is the pose of base_link in map at the first body state."""
        self._config = config or LegOdometryConfig()
        self._legs = LegKinematics(robot)
        self.nominal_height = self._legs.nominal_height
        self._bias, self._bias_s = 0.0, 0.0
        self.reset(start)

    def reset(self, start: Pose2) -> None:
        """Begin anew at ``start``, as after an initial-pose message; keeps the bias."""
        self._start = start
        self._stamp_ns: int | None = None

    @property
    def gyro_bias(self) -> float:
        """What the gyro is believed to add to the yaw rate [rad/s]."""
        return self._bias

    def update(self, body: BodyState) -> EgoState:
        """The state at the body's stamp; InputError if stamps do not grow or a value makes no sense."""
        if self._stamp_ns is None:
            return self._begin(body)
        dt = (body.stamp_ns - self._stamp_ns) * 1e-9
        if not 0 < dt <= self._config.max_gap_s:
            raise InputError(f"leg odometry: stamp {body.stamp_ns} ns comes {dt:.3f} s after the last one")
        rate = _yaw_rate(body)
        turn = ((rate + self._rate) / 2 - self._bias) * dt
        posture = self._legs.posture(body, self._yaw + turn)
        self._yaw, self._rate, self._stamp_ns = self._yaw + turn, rate, body.stamp_ns
        self._move(posture, dt)
        self._watch_bias(posture, rate, dt)
        return self._state(posture, dt)

    def _begin(self, body: BodyState) -> EgoState:
        pelvis_yaw = self._start.yaw - lean(self._legs.posture(body, 0.0).torso_rotation)[2]
        posture = self._legs.posture(body, pelvis_yaw)
        self._yaw, self._rate, self._stamp_ns = pelvis_yaw, _yaw_rate(body), body.stamp_ns
        self._pelvis = np.array([self._start.x, self._start.y, 0.0]) - posture.torso
        self._pelvis[2] = -posture.points[..., 2].min()
        self._ground = 0.0
        self._posture = posture
        self._contact_velocity = np.zeros(3)
        self._torso, self._torso_yaw = self._pelvis + posture.torso, self._start.yaw
        self._velocity, self._turn_rate = np.zeros(2), 0.0
        self._planted_s = 0.0
        return self._state(posture, 0.0)

    def _move(self, posture: LegPosture, dt: float) -> None:
        """Shift the pelvis so that what stands stays."""
        config = self._config
        step = (posture.points - self._posture.points).reshape(-1, 3)
        heights = np.minimum(posture.points[..., 2], self._posture.points[..., 2]).ravel()
        slip = np.linalg.norm(step / dt + self._contact_velocity, axis=1)
        score = (heights - heights.min()) / config.height_scale + slip / config.speed_scale
        weight = np.exp(score.min() - score)
        weight /= weight.sum()
        shift = -weight @ step
        self._pelvis += shift
        self._contact_velocity += _blend(dt, config.contact_time_s) * (shift / dt - self._contact_velocity)
        floor = self._pelvis[2] + weight @ posture.points[..., 2].ravel()
        self._ground += _blend(dt, config.ground_time_s) * (floor - self._ground)

    def _watch_bias(self, posture: LegPosture, rate: float, dt: float) -> None:
        """While both feet rest the body turns nowhere, so that the gyro shows its bias."""
        between = posture.points.mean(axis=1) - self._posture.points.mean(axis=1)
        self._posture = posture
        apart = float(np.linalg.norm(between[0] - between[1])) / dt
        calm = apart < self._config.planted_speed and abs(rate) < 0.2
        self._planted_s = self._planted_s + dt if calm else 0.0
        if self._planted_s >= self._config.planted_s:
            self._bias_s += dt
            self._bias += (rate - self._bias) * dt / self._bias_s
            self._bias = min(max(self._bias, -self._config.max_bias), self._config.max_bias)

    def _state(self, posture: LegPosture, dt: float) -> EgoState:
        torso = self._pelvis + posture.torso
        roll, pitch, yaw = lean(posture.torso_rotation)
        if dt > 0:
            blend = _blend(dt, self._config.velocity_time_s)
            self._velocity += blend * ((torso - self._torso)[:2] / dt - self._velocity)
            self._turn_rate += blend * (wrap_angle(yaw - self._torso_yaw) / dt - self._turn_rate)
        self._torso, self._torso_yaw = torso, yaw
        c, s = math.cos(yaw), math.sin(yaw)
        vx, vy = self._velocity
        assert self._stamp_ns is not None
        return EgoState(
            stamp_ns=self._stamp_ns,
            pose=Pose2(float(torso[0]), float(torso[1]), yaw),
            speed=float(c * vx + s * vy),
            yaw_rate=float(self._turn_rate),
            lateral_speed=float(c * vy - s * vx),
            roll=roll,
            pitch=pitch,
            rise=float(torso[2] - self._ground) - self.nominal_height,
        )


def _yaw_rate(body: BodyState) -> float:
    """How fast the pelvis's heading turns: the rate of the yaw of roll, pitch and yaw."""
    w, x, y, z = body.quaternion / np.linalg.norm(body.quaternion)
    down: Array = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # world z in the pelvis
    return float((down[1] * body.gyro[1] + down[2] * body.gyro[2]) / (down[1] ** 2 + down[2] ** 2))


def _blend(dt: float, time_s: float) -> float:
    return 1.0 - math.exp(-dt / time_s)
