"""Trajectory tracking: curvature feed-forward with error feedback to steer, feed-forward with PI to drive and brake."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import Command, EgoState, Trajectory


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """Vehicle and gains; actuator figures are those of the simulated car (urdf/car.urdf.xacro)."""

    wheelbase: float = 2.579
    max_steering: float = 0.60
    steering_rate: float = 0.60
    delay_s: float = 0.20  # actuator lag plus half of the tyres' yaw response
    tracking_length: float = 3.0  # metres over which a lateral error decays when slow
    tracking_time_s: float = 0.8  # and seconds when fast
    speed_gain: float = 0.9
    speed_integral: float = 0.25
    max_integral: float = 0.6
    max_acceleration: float = 2.2
    max_deceleration: float = 6.0
    emergency_deceleration: float = 4.5  # a plan that brakes harder is an emergency: the gate then limits no jerk
    hold_acceleration: float = -1.0
    safe_stop_deceleration: float = 2.5
    max_age_s: float = 0.5


class Controller:
    """Turns trajectories into commands; keeps the last steering and the speed integral between steps."""

    def __init__(self, config: ControllerConfig | None = None) -> None:
        self.config = config or ControllerConfig()
        self._steering = 0.0
        self._integral = 0.0
        self._last_ns: int | None = None

    def step(self, trajectory: Trajectory | None, ego: EgoState) -> Command:
        """One command for ``ego``'s stamp.

        A trajectory that is missing, empty, of unequal lengths, not finite, from the future or older than
        ``max_age_s``, or odometry that is not finite, yields a safe stop: the wheels hold, the car brakes to rest.
        """
        dt = 0.0 if self._last_ns is None else min(max((ego.stamp_ns - self._last_ns) * 1e-9, 0.0), 0.2)
        self._last_ns = ego.stamp_ns
        if trajectory is None or not self._usable(trajectory, ego):
            return self._safe_stop(ego)
        age_s = (ego.stamp_ns - trajectory.stamp_ns) * 1e-9
        steering = self._lateral(trajectory, ego)
        step = self.config.steering_rate * dt
        self._steering = min(max(steering, self._steering - step), self._steering + step)
        acceleration, speed = self._longitudinal(trajectory, ego, age_s, dt)
        return Command(
            ego.stamp_ns,
            self._steering,
            acceleration,
            speed,
            emergency=acceleration < -self.config.emergency_deceleration,
        )

    def _usable(self, trajectory: Trajectory, ego: EgoState) -> bool:
        state = (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed)
        if not all(math.isfinite(v) for v in state):
            return False
        age_s = (ego.stamp_ns - trajectory.stamp_ns) * 1e-9
        arrays = [getattr(trajectory, n) for n in ("t", "x", "y", "yaw", "speed", "acceleration", "curvature")]
        size = len(trajectory.t)
        return (
            size >= 2
            and all(a.shape == (size,) and bool(np.isfinite(a).all()) for a in arrays)
            and bool((np.diff(trajectory.t) > 0).all())
            and -1e-6 <= age_s <= self.config.max_age_s
        )

    def _safe_stop(self, ego: EgoState) -> Command:
        self._integral = 0.0
        moving = not math.isfinite(ego.speed) or ego.speed > 0.1
        acceleration = -self.config.safe_stop_deceleration if moving else self.config.hold_acceleration
        return Command(ego.stamp_ns, self._steering, acceleration, 0.0)

    def _lateral(self, trajectory: Trajectory, ego: EgoState) -> float:
        """Road-wheel angle: the path's curvature where the car will be after the delay, less gains on its errors."""
        config = self.config
        x, y, yaw = trajectory.x, trajectory.y, np.unwrap(trajectory.yaw)
        distance = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        if distance[-1] < 0.3:
            return self._steering
        pose = _advance(ego, config.delay_s)
        at = _project(distance, x, y, pose)
        px, py, pyaw = (float(np.interp(at, distance, v)) for v in (x, y, yaw))
        error = -math.sin(pyaw) * (pose.x - px) + math.cos(pyaw) * (pose.y - py)
        heading = wrap_angle(pose.yaw - pyaw)
        feed_forward = float(np.interp(at + 0.1 * ego.speed, distance, trajectory.curvature))
        length = max(config.tracking_length, config.tracking_time_s * ego.speed)
        curvature = feed_forward - max(min(error, 1.5), -1.5) / length**2 - 2.0 * math.sin(heading) / length
        steering = math.atan(config.wheelbase * curvature)
        return max(min(steering, config.max_steering), -config.max_steering)

    def _longitudinal(self, trajectory: Trajectory, ego: EgoState, age_s: float, dt: float) -> tuple[float, float]:
        config, t = self.config, trajectory.t
        planned_stop = float(np.interp(age_s + 1.0, t, trajectory.speed)) < 0.15
        if planned_stop and ego.speed < 0.25:
            self._integral = 0.0
            return config.hold_acceleration, 0.0
        feed_forward = float(np.interp(age_s + config.delay_s / 2, t, trajectory.acceleration))
        error = float(np.interp(age_s, t, trajectory.speed)) - ego.speed
        wanted = feed_forward + config.speed_gain * error + self._integral
        saturated = not -config.max_deceleration < wanted < config.max_acceleration
        if not saturated and ego.speed > 0.5:
            change = config.speed_integral * error * dt
            self._integral = max(min(self._integral + change, config.max_integral), -config.max_integral)
        acceleration = max(min(wanted, config.max_acceleration), -config.max_deceleration)
        return acceleration, max(float(np.interp(age_s + 0.5, t, trajectory.speed)), 0.0)


def _advance(ego: EgoState, seconds: float) -> Pose2:
    """Where the car will be after ``seconds`` at its present speed and yaw rate."""
    rate = ego.yaw_rate if math.isfinite(ego.yaw_rate) else 0.0
    turn = rate * seconds
    way = ego.speed * seconds
    middle = ego.pose.yaw + turn / 2
    return Pose2(
        ego.pose.x + way * math.cos(middle), ego.pose.y + way * math.sin(middle), wrap_angle(ego.pose.yaw + turn)
    )


def _project(distance: np.ndarray, x: np.ndarray, y: np.ndarray, pose: Pose2) -> float:
    """Arc length of the point of the polyline nearest to ``pose``."""
    dx, dy = np.diff(x), np.diff(y)
    length = np.hypot(dx, dy)
    share = ((pose.x - x[:-1]) * dx + (pose.y - y[:-1]) * dy) / np.maximum(length**2, 1e-9)
    share = np.clip(share, 0.0, 1.0)
    gap = np.hypot(x[:-1] + share * dx - pose.x, y[:-1] + share * dy - pose.y)
    i = int(np.argmin(gap))
    return float(distance[i] + share[i] * length[i])
