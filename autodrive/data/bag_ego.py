"""The body's own motion during a bag: from its odometry, from its TF tree, or standing still where it has neither."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.data.bags import BagReader
from autodrive.geometry import Pose2
from autodrive.scene import EgoState

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
PREFERRED = "/localization/kinematic_state"
WORLD_FRAMES = ("map", "odom", "world")


@dataclass(frozen=True)
class EgoTrack:
    """Planar motion over time: columns of ``rows`` are x, y, yaw (unwrapped), speed, yaw rate; ``source`` names it."""

    source: str
    stamps_ns: NDArray[np.int64]
    rows: NDArray[np.float64]

    def at(self, stamp_ns: int) -> EgoState:
        """Interpolated between samples, held before the first and after the last; standing still without any."""
        if not len(self.stamps_ns):
            return EgoState(stamp_ns, Pose2(0.0, 0.0, 0.0), 0.0, 0.0)
        since = (self.stamps_ns - self.stamps_ns[0]) * 1e-9
        t = (stamp_ns - int(self.stamps_ns[0])) * 1e-9
        x, y, yaw, speed, yaw_rate = (float(np.interp(t, since, column)) for column in self.rows.T)
        return EgoState(stamp_ns, Pose2(x, y, math.remainder(yaw, math.tau)), speed, yaw_rate)


def ego_from_bag(path: Path, base_frame: str) -> EgoTrack:
    """Odometry if there is any, else a transform from map, odom or world straight to ``base_frame`` in /tf."""
    with BagReader(path) as reader:
        topics = [t for t in reader.topics() if t.count]
        odometry = [t.name for t in topics if t.type == ODOMETRY_TYPE]
        if odometry:
            name = min(odometry, key=lambda n: (n != PREFERRED, n))
            return _from_odometry(name, [m.message for m in reader.messages([name])])
        transforms = [t for m in reader.messages(["/tf"]) for t in m.message.transforms]
    for world in WORLD_FRAMES:
        edge = (world, base_frame.lstrip("/"))
        found = [t for t in transforms if (t.header.frame_id.lstrip("/"), t.child_frame_id.lstrip("/")) == edge]
        if len(found) > 1:
            return _from_transforms(f"/tf {world} -> {base_frame}", found)
    return EgoTrack("none: standing still", np.zeros(0, np.int64), np.zeros((0, 5)))


def _from_odometry(name: str, found: list[Any]) -> EgoTrack:
    stamps = [_stamp_ns(m.header.stamp) for m in found]
    rows = []
    for m in found:
        pose, twist = m.pose.pose, m.twist.twist
        yaw = _yaw(pose.orientation)
        rows.append((pose.position.x, pose.position.y, yaw, twist.linear.x, twist.angular.z))
    return _track(name, stamps, np.array(rows, dtype=np.float64))


def _from_transforms(name: str, found: list[Any]) -> EgoTrack:
    stamps = [_stamp_ns(t.header.stamp) for t in found]
    poses = [(t.transform.translation.x, t.transform.translation.y, _yaw(t.transform.rotation)) for t in found]
    track = _track(name, stamps, np.hstack([np.array(poses, dtype=np.float64), np.zeros((len(poses), 2))]))
    if len(track.stamps_ns) < 2:
        return track
    t = (track.stamps_ns - track.stamps_ns[0]) * 1e-9
    x, y, yaw = track.rows[:, :3].T
    forward = np.gradient(x, t) * np.cos(yaw) + np.gradient(y, t) * np.sin(yaw)
    return EgoTrack(name, track.stamps_ns, np.column_stack([x, y, yaw, forward, np.gradient(yaw, t)]))


def _track(name: str, stamps: list[int], rows: NDArray[np.float64]) -> EgoTrack:
    """Sorted, one row per stamp, without rows that are not finite."""
    stamps_ns, first = np.unique(np.array(stamps, np.int64), return_index=True)
    rows = rows[first]
    finite = np.isfinite(rows).all(axis=1)
    stamps_ns, rows = stamps_ns[finite], rows[finite]
    rows[:, 2] = np.unwrap(rows[:, 2])
    return EgoTrack(name, stamps_ns, rows)


def _yaw(q: Any) -> float:
    return math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))


def _stamp_ns(time: Any) -> int:
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)
