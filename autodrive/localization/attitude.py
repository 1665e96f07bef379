"""Attitude of a pelvis from gyro and IMU: smooth tilt, integrated heading, and the gyro's bias while both feet rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from autodrive.body import BodyState
from autodrive.geometry import Array, wrap_angle


class Tilt:
    """Roll and pitch: the gyro turns them, the IMU's own roll and pitch pull slowly, so that its noise averages out."""

    def __init__(self, body: BodyState, time_s: float) -> None:
        self._time_s = time_s
        self._up = up_direction(body.quaternion)

    def update(self, body: BodyState, dt: float) -> float:
        """Take a reading in; returns the rate [rad/s] at which the heading turned since the last one."""
        rate = body.gyro
        middle = self._up + np.cross(self._up, rate) * dt / 2
        up = self._up + np.cross(middle, rate) * dt
        up += (1.0 - math.exp(-dt / self._time_s)) * (up_direction(body.quaternion) - up)
        heading = (middle[1] * rate[1] + middle[2] * rate[2]) / max(middle[1] ** 2 + middle[2] ** 2, 1e-3)
        self._up = up / np.linalg.norm(up)
        return float(heading)

    def quaternion(self, yaw: float) -> Array:
        """Attitude (4,), w x y z, with this heading."""
        x, y, z = self._up
        attitude = np.zeros(4)
        mujoco.mju_euler2Quat(attitude, [yaw, -math.asin(min(max(x, -1.0), 1.0)), math.atan2(y, z)], "zyx")
        return attitude


@dataclass(frozen=True, kw_only=True)
class RestConfig:
    """When feet count as resting, and how good gyro and feet are."""

    fast_s: float = 0.1
    slow_s: float = 0.3
    distance: float = 0.006  # m between the fast and the slow average of where one foot is from the other
    leg_speed: float = 0.25  # rad/s, smoothed, of the fastest leg joint: a gait has never so little for long
    leg_speed_s: float = 0.1
    settle_s: float = 0.6
    gyro_noise: float = 0.005  # rad/s per reading
    heading_noise: float = 0.006  # rad per reading of the line between the feet
    bias: float = 0.0015  # rad/s, standard deviation before anything is known
    max_bias: float = 0.05
    bias_drift: float = 2e-5  # rad/s per square root of a second


class RestingFeet:
    """Kalman filter of heading error and gyro bias: the line between two resting feet does not turn in the world."""

    def __init__(self, config: RestConfig) -> None:
        self._config = config
        self.bias = 0.0
        self._covariance = np.diag([0.0, config.bias**2])
        self.restart()

    def restart(self) -> None:
        """Forget where the feet are; keep the bias."""
        self._fast: Array | None = None
        self._speed, self._rest_s = math.inf, 0.0

    def update(self, across: Array, leg_speed: float, dt: float) -> float:
        """Take in the vector (3,) from one foot to the other in map axes; returns what to add to the heading [rad].

        ``leg_speed`` [rad/s] is that of the fastest leg joint.
        """
        config, cov = self._config, self._covariance
        cov[1, 1] += config.bias_drift**2 * dt
        if self._fast is None:
            self._fast, self._slow, self._speed = across.copy(), across.copy(), leg_speed
        self._fast += (1.0 - math.exp(-dt / config.fast_s)) * (across - self._fast)
        self._slow += (1.0 - math.exp(-dt / config.slow_s)) * (across - self._slow)
        self._speed += (1.0 - math.exp(-dt / config.leg_speed_s)) * (leg_speed - self._speed)
        rested, self._rest_s = self._rest_s >= config.settle_s, self._rest_s + dt
        if self._speed > config.leg_speed or np.linalg.norm(self._fast - self._slow) > config.distance:
            self._rest_s = 0.0
        if self._rest_s < config.settle_s:
            return 0.0
        if not rested:
            self._line = _heading(self._fast)
            cov[0] = cov[:, 0] = 0.0
            cov[0, 0] = (config.heading_noise * 0.3) ** 2
        return self._correct(_heading(across), dt)

    def _correct(self, line: float, dt: float) -> float:
        # the heading error grows by (bias - believed bias) dt; the line turns with the heading error
        config = self._config
        move = np.array([[1.0, -dt], [0.0, 1.0]])
        cov = move @ self._covariance @ move.T
        cov[0, 0] += (config.gyro_noise * dt) ** 2
        gain = cov[:, 0] / (cov[0, 0] + config.heading_noise**2)
        innovation = wrap_angle(self._line - line)
        self._covariance = cov - np.outer(gain, cov[0])
        self.bias = min(max(self.bias + gain[1] * innovation, -config.max_bias), config.max_bias)
        return float(gain[0] * innovation)


def up_direction(quaternion: Array) -> Array:
    """Unit vector (3,) that points up, in the axes of a body with this attitude (w, x, y, z)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])


def _heading(vector: Array) -> float:
    return math.atan2(vector[1], vector[0])
