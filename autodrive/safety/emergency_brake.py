"""The last resort, independent of the planner: brake fully when the present motion hits something about now."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array
from autodrive.scene import Command, EgoState, TrackedObject

FRONT_M, REAR_M, WIDTH_M = 3.55, 0.95, 1.80
FULL_BRAKE = 7.0
REACTION_S = 0.35
MIN_SPEED = 0.8
STEP_S = 0.1
# positions of tracks are noisy: what only touches within this much is left to the planner
SHRINK_M = 0.15
MIN_AGE_S = 0.3
MIN_SCORE = 0.3


def collision_imminent(ego: EgoState, tracks: tuple[TrackedObject, ...], command: Command) -> int | None:
    """The id of the first track that the body hits within the time that a full braking needs, or None.

    The body follows a circle of its present curvature, slowing only as ``command`` asks; tracks move straight on. What
    the body overlaps already, young and unsure tracks, and anything at a crawl do not count.
    """
    if not tracks or not ego.speed > MIN_SPEED:
        return None
    window_s = min(max(ego.speed / (2 * FULL_BRAKE) + REACTION_S, 0.5), 1.2)
    t = np.arange(1, int(window_s / STEP_S) + 2) * STEP_S
    braking = min(command.acceleration, 0.0) * 0.8
    stop_s = ego.speed / -braking if braking < 0 else math.inf
    clipped = np.minimum(t, stop_s)
    way = ego.speed * clipped + braking * clipped**2 / 2
    poses = _arc(ego, ego.yaw_rate / ego.speed, np.concatenate([[0.0], way]))
    first: tuple[float, int] | None = None
    for track in tracks:
        if track.age_s < MIN_AGE_S or track.score < MIN_SCORE:
            continue
        hit = _overlaps(poses, track, np.concatenate([[0.0], t]))
        if hit[0] or not hit.any():
            continue
        when = float(np.argmax(hit))
        if first is None or when < first[0]:
            first = (when, track.track_id)
    return None if first is None else first[1]


def _arc(ego: EgoState, curvature: float, way: Array) -> Array:
    turn = curvature * way
    # chord of a circle; sinc keeps the straight line finite
    chord = way * np.sinc(turn / 2 / np.pi)
    middle = ego.pose.yaw + turn / 2
    return np.stack(
        [ego.pose.x + chord * np.cos(middle), ego.pose.y + chord * np.sin(middle), ego.pose.yaw + turn], axis=1
    )


def _overlaps(poses: Array, track: TrackedObject, t: Array) -> NDArray[np.bool_]:
    """Whether the body at each pose (T, 3) overlaps the track's box at time t (T,), by separating axes."""
    c, s = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    cb, sb = math.cos(track.yaw), math.sin(track.yaw)
    offset = (FRONT_M - REAR_M) / 2
    dx = track.x + track.vx * t - poses[:, 0] - c * offset
    dy = track.y + track.vy * t - poses[:, 1] - s * offset
    along, across = np.abs(c * cb + s * sb), np.abs(c * sb - s * cb)
    length, width = (FRONT_M + REAR_M) / 2, WIDTH_M / 2 - SHRINK_M
    other_length, other_width = max(track.length / 2 - SHRINK_M, 0.1), max(track.width / 2 - SHRINK_M, 0.1)
    return (
        (np.abs(c * dx + s * dy) < length + other_length * along + other_width * across)
        & (np.abs(c * dy - s * dx) < width + other_length * across + other_width * along)
        & (np.abs(cb * dx + sb * dy) < other_length + length * along + width * across)
        & (np.abs(cb * dy - sb * dx) < other_width + length * across + width * along)
    )
