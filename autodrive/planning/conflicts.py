"""Space-time conflicts: where along each candidate path, and when, the body would come too near to anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.collision import Boxes, separation
from autodrive.planning.config import PlannerConfig
from autodrive.planning.obstacles import Obstacles
from autodrive.planning.path_candidates import Paths
from autodrive.scene import EgoState, ObjectClass

# a body that already stands within a margin may move as long as it comes no nearer than by this, ...
SLACK_TOLERANCE_M = 0.02
# ... and never nearer than this, unless it is already (tracks are noisy, and a touching ghost must not hold us for ever)
LEAST_GAP_M = 0.12
NOTHING_NEAR_M = 1e3
SAME_WAY_COS = 0.6


@dataclass(frozen=True)
class Conflicts:
    """Slack beyond margins on P paths at K samples (arc lengths ``s``) and T times; negative is a conflict.

    ``static`` (P, K); ``moving`` one (P, K, T) array per entry of ``moving_tracks`` (indices into the obstacles' tracks);
    ``risk`` a list of (probability, (P, K, T)) for modes too unlikely to be constraints.
    """

    s: Array
    static: Array
    moving: tuple[Array, ...]
    moving_tracks: tuple[int, ...]
    risk: tuple[tuple[float, Array], ...]

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
    stride = round(config.conflict_step / config.path_step)
    samples = slice(None, None, stride)
    x, y, yaw = (v[:, samples] for v in (paths.x, paths.y, paths.yaw))
    shape = x.shape
    slack = _slack(x, y, yaw, obstacles, ego, config)  # (P*K, M, T) or, for standing modes, T = 1
    static = np.full(shape, NOTHING_NEAR_M)
    moving: dict[int, Array] = {}
    risk: list[tuple[float, Array]] = []
    from_behind = _from_behind(obstacles, ego, config)
    for m, mode in enumerate(slack):
        if from_behind[m]:
            continue
        values = mode.reshape(*shape, -1)
        if obstacles.tracks[obstacles.track[m]].label == ObjectClass.PEDESTRIAN:
            values = values.copy()
            values[..., round(config.pedestrian_horizon_s / (config.dt * config.conflict_stride)) + 1 :] = NOTHING_NEAR_M
        if obstacles.static[m]:
            static = np.minimum(static, values[..., 0])
        elif obstacles.hard[m]:
            track = int(obstacles.track[m])
            moving[track] = np.minimum(moving[track], values) if track in moving else values
        else:
            risk.append((float(obstacles.probability[m]), values))
    # a track that never touches any path is no conflict
    touching = {k: v for k, v in moving.items() if (v < 0).any()}
    return Conflicts(
        paths.s[samples],
        static,
        tuple(touching.values()),
        tuple(touching),
        tuple((p, v) for p, v in risk if (v < 0).any()),
    )


def _from_behind(obstacles: Obstacles, ego: EgoState, config: PlannerConfig) -> Array:
    """Modes (M,) that would run into the body from behind where it is now: keeping clear is the follower's duty."""
    pose = ego.pose
    here = (np.array([v]) for v in (pose.x, pose.y, pose.yaw))
    touches = separation(*here, config.footprint, obstacles.boxes).reshape(obstacles.poses.shape[:2]) < 0
    local = pose.inverse().apply(obstacles.poses[:, 0, :2])
    first = np.argmax(touches, axis=1)
    heading = obstacles.poses[np.arange(len(obstacles)), first, 2]
    same_way = np.cos(heading - pose.yaw) > SAME_WAY_COS
    return np.asarray(touches.any(axis=1) & ~touches[:, 0] & same_way & (local[:, 0] < 0.0))


def _slack(x: Array, y: Array, yaw: Array, obstacles: Obstacles, ego: EgoState, config: PlannerConfig) -> list[Array]:
    """Separation less the tolerance for what is already too near, one (N, T) array per mode."""
    steps = obstacles.poses.shape[1]
    keep = np.ones((len(obstacles), steps), dtype=bool)
    keep[obstacles.static, 1:] = False
    boxes = _take(obstacles.boxes, keep.ravel())
    gap = separation(x.ravel(), y.ravel(), yaw.ravel(), config.footprint, boxes)
    first = _take(obstacles.boxes, (np.arange(len(obstacles.boxes)) % steps) == 0)
    pose = ego.pose
    now = separation(*(np.array([v]) for v in (pose.x, pose.y, pose.yaw)), config.footprint, first)[0]
    floor = LEAST_GAP_M - first.margin_across
    allowed = np.minimum(np.where(now > floor, np.maximum(now - SLACK_TOLERANCE_M, floor), now), 0.0)
    out, column = [], 0
    for m, count in enumerate(keep.sum(axis=1)):
        out.append(gap[:, column : column + count] - allowed[m])
        column += count
    return out


def _take(boxes: Boxes, keep: Array) -> Boxes:
    fields = (boxes.x, boxes.y, boxes.yaw, boxes.half_length, boxes.half_width, boxes.margin_along, boxes.margin_across)
    return Boxes(*(f[keep] for f in fields))
