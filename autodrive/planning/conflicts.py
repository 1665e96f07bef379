"""Space-time conflicts: where along each candidate path, and when, the body would come too near to anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array
from autodrive.planning.collision import Boxes, Grid, separation
from autodrive.planning.config import PlannerConfig
from autodrive.planning.obstacles import Obstacles
from autodrive.planning.path_candidates import Paths
from autodrive.scene import EgoState, ObjectClass

# a body that already stands within a margin may move as long as it comes no nearer than by this, ...
SLACK_TOLERANCE_M = 0.02
# ... and never nearer than this, unless it is already: tracks are noisy, a touching ghost must not hold us for ever
LEAST_GAP_M = 0.12
NOTHING_NEAR_M = 1e3
SAME_WAY_COS = 0.6
COARSE = 8  # path samples (4 m) between looks for what is near at all
REACH_M = 9.0  # body half diagonal, margins, prediction growth, half a coarse step, and a little to see by


@dataclass(frozen=True)
class Conflicts:
    """Slack beyond margins on P paths at K samples (arc lengths ``s``) and T times; negative is a conflict.

    ``static`` (P, K); ``moving`` one (P, K, T) array per entry of ``moving_tracks`` (indices into the obstacles'
    tracks); ``risk`` (P, K, T) sums the probabilities of conflicting modes too unlikely to be constraints.
    """

    s: Array
    static: Array
    moving: tuple[Array, ...]
    moving_tracks: tuple[int, ...]
    risk: Array

    def total(self) -> Array:
        """Least slack (P, K, T) over everything that is a constraint."""
        steps = self.moving[0].shape[2] if self.moving else 1
        least = np.repeat(self.static[:, :, None], steps, axis=2)
        for slack in self.moving:
            least = np.minimum(least, slack)
        return least

    def first_static(self) -> Array:
        """First blocked arc length (P,) by what stands; inf where free."""
        return first_blocked(self.s, self.static)

    def barriers(self, index: int) -> Array:
        """First blocked arc length (P, T) by moving track ``index``, at or after each time; inf where free.

        The running minimum from the end makes a crossing object hold the body back until it has cleared.
        """
        blocked = first_blocked(self.s, np.moveaxis(self.moving[index], 2, 1))
        return np.minimum.accumulate(blocked[:, ::-1], axis=1)[:, ::-1]


def first_blocked(s: Array, slack: Array) -> Array:
    """Arc length at which slack (..., K) first goes below zero, interpolated; inf where it never does."""
    blocked = slack < 0
    i = np.argmax(blocked, axis=-1)
    now = np.take_along_axis(slack, i[..., None], axis=-1)[..., 0]
    before = np.take_along_axis(slack, np.maximum(i - 1, 0)[..., None], axis=-1)[..., 0]
    share = np.where(i > 0, before / np.maximum(before - now, 1e-6), 1.0)
    at = s[np.maximum(i - 1, 0)] + np.clip(share, 0.0, 1.0) * (s[1] - s[0]) * (i > 0)
    return np.asarray(np.where(blocked.any(axis=-1), at, np.inf))


def find_conflicts(paths: Paths, obstacles: Obstacles, ego: EgoState, config: PlannerConfig) -> Conflicts:
    """Evaluate all pairs of path samples and predicted poses."""
    samples = slice(None, None, round(config.conflict_step / config.path_step))
    shape = paths.x[:, samples].shape
    slack = _slack(paths, samples, obstacles, ego, config)
    static = np.full(shape, NOTHING_NEAR_M)
    moving: dict[int, Array] = {}
    risk = np.zeros((*shape, obstacles.poses.shape[1]))
    from_behind = _from_behind(obstacles, ego, config)
    for m in range(len(obstacles)):
        if from_behind[m]:
            continue
        values: Array = slack[:, m].reshape(*shape, -1).astype(np.float64)
        if obstacles.static[m]:
            static = np.minimum(static, values[..., 0])
        elif obstacles.hard[m]:
            track = int(obstacles.track[m])
            moving[track] = np.minimum(moving[track], values) if track in moving else values
        else:
            risk += obstacles.probability[m] * (values < 0)
    # a track that never touches any path is no conflict
    touching = {k: v for k, v in moving.items() if (v < 0).any()}
    return Conflicts(
        paths.s[samples],
        static,
        tuple(touching.values()),
        tuple(touching),
        risk,
    )


def _gap_here(ego: EgoState, boxes: Boxes, config: PlannerConfig) -> Grid:
    x, y, yaw = (np.array([v]) for v in (ego.pose.x, ego.pose.y, ego.pose.yaw))
    return separation(x, y, yaw, config.footprint, boxes)[0]


def _from_behind(obstacles: Obstacles, ego: EgoState, config: PlannerConfig) -> Array:
    """Modes (M,) that would run into the body from behind where it is now: keeping clear is the follower's duty."""
    pose = ego.pose
    touches = _gap_here(ego, obstacles.boxes, config).reshape(obstacles.poses.shape[:2]) < 0
    local = pose.inverse().apply(obstacles.poses[:, 0, :2])
    first = np.argmax(touches, axis=1)
    heading = obstacles.poses[np.arange(len(obstacles)), first, 2]
    same_way = np.cos(heading - pose.yaw) > SAME_WAY_COS
    return np.asarray(touches.any(axis=1) & ~touches[:, 0] & same_way & (local[:, 0] < 0.0))


def _slack(paths: Paths, samples: slice, obstacles: Obstacles, ego: EgoState, config: PlannerConfig) -> Grid:
    """Separation (P*K, M, T) less the tolerance for what is already too near."""
    modes, steps = obstacles.poses.shape[:2]
    keep = (_matters(obstacles, config) & _reach(paths, obstacles)).ravel()
    x, y, yaw = (v[:, samples].ravel() for v in (paths.x, paths.y, paths.yaw))
    first = obstacles.boxes.take((np.arange(modes * steps) % steps) == 0)
    now = _gap_here(ego, first, config)
    floor = LEAST_GAP_M - first.margin_across
    allowed = np.minimum(np.where(now > floor, np.maximum(now - SLACK_TOLERANCE_M, floor), now), 0.0)
    slack = np.full((len(x), modes * steps), NOTHING_NEAR_M, dtype=np.float32)
    gap = separation(x, y, yaw, config.footprint, obstacles.boxes.take(keep))
    slack[:, keep] = gap - np.repeat(allowed, steps)[keep]
    return slack.reshape(len(x), modes, steps)


def _reach(paths: Paths, obstacles: Obstacles) -> NDArray[np.bool_]:
    """Predicted poses (M, T) that could matter to any path, by their distance from the coarse middle one."""
    x, y = paths.x[1, ::COARSE], paths.y[1, ::COARSE]
    spread = float(np.abs(paths.d - paths.d[1]).max())
    reach = REACH_M + spread + np.array([np.hypot(t.length, t.width) / 2 for t in obstacles.tracks])[obstacles.track]
    near = (obstacles.poses[..., :1] - x) ** 2 + (obstacles.poses[..., 1:2] - y) ** 2
    return np.asarray(near.min(axis=-1) < reach[:, None] ** 2)


def _matters(obstacles: Obstacles, config: PlannerConfig) -> NDArray[np.bool_]:
    """Which predicted poses (M, T) are looked at: what stands once, people and mere risks not far ahead in time."""
    step_s = config.dt * config.conflict_stride
    steps = np.arange(obstacles.poses.shape[1])
    person = np.array([obstacles.tracks[i].label == ObjectClass.PEDESTRIAN for i in obstacles.track], dtype=bool)
    # who crawls may do anything soon: its present motion says little about later
    speed = np.array([obstacles.tracks[i].speed for i in obstacles.track])
    vehicle = np.minimum(config.slow_horizon_s + speed, config.horizon_s)
    horizon = np.where(person, config.pedestrian_horizon_s, vehicle)
    horizon = np.where(obstacles.hard, horizon, np.minimum(horizon, config.risk_horizon_s))
    horizon = np.where(obstacles.static, 0.0, horizon)
    return np.asarray(steps[None] <= np.round(horizon / step_s)[:, None])
