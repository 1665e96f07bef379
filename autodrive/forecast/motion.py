"""How things may move, for many tracks at once: functions return poses (N, T, 3) of x, y, yaw at times ``t`` (T,)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autodrive.localization.route_line import RouteLine

Array = NDArray[np.float64]


def rest(pose: Array, t: Array) -> Array:
    """Staying where one is. ``pose`` (N, 3)."""
    return np.repeat(pose[:, None], len(t), axis=1)


def constant_velocity(pose: Array, velocity: Array, t: Array) -> Array:
    """Straight on with ``velocity`` (N, 2), the heading unchanged."""
    poses = rest(pose, t)
    poses[:, :, :2] += velocity[:, None] * t[None, :, None]
    return poses


def constant_turn(pose: Array, speed: Array, yaw_rate: Array, t: Array) -> Array:
    """Constant turn rate and velocity (CTRV: Schubert, Richter, Wanielik, FUSION 2008), as chord and mean heading."""
    half = 0.5 * yaw_rate[:, None] * t
    chord = speed[:, None] * t * np.sinc(half / np.pi)
    course = pose[:, 2:3] + half
    return np.stack(
        [pose[:, 0:1] + chord * np.cos(course), pose[:, 1:2] + chord * np.sin(course), pose[:, 2:3] + 2 * half], axis=2
    )


def braking(pose: Array, speed: Array, deceleration: Array | float, t: Array) -> Array:
    """Straight on, slowing down to a stop: v dt - a t^2 / 2 until v = a t (signed ``speed`` along the heading)."""
    stop = np.abs(speed) / deceleration
    moving = np.minimum(t[None], stop[:, None])
    return ahead(pose, np.sign(speed)[:, None] * (np.abs(speed)[:, None] * moving - 0.5 * deceleration * moving**2))


def ahead(pose: Array, distance: Array) -> Array:
    """Straight along the heading by ``distance`` (N, T)."""
    poses = np.repeat(pose[:, None], distance.shape[1], axis=1)
    poses[:, :, 0] += distance * np.cos(pose[:, 2:3])
    poses[:, :, 1] += distance * np.sin(pose[:, 2:3])
    return poses


def speeding_up(speed: Array, target: Array, acceleration: float, t: Array) -> Array:
    """Distances (N, T) covered from ``speed`` when it goes to ``target`` with at most ``acceleration`` either way."""
    change = np.sign(target - speed) * acceleration
    ramp = np.minimum(t[None], (np.abs(target - speed) / acceleration)[:, None])
    distance = speed[:, None] * ramp + 0.5 * change[:, None] * ramp**2 + target[:, None] * (t[None] - ramp)
    return np.asarray(distance)


def turn(pose: Array, distance: Array, start: Array, radius: Array) -> Array:
    """Straight for ``start`` (N,) metres, a quarter circle of signed ``radius`` (N,) (left positive), then straight.

    ``distance`` (N, T) is measured along this path.
    """
    lead = np.minimum(distance, start[:, None])
    r = np.abs(radius)[:, None]
    arc = np.clip(distance - start[:, None], 0.0, 0.5 * np.pi * r)
    tail = np.maximum(distance - start[:, None] - 0.5 * np.pi * r, 0.0)
    side = np.sign(radius)[:, None]
    angle = arc / r
    forward = lead + r * np.sin(angle)
    left = side * (r * (1.0 - np.cos(angle)) + tail)
    c, s = np.cos(pose[:, 2:3]), np.sin(pose[:, 2:3])
    return np.stack(
        [
            pose[:, 0:1] + c * forward - s * left,
            pose[:, 1:2] + s * forward + c * left,
            pose[:, 2:3] + side * angle,
        ],
        axis=2,
    )


def along_route(line: RouteLine, s: Array, lateral: Array, backwards: NDArray[np.bool_]) -> Array:
    """Poses at arc lengths ``s``, ``lateral`` to the left (N, T) of the route, facing against it if ``backwards``."""
    poses = line.sample(s, lateral)
    poses[backwards, :, 2] += np.pi
    return poses
