"""Pose of a walking body from its legs and its IMU: the pelvis moves opposite to the foot that stands.

Which foot stands is a matter of degree: points of the undersides that are low and hardly move, given the motion that
the body had just now, weigh most. So a foot may roll from heel to toe, and feet take over from each other smoothly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from autodrive.body import BodyState
from autodrive.errors import InputError
from autodrive.geometry import Pose2, wrap_angle
from autodrive.humanoid.robot import Robot
from autodrive.localization.attitude import RestConfig, RestingFeet, Tilt
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
    tilt_time_s: float = 0.3  # how fast roll and pitch follow those of the IMU
    max_gap_s: float = 0.5
    rest: RestConfig = field(default_factory=RestConfig)


class LegOdometry:
    """Integrates one body state after another."""

    def __init__(self, robot: Robot, start: Pose2, config: LegOdometryConfig | None = None) -> None:
        """``start`` is the pose of base_link in map at the first body state."""
        self._config = config or LegOdometryConfig()
        self._joints = robot.joints
        self._legs = LegKinematics(robot)
        self.nominal_height = self._legs.nominal_height
        self._rest = RestingFeet(self._config.rest)
        self.reset(start)

    def reset(self, start: Pose2) -> None:
        """Begin anew at ``start``, as after an initial-pose message; keeps the bias."""
        self._start = start
        self._stamp_ns: int | None = None

    @property
    def gyro_bias(self) -> float:
        """What the gyro is believed to add to the yaw rate [rad/s]."""
        return self._rest.bias

    def update(self, body: BodyState) -> EgoState:
        """The state at the body's stamp; raises InputError, and stays as it was, if the body state makes no sense."""
        self._check(body)
        if self._stamp_ns is None:
            return self._begin(body)
        dt = (body.stamp_ns - self._stamp_ns) * 1e-9
        if not 0 < dt <= self._config.max_gap_s:
            lost = "; the pose is lost, stop and send a new initial pose" if dt > 0 else ""
            raise InputError(f"leg odometry: stamp {body.stamp_ns} ns comes {dt:.3f} s after the last one{lost}")
        self._stamp_ns = body.stamp_ns
        self._yaw += (self._tilt.update(body, dt) - self._rest.bias) * dt
        posture = self._legs.posture(body.position, self._tilt.quaternion(self._yaw))
        self._move(posture, dt)
        across = posture.points[0].mean(axis=0) - posture.points[1].mean(axis=0)
        leg_speed = float(np.abs(body.velocity[self._legs.joints]).max())
        self._yaw += self._rest.update(across, leg_speed, dt)
        return self._state(posture, dt)

    def _check(self, body: BodyState) -> None:
        if body.names != self._joints:
            raise InputError(f"leg odometry: the body has joints {list(body.names)}, not {list(self._joints)}")
        count = len(self._joints)
        shapes = body.position.shape, body.velocity.shape, body.gyro.shape, body.quaternion.shape
        if shapes != ((count,), (count,), (3,), (4,)):
            raise InputError(f"leg odometry: joints, their speeds, gyro and attitude have the shapes {shapes}")
        finite = np.isfinite(np.concatenate([body.position, body.velocity, body.gyro, body.quaternion])).all()
        if not finite or not 0.5 < np.linalg.norm(body.quaternion) < 2.0:
            raise InputError(f"leg odometry: joints or IMU at {body.stamp_ns} ns make no sense")

    def _begin(self, body: BodyState) -> EgoState:
        self._tilt = Tilt(body, self._config.tilt_time_s)
        level = self._legs.posture(body.position, self._tilt.quaternion(0.0))
        self._yaw = self._start.yaw - lean(level.torso_rotation)[2]
        posture = self._legs.posture(body.position, self._tilt.quaternion(self._yaw))
        self._pelvis = np.array([self._start.x, self._start.y, 0.0]) - posture.torso
        self._pelvis[2] = -posture.points[..., 2].min()
        self._ground = 0.0
        self._posture, self._stamp_ns = posture, body.stamp_ns
        self._contact_velocity = np.zeros(3)
        self._torso, self._torso_yaw = self._pelvis + posture.torso, self._start.yaw
        self._velocity, self._turn_rate = np.zeros(2), 0.0
        self._rest.restart()
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
        self._posture = posture

    def _state(self, posture: LegPosture, dt: float) -> EgoState:
        torso = self._pelvis + posture.torso
        roll, pitch, yaw = lean(posture.torso_rotation)
        if dt > 0:
            blend = _blend(dt, self._config.velocity_time_s)
            # smoothed in the body's axes: in map's a body that turns would seem to slide aside
            along = Pose2(0.0, 0.0, -yaw).apply((torso - self._torso)[:2] / dt)
            self._velocity += blend * (along - self._velocity)
            self._turn_rate += blend * (wrap_angle(yaw - self._torso_yaw) / dt - self._turn_rate)
        self._torso, self._torso_yaw = torso, yaw
        vx, vy = self._velocity.tolist()
        assert self._stamp_ns is not None
        return EgoState(
            stamp_ns=self._stamp_ns,
            pose=Pose2(float(torso[0]), float(torso[1]), yaw),
            speed=vx,
            yaw_rate=float(self._turn_rate),
            lateral_speed=vy,
            roll=roll,
            pitch=pitch,
            rise=float(torso[2] - self._ground) - self.nominal_height,
        )


def _blend(dt: float, time_s: float) -> float:
    return 1.0 - math.exp(-dt / time_s)
