"""A production car's own motion sensors: wheel encoders, steering angle, and an automotive-grade MEMS inertial unit."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.sim.vehicle import Vehicle
from autodrive.sim.world import TICK_S

Array = NDArray[np.float64]
_GRAVITY = np.array([0.0, 0.0, 9.81])
_NOISE_STREAM = 0x5E45


@dataclass(frozen=True, kw_only=True)
class SensorNoise:
    """Standard deviations; biases and the wheels' scale error are drawn once per episode.

    The gyro's bias is what remains after calibration at standstill: 5 deg/h, as data sheets of automotive units give
    for bias instability; noise figures are per reading (a mean over one tick).
    """

    wheel_speed: float = 0.02
    wheel_scale: float = 0.001
    steering: float = 0.001
    gyro: float = 0.0015
    gyro_bias: float = np.radians(5.0) / 3600.0
    accelerometer: float = 0.02
    accelerometer_bias: float = 0.01


@dataclass(frozen=True)
class MotionReading:
    """One reading of all motion sensors, as in ``world.Sensors``."""

    wheel_speed: float
    steering: float
    gyro: Array
    accelerometer: Array


class MotionSensors:
    """Samples the true motion of the vehicle once per tick."""

    # no pulse within a tick: an encoder says exactly zero at rest, whatever its noise when turning
    _STANDSTILL = 0.03

    def __init__(self, vehicle: Vehicle, seed: int, noise: SensorNoise | None = None) -> None:
        """Take the vehicle's present motion as the state at the start of the first tick."""
        self._vehicle = vehicle
        self._noise = noise or SensorNoise()
        self._rng = np.random.default_rng([seed, _NOISE_STREAM])
        self._scale = 1.0 + self._rng.normal(0.0, self._noise.wheel_scale)
        self._gyro_bias = self._rng.normal(0.0, self._noise.gyro_bias, 3)
        self._accelerometer_bias = self._rng.normal(0.0, self._noise.accelerometer_bias, 3)
        self._remember()

    def read(self) -> MotionReading:
        """The reading at the end of a tick; rates and accelerations are means over it."""
        vehicle, noise, rng = self._vehicle, self._noise, self._rng
        turn = np.empty(3)
        mujoco.mju_subQuat(turn, vehicle.quaternion, self._quaternion)
        specific_force = (vehicle.velocity - self._velocity) / TICK_S + _GRAVITY
        halfway, body_from_world, felt = self._quaternion.copy(), np.empty(4), np.empty(3)
        mujoco.mju_quatIntegrate(halfway, turn, 0.5)
        mujoco.mju_negQuat(body_from_world, halfway)
        mujoco.mju_rotVecQuat(felt, specific_force, body_from_world)
        self._remember()
        wheel = vehicle.wheel_speed
        noisy = wheel * self._scale + rng.normal(0.0, noise.wheel_speed)
        return MotionReading(
            wheel_speed=float(noisy) if abs(wheel) > self._STANDSTILL else 0.0,
            steering=float(vehicle.steering + rng.normal(0.0, noise.steering)),
            gyro=turn / TICK_S + self._gyro_bias + rng.normal(0.0, noise.gyro, 3),
            accelerometer=felt + self._accelerometer_bias + rng.normal(0.0, noise.accelerometer, 3),
        )

    def _remember(self) -> None:
        self._quaternion = self._vehicle.quaternion
        self._velocity = self._vehicle.velocity
