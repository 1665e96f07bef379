"""What the tracker remembers: arrays with one row per track, and the same for the detections of one frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from autodrive.scene import VEHICLES, DetectedObject, ObjectClass

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

CLASSES = len(ObjectClass)
HISTORY = 20
TURNING = np.isin(np.arange(CLASSES), [*VEHICLES, ObjectClass.CYCLIST])
FIXED = np.arange(CLASSES) >= ObjectClass.CONE


@dataclass
class Detections:
    """Detections as arrays in a canonical order, positions, headings and velocities in map."""

    label: Index  # (D,)
    score: Array  # (D,)
    xy: Array  # (D, 2)
    yaw: Array  # (D,)
    velocity: Array  # (D, 2)
    shape: Array  # (D, 4) z, length, width, height

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.label)

    @property
    def silent(self) -> Mask:
        """Detections without a velocity: a network that estimates one never says exactly zero."""
        return (self.velocity == 0.0).all(axis=1)


def valid(detection: DetectedObject) -> bool:
    """Whether all numbers are finite and the size and score are possible."""
    d = detection
    numbers = (d.score, d.x, d.y, d.z, d.yaw, d.length, d.width, d.height, d.vx, d.vy)
    return bool(np.isfinite(numbers).all() and 0 < d.score <= 1 and min(d.length, d.width, d.height) > 0)


@dataclass
class TrackTable:
    """One row per track. ``history`` holds the last measurements: time [s], x, y, standard deviation [m], vx, vy."""

    mean: Array  # (N, 5), see tracker_filter
    cov: Array  # (N, 5, 5)
    track_id: Index
    label: Index
    evidence: Array  # (N, CLASSES) decayed sums of scores
    shape: Array  # (N, 4) z, length, width, height
    score: Array
    hits: Index
    belief: Array  # sum of scores since birth, decides confirmation
    born_ns: Index
    seen_ns: Index
    confirmed: Mask
    standing: Mask
    flip: Array  # evidence that the heading is the wrong way round
    history: Array  # (N, HISTORY, 6), newest last, NaN where there is none yet

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.track_id)

    @property
    def turning(self) -> Mask:
        """Rows that move by the constant-turn-rate model."""
        return TURNING[self.label]

    @property
    def fixed(self) -> Mask:
        """Rows of classes that never move."""
        return FIXED[self.label]

    @property
    def velocity(self) -> Array:
        """Velocities (N, 2) over ground in map."""
        v = self.mean[:, 3]
        yaw = self.mean[:, 2]
        turned = np.stack([v * np.cos(yaw), v * np.sin(yaw)], axis=1)
        return np.where(self.turning[:, None], turned, self.mean[:, 3:])

    def select(self, keep: Mask) -> TrackTable:
        """The rows where ``keep`` is true."""
        return TrackTable(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})

    def extend(self, other: TrackTable) -> TrackTable:
        """These rows, then the other's."""
        return TrackTable(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )


def empty_table() -> TrackTable:
    """A table without rows."""
    one = Detections(
        np.zeros(1, np.int64), np.ones(1), np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)), np.ones((1, 4))
    )
    return born(one, np.ones((1, 2, 2)), np.ones((1, 2)), 0, 1).select(np.zeros(1, bool))


def born(new: Detections, position_cov: Array, motion_std: Array, stamp_ns: int, first_id: int) -> TrackTable:
    """Rows for new detections, with ids from ``first_id`` on; ``motion_std`` (D, 2) are of the two motion states."""
    count = len(new)
    speed = np.hypot(new.velocity[:, 0], new.velocity[:, 1])
    along = new.velocity[:, 0] * np.cos(new.yaw) + new.velocity[:, 1] * np.sin(new.yaw)
    turning = TURNING[new.label]
    # a network may see which way a car is aligned but not which end is the front; things rarely move backwards fast
    reversed_ = turning & (speed > 2.0) & (along < 0)
    mean = np.zeros((count, 5))
    mean[:, :2] = new.xy
    mean[:, 2] = new.yaw + np.pi * reversed_
    mean[:, 3] = np.where(turning, np.abs(along) * np.where(reversed_ | (along > 0), 1, -1), new.velocity[:, 0])
    mean[:, 4] = np.where(turning, 0.0, new.velocity[:, 1])
    cov = np.zeros((count, 5, 5))
    cov[:, :2, :2] = position_cov
    cov[:, 2, 2] = 0.3**2
    cov[:, 3, 3], cov[:, 4, 4] = motion_std.T**2
    return TrackTable(
        mean=mean,
        cov=cov,
        track_id=np.arange(first_id, first_id + count),
        label=new.label.copy(),
        evidence=np.eye(CLASSES)[new.label] * new.score[:, None],
        shape=new.shape.copy(),
        score=new.score.copy(),
        hits=np.ones(count, np.int64),
        belief=new.score.copy(),
        born_ns=np.full(count, stamp_ns, np.int64),
        seen_ns=np.full(count, stamp_ns, np.int64),
        confirmed=np.zeros(count, bool),
        standing=np.zeros(count, bool),
        flip=np.zeros(count),
        history=np.full((count, HISTORY, 6), np.nan),
    )
