"""Follows detected objects over time: stable ids, velocities, headings and sizes in map.

Tracking by detection: predict all tracks, match them with the detections (Hungarian method on Mahalanobis distance and
class), correct, then begin and end tracks. The filters are in tracker_filter, the memory in tracker_table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.errors import InputError
from autodrive.scene import DetectedObject, EgoState, GridExtent, ObjectClass, Perception, TrackedObject
from autodrive.vision import tracker_filter as kf
from autodrive.vision.tracker_match import gather, hidden, match, second_boxes
from autodrive.vision.tracker_standing import slope, standing_still
from autodrive.vision.tracker_table import (
    CLASSES,
    FIXED,
    TURNING,
    Array,
    Detections,
    Index,
    born,
    empty_table,
    valid,
)

# standard deviation of measured positions per class, along the line of sight: [m], and [m] per metre of range
_POSITION_STD = np.array([0.3, 0.3, 0.3, 0.1, 0.3, 0.3, 0.3, 0.3, 0.3])
_POSITION_STD_PER_M = np.array([0.02, 0.02, 0.02, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02])
# white noise per class (tracker_filter): acceleration [m/s2]; turn acceleration [rad/s2], heading walk [rad/sqrt(s)]
_ACCEL_STD = np.array([4.5, 4.0, 2.5, 1.5, 0.3, 0.3, 0.3, 0.3, 0.3])
_TURN_STD = np.array([0.8, 0.4, 1.0, 1.5, 0.1, 0.1, 0.1, 0.1, 0.1])


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Measurement noise, gates, and the life cycle of tracks."""

    yaw_std: float = 0.15
    velocity_std: float = 1.5  # the network's velocity is a hint; positions over time decide
    gate: float = 13.8  # squared Mahalanobis distance, 99.9 % of a chi-square with 2 degrees of freedom
    max_jump_m: float = 4.0
    min_birth_score: float = 0.25
    min_update_score: float = 0.1
    confirm_belief: float = 0.8
    confirm_hits: int = 2
    urgent_score: float = 0.6
    urgent_ahead_m: float = 15.0
    urgent_half_width_m: float = 2.5
    coast_tentative_s: float = 0.25
    coast_s: float = 0.7  # times the track's score
    coast_hidden_s: float = 2.0
    max_gap_s: float = 2.0


class Tracker:
    """Call ``update`` once per frame. ``rejected`` counts detections dropped for an impossible number in them."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        """A tracker without tracks; ids begin at 1 and are never used again."""
        self._config = config or TrackerConfig()
        self._table = empty_table()
        self._next_id = 1
        self._stamp_ns: int | None = None
        self.rejected = 0

    def update(self, perception: Perception, ego: EgoState) -> tuple[TrackedObject, ...]:
        """Take one frame in and return the tracks worth acting on, in map at its stamp, in the order of their ids.

        Raises InputError when the stamps of frame and ego differ, when time does not go forward, or when the ego pose
        is not finite; the tracks stay as they were.
        """
        dt = self._elapsed(perception.stamp_ns, ego)
        stamp_ns = perception.stamp_ns
        detections = self._detections(perception.objects, ego)
        if dt > self._config.max_gap_s:
            self._table = empty_table()
        self._predict(dt)
        ego_xy = np.array([ego.pose.x, ego.pose.y])
        std, per_metre = _POSITION_STD[detections.label], _POSITION_STD_PER_M[detections.label]
        noise = kf.position_noise(detections.xy, ego_xy, std, per_metre)
        rows, columns = match(self._table, detections, noise, self._config.gate, self._config.max_jump_m)
        self._correct(rows, columns, detections, noise, stamp_ns)
        self._bury(stamp_ns, ego, perception.ground.extent)
        self._give_birth(columns, detections, noise, stamp_ns)
        self._stamp_ns = stamp_ns
        return self._output(stamp_ns, ego)

    def _elapsed(self, stamp_ns: int, ego: EgoState) -> float:
        if ego.stamp_ns != stamp_ns:
            raise InputError(
                f"tracker: frame is of {stamp_ns} ns but the ego state of {ego.stamp_ns} ns; synchronise them"
            )
        if not np.isfinite([ego.pose.x, ego.pose.y, ego.pose.yaw]).all():
            raise InputError(f"tracker: ego pose is not finite: {ego.pose}; check the localization")
        if self._stamp_ns is None:
            return 0.0
        if stamp_ns <= self._stamp_ns:
            raise InputError(f"tracker: stamp {stamp_ns} ns does not come after {self._stamp_ns} ns; frame ignored")
        return (stamp_ns - self._stamp_ns) * 1e-9

    def _detections(self, objects: tuple[DetectedObject, ...], ego: EgoState) -> Detections:
        good = [d for d in objects if valid(d)]
        self.rejected += len(objects) - len(good)
        return gather([d for d in good if d.score >= self._config.min_update_score], ego.pose)

    def _predict(self, dt: float) -> None:
        t = self._table
        if len(t) == 0 or dt == 0.0:
            return
        calm = np.where(t.standing, 0.1, 1.0)
        accel, turn = calm * _ACCEL_STD[t.label], calm * _TURN_STD[t.label]
        t.mean, t.cov = kf.predict(t.mean, t.cov, t.turning, accel, turn, dt)

    def _correct(self, rows: Index, columns: Index, d: Detections, noise: Array, stamp_ns: int) -> None:
        t = self._table
        missed = np.ones(len(t), bool)
        missed[rows] = False
        t.score[missed] *= 0.9
        t.mean[missed & t.turning, 4] *= 0.8  # nobody turns for ever unseen
        if len(rows) == 0:
            return
        self._settle_class(rows, columns, d)
        yaw = self._settle_heading(rows, columns, d)
        measured = np.column_stack([d.xy[columns], yaw, d.velocity[columns]])
        full = np.zeros((len(rows), 5, 5))
        full[:, :2, :2] = noise[columns]
        full[:, 2, 2] = self._config.yaw_std**2
        full[:, 3, 3] = full[:, 4, 4] = self._velocity_std(columns, d, t.hits[rows]) ** 2
        t.mean[rows], t.cov[rows] = kf.update(t.mean[rows], t.cov[rows], t.turning[rows], measured, full)
        std = np.sqrt(0.5 * np.trace(noise[columns], axis1=1, axis2=2))
        newest = np.column_stack([np.full(len(rows), stamp_ns * 1e-9), d.xy[columns], std, d.velocity[columns]])
        t.history[rows] = np.concatenate([t.history[rows, 1:], newest[:, None]], axis=1)
        t.hits[rows] += 1
        t.belief[rows] += d.score[columns]
        t.score[rows] += 0.3 * (d.score[columns] - t.score[rows])
        t.confirmed |= (t.hits >= self._config.confirm_hits) & (t.belief >= self._config.confirm_belief)
        t.seen_ns[rows] = stamp_ns
        gain = np.maximum(1.0 / t.hits[rows], 0.08)[:, None]
        t.shape[rows] += gain * (d.shape[columns] - t.shape[rows])
        self._settle_motion(rows)

    def _velocity_std(self, columns: Index, d: Detections, hits: Index) -> Array:
        """Standard deviations (M,) of the network's velocities; its errors repeat in every frame, so trust fades."""
        std = self._config.velocity_std * np.where(hits < 5, 1.0, 1.6)
        return np.where(d.silent[columns], 100.0, std)

    def _settle_class(self, rows: Index, columns: Index, d: Detections) -> None:
        """Let detections vote on the class; a change of motion model converts the state."""
        t = self._table
        t.evidence[rows] = 0.9 * t.evidence[rows] + np.eye(CLASSES)[d.label[columns]] * d.score[columns, None]
        best = t.evidence[rows].argmax(axis=1)
        everything = np.arange(len(rows))
        switch = t.evidence[rows][everything, best] > 1.3 * t.evidence[rows][everything, t.label[rows]]
        for row, label in zip(rows[switch], best[switch], strict=True):
            vx, vy = t.velocity[row]
            if TURNING[t.label[row]] != TURNING[label]:
                yaw = t.mean[row, 2]
                motion = (vx * np.cos(yaw) + vy * np.sin(yaw), 0.0) if TURNING[label] else (vx, vy)
                t.mean[row, 3:] = motion
                t.cov[row, 3:, :] = t.cov[row, :, 3:] = 0.0
                t.cov[row, 3, 3] = t.cov[row, 4, 4] = 1.0
            t.label[row] = label

    def _settle_heading(self, rows: Index, columns: Index, d: Detections) -> Array:
        """Measured headings (M,), turned by pi where the track says so; turns tracks that are reversed themselves."""
        t = self._table
        opposed = np.cos(d.yaw[columns] - t.mean[rows, 2]) < 0
        turning = t.turning[rows]
        speed = t.mean[rows, 3]
        votes = np.where(opposed, 1.0, -1.0) - np.where(turning, np.clip(speed, -3.0, 3.0), 0.0)
        t.flip[rows] = np.clip(t.flip[rows] + votes, -6.0, 6.0)
        wrong = t.flip[rows] > 4.0
        turn = rows[wrong & turning]
        t.mean[turn], t.cov[turn] = kf.turn_around(t.mean[turn], t.cov[turn])
        other = rows[wrong & ~turning]
        t.mean[other, 2] = kf.wrap(t.mean[other, 2] + np.pi)
        t.flip[rows[wrong]] = -2.0
        return d.yaw[columns] + np.pi * (opposed ^ wrong)

    def _settle_motion(self, rows: Index) -> None:
        """Zero the motion of what cannot move or stands; give a car that starts the speed that was just measured."""
        t = self._table
        fixed = rows[t.fixed[rows]]
        t.mean[fixed], t.cov[fixed] = kf.freeze(t.mean[fixed], t.cov[fixed])
        # people step off within a moment, and slowly: their filter alone follows that
        nimble = t.label[rows] == ObjectClass.PEDESTRIAN
        t.standing[rows[nimble]] = False
        free = rows[~t.fixed[rows] & ~nimble]
        speed = np.hypot(*t.velocity[free].T)
        before = t.standing[free]
        t.standing[free] = standing_still(t.history[free], before, speed, t.mean[free, :2])
        still = free[t.standing[free]]
        t.mean[still], t.cov[still] = kf.hold_still(t.mean[still], t.cov[still], 0.1)
        started = free[before & ~t.standing[free]]
        velocity, _ = slope(t.history[started, -5:])
        yaw = t.mean[started, 2]
        along = velocity[:, 0] * np.cos(yaw) + velocity[:, 1] * np.sin(yaw)
        turning = t.turning[started]
        t.mean[started, 3] = np.where(turning, along, velocity[:, 0])
        t.mean[started, 4] = np.where(turning, 0.0, velocity[:, 1])
        t.mean[started, :2] = np.nanmean(t.history[started, -2:, 1:3], axis=1) if len(started) else 0.0
        t.cov[started, 0, 0] += 0.1
        t.cov[started, 1, 1] += 0.1
        t.cov[started, 3, 3] += 1.0
        t.cov[started, 4, 4] += np.where(turning, 0.05, 1.0)
        # a car that was parked a while forgets it, or the whole window would call it parked again at once
        t.history[started, :-5] = np.nan

    def _bury(self, stamp_ns: int, ego: EgoState, extent: GridExtent) -> None:
        t, cfg = self._table, self._config
        unseen = (stamp_ns - t.seen_ns) * 1e-9
        missed = unseen > 0
        limit = np.where(t.confirmed, np.maximum(cfg.coast_s * t.score, cfg.coast_tentative_s), cfg.coast_tentative_s)
        limit = np.where(hidden(t, missed, ego.pose, extent) & t.confirmed, cfg.coast_hidden_s, limit)
        self._table = t.select(unseen <= limit + 1e-9)

    def _give_birth(self, matched: Index, d: Detections, noise: Array, stamp_ns: int) -> None:
        t = self._table
        new = d.score >= self._config.min_birth_score
        new[matched] = False
        new &= ~second_boxes(t, d, t.seen_ns == stamp_ns)
        if not new.any():
            return
        fresh = Detections(d.label[new], d.score[new], d.xy[new], d.yaw[new], d.velocity[new], d.shape[new])
        turning, fixed = TURNING[fresh.label], FIXED[fresh.label]
        fresh.velocity[fixed] = 0.0
        speed_std = np.where(fresh.silent, 6.0, 3.0)
        motion_std = np.column_stack([np.where(turning, speed_std, 1.5), np.where(turning, 0.3, 1.5)])
        motion_std[fixed] = 1e-3
        babies = born(fresh, noise[new], motion_std, stamp_ns, self._next_id)
        std = np.sqrt(0.5 * np.trace(noise[new], axis1=1, axis2=2))
        babies.history[:, -1] = np.column_stack([np.full(len(std), stamp_ns * 1e-9), fresh.xy, std, fresh.velocity])
        self._next_id += len(babies)
        self._table = t.extend(babies)

    def _output(self, stamp_ns: int, ego: EgoState) -> tuple[TrackedObject, ...]:
        t, cfg = self._table, self._config
        local = ego.pose.inverse().apply(t.mean[:, :2])
        urgent = (t.score >= cfg.urgent_score) & (local[:, 0] > 0) & (local[:, 0] < cfg.urgent_ahead_m)
        urgent &= np.abs(local[:, 1]) < cfg.urgent_half_width_m
        moving = ~t.standing & ~t.fixed
        velocity = t.velocity * moving[:, None]
        turn = np.where(moving & t.turning, t.mean[:, 4], 0.0)
        walking = ~t.turning & (np.hypot(*velocity.T) > 0.5)
        yaw = kf.wrap(np.where(walking, np.arctan2(velocity[:, 1], velocity[:, 0]), t.mean[:, 2]))
        std = np.sqrt(0.5 * (t.cov[:, 0, 0] + t.cov[:, 1, 1]))
        age = (stamp_ns - t.born_ns) * 1e-9
        numbers = np.column_stack(
            [t.score, t.mean[:, :2], t.shape[:, 0], yaw, t.shape[:, 1:], velocity, turn, age, std]
        ).tolist()
        return tuple(
            TrackedObject(int(t.track_id[i]), ObjectClass(int(t.label[i])), *numbers[i])
            for i in np.flatnonzero(t.confirmed | urgent)
        )
