"""Pose of base_link (the middle of the rear axle) from wheel speed and gyro, as any car can compute it.

Between two stamps the body moves along a circular arc: the chord of length ``v dt`` leaves at the mean heading
``yaw + yaw_rate dt / 2`` (midpoint rule, exact for constant speed and yaw rate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autodrive.errors import InputError
from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import EgoState


@dataclass(frozen=True, kw_only=True)
class DeadReckoningConfig:
    """Limits that decide which sensor values are believed, and constants of the bias and slip estimates."""

    wheelbase_m: float = 2.579
    max_speed: float = 70.0
    max_yaw_rate: float = 3.0
    max_steering: float = 1.0
    max_acceleration: float = 60.0
    max_gap_s: float = 1.0
    max_wheel_jump: float = 25.0  # m/s2: the tyres cannot do more than about 10; a blocked wheel is slip, not motion
    standstill_speed: float = 0.02
    standstill_yaw_rate: float = 0.08
    standstill_s: float = 0.3  # the body still rocks on its springs just after it stops
    bias_time_s: float = 3.0
    max_bias: float = 0.05
    slip_time_s: float = 1.0


@dataclass(frozen=True, slots=True)
class OdometryHealth:
    """How far the sensors agree: ``plausibility`` 1 (they do) to 0; yaw rate residual and gyro bias in rad/s."""

    plausibility: float
    yaw_rate_residual: float
    gyro_bias: float


class DeadReckoning:
    """Integrates one sensor reading after another; a rejected reading leaves the state as it was."""

    def __init__(self, start: Pose2, config: DeadReckoningConfig | None = None) -> None:
        """``start`` is the pose of base_link in map at the first reading."""
        self._config = config or DeadReckoningConfig()
        self._bias = 0.0
        self.reset(start)

    def reset(self, start: Pose2) -> None:
        """Begin anew at ``start``, as after an initial-pose message; keeps the bias. InputError if not finite."""
        for name, value in (("x", start.x), ("y", start.y), ("yaw", start.yaw)):
            _check(f"start pose {name}", value, 1e7)
        self._pose = start
        self._stamp_ns: int | None = None
        self._speed = 0.0
        self._still_s = 0.0
        self._residual = 0.0
        self._plausibility = 1.0

    @property
    def health(self) -> OdometryHealth:
        """Agreement of gyro, wheels and steering over about the last second."""
        return OdometryHealth(self._plausibility, self._residual, self._bias)

    def update(
        self, stamp_ns: int, wheel_speed: float, yaw_rate: float, steering: float, acceleration: float = 0.0
    ) -> EgoState:
        """Advance to ``stamp_ns`` and return the state there.

        ``wheel_speed`` [m/s] mean of the rear wheels at the stamp; ``yaw_rate`` [rad/s] gyro z, the mean since the last
        reading; ``steering`` [rad] road-wheel angle; ``acceleration`` [m/s2] along x. Raises InputError for values that
        are not finite or beyond what a car can do, and for stamps that do not increase.
        """
        cfg = self._config
        _check("wheel_speed [m/s]", wheel_speed, cfg.max_speed)
        _check("yaw_rate [rad/s]", yaw_rate, cfg.max_yaw_rate)
        _check("steering [rad]", steering, cfg.max_steering)
        _check("acceleration [m/s2]", acceleration, cfg.max_acceleration)
        dt = self._elapsed(stamp_ns)
        if dt > 0.0:
            jump = abs(wheel_speed - self._speed)
            # the bound grows with dt, so that a real jump (a crash) is believed a few readings later
            if not jump <= 0.5 + cfg.max_wheel_jump * dt:
                raise InputError(
                    f"odometry: wheel_speed jumped from {self._speed:.2f} to {wheel_speed:.2f} m/s in {dt:.3f} s; "
                    "reading ignored"
                )
        standing = abs(wheel_speed) < cfg.standstill_speed and abs(yaw_rate) < cfg.standstill_yaw_rate
        self._still_s = self._still_s + dt if standing else 0.0
        resting = standing and self._still_s > cfg.standstill_s
        if resting:
            self._learn_bias(yaw_rate, dt)
        rate = 0.0 if resting else yaw_rate - self._bias
        self._integrate(0.5 * (self._speed + wheel_speed), rate, dt)
        self._watch_slip(wheel_speed, rate, steering, dt)
        self._speed = wheel_speed
        self._stamp_ns = stamp_ns
        return EgoState(stamp_ns, self._pose, wheel_speed, rate, acceleration, steering)

    def _elapsed(self, stamp_ns: int) -> float:
        if self._stamp_ns is None:
            return 0.0
        dt = (stamp_ns - self._stamp_ns) * 1e-9
        if not dt > 0.0:
            raise InputError(
                f"odometry: stamp {stamp_ns} ns does not come after the last one, {self._stamp_ns} ns; reading ignored"
            )
        if not dt <= self._config.max_gap_s:
            raise InputError(
                f"odometry: {dt:.2f} s without a reading (limit {self._config.max_gap_s} s); the pose is lost, "
                "stop and send a new initial pose"
            )
        return dt

    def _learn_bias(self, yaw_rate: float, dt: float) -> None:
        gain = dt / (self._config.bias_time_s + dt)
        bias = self._bias + gain * (yaw_rate - self._bias)
        self._bias = max(-self._config.max_bias, min(self._config.max_bias, bias))

    def _integrate(self, speed: float, rate: float, dt: float) -> None:
        middle = self._pose.yaw + 0.5 * rate * dt
        self._pose = Pose2(
            self._pose.x + speed * dt * math.cos(middle),
            self._pose.y + speed * dt * math.sin(middle),
            wrap_angle(self._pose.yaw + rate * dt),
        )

    def _watch_slip(self, speed: float, rate: float, steering: float, dt: float) -> None:
        expected = speed * math.tan(steering) / self._config.wheelbase_m  # kinematic single-track model
        self._residual = rate - expected
        # tyres slip by tens of percent in ordinary bends; only more than that is suspicious
        tolerance = 0.1 + 0.4 * abs(expected)
        agreement = math.exp(-0.5 * (self._residual / tolerance) ** 2)
        gain = dt / (self._config.slip_time_s + dt)
        self._plausibility += gain * (agreement - self._plausibility)


def _check(name: str, value: float, limit: float) -> None:
    if not abs(value) <= limit:
        raise InputError(f"odometry: {name} is {value}, expected a finite number within +-{limit}; reading ignored")
