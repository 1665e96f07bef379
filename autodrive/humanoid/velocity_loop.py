"""Closes the walking policy's velocity on odometry: such policies under-deliver by a fifth to a half.

What the policy is known to deliver is asked for in advance; a slow integral makes up for the rest (a load, a worn
sole, a policy that drifts sideways). It compares with what a body could have reached by now, so that setting off winds
nothing up, and it forgets when the body stands, so that a single pace is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.body import WalkCommand
from autodrive.errors import InputError
from autodrive.geometry import Array
from autodrive.scene import EgoState

_STILL = 0.01  # as in the policy: a command smaller than this means stand


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Gains of the loop; ``most`` (x [m/s], y [m/s], yaw [rad/s]) limits what goes to the policy."""

    lag_s: float = 0.7  # from a command to the odometry's smoothed velocity: gait and filter
    proportional: float = 0.15
    integral: float = 0.6  # 1/s
    most_integral: tuple[float, float, float] = (0.2, 0.2, 0.2)
    most: tuple[float, float, float] = (1.0, 0.8, 1.0)


class VelocityLoop:
    """A small PI controller for x, y and yaw at once; ``delivery`` (3,) is what share of a command the body walks."""

    def __init__(self, delivery: Array, config: LoopConfig | None = None) -> None:
        self._delivery = delivery
        self._config = config or LoopConfig()
        self._most, self._most_integral = np.array(self._config.most), np.array(self._config.most_integral)
        self._expected, self._integral = np.zeros(3), np.zeros(3)

    def step(self, walk: WalkCommand, ego: EgoState, dt: float) -> WalkCommand:
        """What to ask of the policy so that the body moves as ``walk`` says; a command to stand goes through as it is.

        ``ego`` carries the smoothed velocity of base_link in its own axes. InputError if a value is not finite.
        """
        config = self._config
        wanted = np.array([walk.vx, walk.vy, walk.yaw_rate])
        measured = np.array([ego.speed, ego.lateral_speed, ego.yaw_rate])
        if not (np.isfinite(wanted).all() and np.isfinite(measured).all()):
            raise InputError(f"walking: command {wanted} or odometry {measured} at {ego.stamp_ns} ns is not finite")
        if float(np.linalg.norm(wanted)) < _STILL:
            self._expected, self._integral = np.zeros(3), np.zeros(3)
            return walk
        self._expected += (wanted - self._expected) * dt / (config.lag_s + dt)
        error = self._expected - measured
        free = wanted / self._delivery + config.proportional * error + self._integral
        asked = np.clip(free, -self._most, self._most)
        # a saturated axis integrates only out of its saturation
        grows = (asked == free) | (np.sign(error) != np.sign(free))
        integral = self._integral + np.where(grows, config.integral * dt * error, 0.0)
        self._integral = np.clip(integral, -self._most_integral, self._most_integral)
        vx, vy, yaw_rate = (float(value) for value in asked)
        return WalkCommand(walk.stamp_ns, vx, vy, yaw_rate)
