"""Distance to people, independent of the planner: nothing of a commanded velocity may lead too near to anybody."""

from __future__ import annotations

import math

import numpy as np

from autodrive.geometry import Pose2
from autodrive.safety.envelope import WalkEnvelope
from autodrive.scene import EgoState, ObjectClass, TrackedObject

PEOPLE = frozenset({ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST})
ROUNDS = 3
SLOW = 0.02  # m/s; approaching slower than this is the noise of who stands
MIN_AGE_S = 0.2
MIN_SCORE = 0.25


def keep_distance(
    ego: EgoState, tracks: tuple[TrackedObject, ...], velocity: tuple[float, float], envelope: WalkEnvelope
) -> tuple[float, float, int] | None:
    """The velocity (vx, vy in base_link) without what approaches people too much, and for whom; None: it may stay.

    The nearer somebody is, the slower the body may approach; at ``person_distance`` it may not at all. Who comes nearer
    by their own motion makes the body stop the earlier, but only where it moves towards them.
    """
    limits = _limits(ego, tracks, envelope)
    vx, vy = velocity
    who: int | None = None
    for _ in range(ROUNDS):
        for nx, ny, allowed, track_id in limits:
            excess = vx * nx + vy * ny - max(allowed, SLOW)
            if excess > 1e-9:
                who = track_id if who is None else who
                cut = vx * nx + vy * ny - allowed
                vx, vy = vx - cut * nx, vy - cut * ny
    if who is None:
        return None
    if any(vx * nx + vy * ny > max(allowed, SLOW) + 1e-6 for nx, ny, allowed, _ in limits):
        # between two people there is no direction left
        vx, vy = 0.0, 0.0
    return vx, vy, who


def share_allowed(
    ego: EgoState, tracks: tuple[TrackedObject, ...], velocity: tuple[float, float], envelope: WalkEnvelope
) -> float:
    """The share (0..1) of a velocity at which it approaches nobody too fast."""
    share = 1.0
    for nx, ny, allowed, _ in _limits(ego, tracks, envelope):
        towards = velocity[0] * nx + velocity[1] * ny
        if towards > max(allowed, SLOW):
            share = min(share, allowed / towards)
    return share


def _limits(
    ego: EgoState, tracks: tuple[TrackedObject, ...], envelope: WalkEnvelope
) -> list[tuple[float, float, float, int]]:
    """Direction (in base_link) to each person near by, how fast the body may move that way, and the track's id."""
    return [limit for track in tracks if (limit := _limit_towards(ego, track, envelope)) is not None]


def _limit_towards(
    ego: EgoState, track: TrackedObject, envelope: WalkEnvelope
) -> tuple[float, float, float, int] | None:
    if track.label not in PEOPLE or track.age_s < MIN_AGE_S or track.score < MIN_SCORE:
        return None
    pose = ego.pose
    nearest = _nearest_point(track, pose.x, pose.y)
    dx, dy = nearest[0] - pose.x, nearest[1] - pose.y
    distance = math.hypot(dx, dy)
    if distance < 1e-6:
        dx, dy = track.x - pose.x, track.y - pose.y
    if not math.isfinite(distance) or distance > envelope.person_reach:
        return None
    angle = math.atan2(dy, dx)
    theirs = max(-(track.vx * math.cos(angle) + track.vy * math.sin(angle)), 0.0)
    if not math.isfinite(theirs):
        theirs = 0.0
    room = distance - envelope.body_radius - envelope.person_distance - theirs * envelope.person_reaction_s
    local = angle - pose.yaw
    return math.cos(local), math.sin(local), _approach_speed(room, envelope), track.track_id


def _approach_speed(room: float, envelope: WalkEnvelope) -> float:
    """How fast one may move and still stop within ``room``, after reacting."""
    a, t = envelope.person_deceleration, envelope.person_reaction_s
    return max(math.sqrt(max((a * t) ** 2 + 2 * a * room, 0.0)) - a * t, 0.0)


def _nearest_point(track: TrackedObject, x: float, y: float) -> tuple[float, float]:
    """The point of a track's box that is nearest to (x, y), all in map."""
    pose = Pose2(track.x, track.y, track.yaw)
    local = pose.inverse().apply(np.array([x, y]))
    half = np.array([track.length / 2, track.width / 2])
    px, py = pose.apply(np.clip(local, -half, half))
    return float(px), float(py)
