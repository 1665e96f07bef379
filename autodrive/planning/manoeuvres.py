"""Trajectories that need no route: standing, turning on the spot, and a few slow steps in any direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array, Pose2, wrap_angle
from autodrive.scene import EgoState, Trajectory

DT_S = 0.1
STEPS = 41


@dataclass(frozen=True, slots=True)
class ManoeuvreLimits:
    """How fast a body turns on the spot and steps to a point near by."""

    yaw_rate: float = 0.7
    yaw_acceleration: float = 1.2
    step_speed: float = 0.2
    step_acceleration: float = 0.3


def stand(ego: EgoState, reason: str) -> Trajectory:
    """Stay where the body is."""
    return _trajectory(ego, np.zeros(STEPS), np.zeros(STEPS), Pose2(0.0, 0.0, 0.0), np.zeros(STEPS), reason)


def turn(ego: EgoState, yaw: float, limits: ManoeuvreLimits, reason: str) -> Trajectory:
    """Turn to ``yaw`` the short way round, at the same place."""
    angle, _ = _ramp(wrap_angle(yaw - ego.pose.yaw), ego.yaw_rate, limits.yaw_rate, limits.yaw_acceleration)
    return _trajectory(ego, np.zeros(STEPS), np.zeros(STEPS), Pose2(0.0, 0.0, 0.0), angle, reason)


def step_to(ego: EgoState, goal: Pose2, limits: ManoeuvreLimits, reason: str) -> Trajectory:
    """Go straight to ``goal`` whichever way the body faces, turning to its yaw on the way."""
    dx, dy = goal.x - ego.pose.x, goal.y - ego.pose.y
    length = math.hypot(dx, dy)
    direction = Pose2(dx / length, dy / length, 0.0) if length > 1e-6 else Pose2(0.0, 0.0, 0.0)
    velocity = ego.pose.rotate(np.array([ego.speed, ego.lateral_speed]))
    along = float(velocity[0] * direction.x + velocity[1] * direction.y)
    way, speed = _ramp(length, max(along, 0.0), limits.step_speed, limits.step_acceleration)
    angle, _ = _ramp(wrap_angle(goal.yaw - ego.pose.yaw), ego.yaw_rate, limits.yaw_rate, limits.yaw_acceleration)
    return _trajectory(ego, way, speed, direction, angle, reason)


def _ramp(distance: float, rate: float, max_rate: float, acceleration: float) -> tuple[Array, Array]:
    """Way and rate (STEPS,) from 0 to ``distance`` with bounded rate and acceleration; signs follow the distance."""
    sign = math.copysign(1.0, distance)
    left, v = abs(distance), max(min(rate * sign, max_rate), 0.0)
    way, rates = np.zeros(STEPS), np.zeros(STEPS)
    for k in range(STEPS):
        way[k], rates[k] = abs(distance) - left, v
        # the rate at the end of the step from which one still stops in what is left then
        after = max(left - v * DT_S / 2, 0.0)
        stoppable = math.sqrt((acceleration * DT_S / 2) ** 2 + 2 * acceleration * after) - acceleration * DT_S / 2
        faster = min(v + acceleration * DT_S, max_rate, stoppable)
        left = max(left - (v + faster) / 2 * DT_S, 0.0)
        v = faster
    return sign * way, sign * rates


def _trajectory(ego: EgoState, way: Array, speed: Array, direction: Pose2, angle: Array, reason: str) -> Trajectory:
    t = np.arange(STEPS, dtype=np.float64) * DT_S
    return Trajectory(
        ego.stamp_ns,
        t,
        ego.pose.x + way * direction.x,
        ego.pose.y + way * direction.y,
        ego.pose.yaw + angle,
        np.abs(speed),
        np.gradient(np.abs(speed), DT_S),
        np.zeros(STEPS),
        reason,
    )
