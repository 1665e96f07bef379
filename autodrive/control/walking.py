"""Following a timed path on legs: forwards, sideways and turning at once, closed on odometry.

Walking policies deliver less than they are asked for, each axis by another share. So the planned velocity is fed
forward and what is missing is made up: the place by a gain, the velocity by an integral.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.body import WalkCommand
from autodrive.geometry import Array, Pose2, wrap_angle
from autodrive.scene import EgoState, Trajectory

AXES = 3  # vx, vy, yaw rate


@dataclass(frozen=True, slots=True)
class WalkingControllerConfig:
    """Limits of the commands and gains; SI units, radians."""

    max_forward: float = 0.6
    max_backward: float = 0.25
    max_sideways: float = 0.25
    max_yaw_rate: float = 0.8
    acceleration: float = 0.8
    yaw_acceleration: float = 2.0
    delay_s: float = 0.35  # the policy's lag and half a control period
    place_gain: float = 0.9  # 1/s
    yaw_gain: float = 1.6
    integral_gain: tuple[float, float, float] = (0.8, 0.8, 0.8)
    max_integral: tuple[float, float, float] = (0.15, 0.12, 0.25)
    still_speed: float = 0.02  # a plan slower than this all along, and nearer than the next two, is standing
    still_m: float = 0.03
    still_rad: float = 0.04
    max_age_s: float = 0.5


class WalkingController:
    """Turns trajectories into walking commands; keeps the last command and the velocity integral between steps."""

    def __init__(self, config: WalkingControllerConfig | None = None) -> None:
        self.config = config or WalkingControllerConfig()
        self._last = np.zeros(AXES)
        self._integral = np.zeros(AXES)
        self._last_ns: int | None = None

    def step(self, trajectory: Trajectory | None, ego: EgoState) -> WalkCommand:
        """One command for ``ego``'s stamp.

        A trajectory that is missing, malformed, not finite, from the future or older than ``max_age_s``, or odometry
        that is not finite, yields standing still.
        """
        dt = 0.0 if self._last_ns is None else min(max((ego.stamp_ns - self._last_ns) * 1e-9, 0.0), 0.2)
        self._last_ns = ego.stamp_ns
        if trajectory is None or not self._usable(trajectory, ego) or self._stands(trajectory, ego):
            self._integral[:] = 0.0
            self._last[:] = 0.0
            return WalkCommand(ego.stamp_ns, 0.0, 0.0, 0.0)
        age_s = (ego.stamp_ns - trajectory.stamp_ns) * 1e-9
        planned = self._planned(trajectory, ego, age_s + self.config.delay_s)
        measured = np.array([ego.speed, ego.lateral_speed, ego.yaw_rate])
        wanted = planned + self._errors(trajectory, ego, age_s)
        self._integrate(wanted, wanted - measured, dt)
        self._last = self._limited(wanted + self._integral, dt)
        vx, vy, yaw_rate = (float(v) for v in self._last)
        return WalkCommand(ego.stamp_ns, vx, vy, yaw_rate)

    def _usable(self, trajectory: Trajectory, ego: EgoState) -> bool:
        state = (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.lateral_speed, ego.yaw_rate)
        age_s = (ego.stamp_ns - trajectory.stamp_ns) * 1e-9
        arrays = [getattr(trajectory, n) for n in ("t", "x", "y", "yaw")]
        size = len(trajectory.t)
        return (
            all(math.isfinite(v) for v in state)
            and size >= 2
            and all(a.shape == (size,) and bool(np.isfinite(a).all()) for a in arrays)
            and bool((np.diff(trajectory.t) > 0).all())
            and -1e-6 <= age_s <= self.config.max_age_s
        )

    def _stands(self, trajectory: Trajectory, ego: EgoState) -> bool:
        """Whether the plan is to stay here: then exactly zero is asked, and the policy stands."""
        config = self.config
        moved = float(np.hypot(trajectory.x - ego.pose.x, trajectory.y - ego.pose.y).max())
        turned = float(np.abs(np.unwrap(trajectory.yaw) - trajectory.yaw[0]).max())
        turned += abs(wrap_angle(float(trajectory.yaw[0]) - ego.pose.yaw))
        crawls = moved < config.still_m or float(np.abs(trajectory.speed).max()) < config.still_speed
        return crawls and turned < config.still_rad

    def _planned(self, trajectory: Trajectory, ego: EgoState, at_s: float) -> Array:
        """Velocity of the plan at ``at_s`` in the body's axes."""
        t = np.array([at_s - 0.1, at_s + 0.1])
        x, y = np.interp(t, trajectory.t, trajectory.x), np.interp(t, trajectory.t, trajectory.y)
        yaw = np.interp(t, trajectory.t, np.unwrap(trajectory.yaw))
        velocity = np.array([x[1] - x[0], y[1] - y[0]]) / 0.2
        return np.array([*_into_body(ego.pose, velocity), (yaw[1] - yaw[0]) / 0.2])

    def _errors(self, trajectory: Trajectory, ego: EgoState, age_s: float) -> Array:
        """What the gains ask for: towards where the body should be now, facing where it should a moment later."""
        config, t = self.config, trajectory.t
        x, y = (float(np.interp(age_s, t, v)) for v in (trajectory.x, trajectory.y))
        yaw = float(np.interp(age_s + config.delay_s, t, np.unwrap(trajectory.yaw)))
        offset = np.clip(np.array([x - ego.pose.x, y - ego.pose.y]), -0.3, 0.3)
        ahead = wrap_angle(yaw - (ego.pose.yaw + ego.yaw_rate * config.delay_s))
        return np.array([*config.place_gain * _into_body(ego.pose, offset), config.yaw_gain * ahead])

    def _integrate(self, wanted: Array, missing: Array, dt: float) -> None:
        """Make up for what is not delivered; never more than half of what is wanted, nothing where nothing is."""
        config = self.config
        limit = np.minimum(np.array(config.max_integral), np.abs(wanted) / 2)
        change = np.array(config.integral_gain) * missing * dt
        self._integral = np.clip(self._integral + change, -limit, limit)

    def _limited(self, wanted: Array, dt: float) -> Array:
        """Inside the limits, the direction of walking kept, and no faster change than the accelerations allow."""
        config = self.config
        forward = config.max_forward if wanted[0] >= 0 else config.max_backward
        excess = max(abs(wanted[0]) / forward, abs(wanted[1]) / config.max_sideways, 1.0)
        yaw_rate = min(max(wanted[2], -config.max_yaw_rate), config.max_yaw_rate)
        wanted = np.array([wanted[0] / excess, wanted[1] / excess, yaw_rate])
        step = np.array([config.acceleration, config.acceleration, config.yaw_acceleration]) * dt
        return np.asarray(np.clip(wanted, self._last - step, self._last + step))


def _into_body(pose: Pose2, vector: Array) -> Array:
    """Map axes -> the body's axes."""
    return Pose2(0.0, 0.0, -pose.yaw).apply(vector)
