"""A plan as the bytes of an autoware_planning_msgs/Trajectory: its points are records of one numpy array."""

from __future__ import annotations

import numpy as np

from autodrive.errors import InputError
from autodrive.scene import Trajectory
from autodrive_nodes import contracts
from autodrive_nodes.cdr import Reader, Writer, planar_poses, yaws
from autodrive_nodes.message_parts import serialized
from autodrive_nodes.messages import WHEELBASE

_TIME = np.dtype([("seconds", "<i4"), ("nanoseconds", "<u4")])
# A point begins with its time, but only its pose is aligned to eight bytes: hence records from pose to pose.
_POINT = np.dtype(
    [
        ("pose", "<f8", 7),
        ("speed", "<f4"),
        ("lateral_speed", "<f4"),
        ("acceleration", "<f4"),
        ("heading_rate", "<f4"),
        ("front_wheel_angle", "<f4"),
        ("rear_wheel_angle", "<f4"),
        ("next_time", _TIME),
    ]
)


def trajectory_to_bytes(trajectory: Trajectory) -> bytes:
    """A plan in map. Its reason travels on /diagnostics."""
    count = len(trajectory.t)
    times, points = np.zeros(count, _TIME), np.zeros(count, _POINT)
    times["seconds"], times["nanoseconds"] = np.divmod(np.rint(trajectory.t * 1e9).astype(np.int64), 1_000_000_000)
    points["pose"] = planar_poses(trajectory.x, trajectory.y, 0.0, trajectory.yaw)
    points["speed"], points["acceleration"] = trajectory.speed, trajectory.acceleration
    points["heading_rate"] = trajectory.speed * trajectory.curvature
    points["front_wheel_angle"] = np.arctan(WHEELBASE * trajectory.curvature)
    points["next_time"][:-1] = times[1:]
    out = Writer(trajectory.stamp_ns, "map")
    out.numbers("I", count)
    out.raw(times[:1].tobytes())
    out.aligned(points.tobytes()[: -_TIME.itemsize])
    return out.message()


@serialized
def trajectory_from_bytes(data: bytes) -> Trajectory:
    """A plan in map; raises InputError for what is damaged or not finite."""
    where = contracts.TRAJECTORY.name
    source = Reader(data, where)
    count = source.count()
    first = source.raw(_TIME.itemsize if count else 0)
    body = source.aligned(max(count * _POINT.itemsize - _TIME.itemsize, 0))
    points = np.frombuffer(bytes(body) + bytes(_TIME.itemsize if count else 0), _POINT)
    times = np.concatenate([np.frombuffer(first, _TIME), points["next_time"][:-1]])
    rows = np.array(
        [
            times["seconds"] + times["nanoseconds"] * 1e-9,
            points["pose"][:, 0],
            points["pose"][:, 1],
            yaws(points["pose"][:, 3:]),
            points["speed"],
            points["acceleration"],
            np.tan(points["front_wheel_angle"].astype(np.float64)) / WHEELBASE,
        ]
    )
    if not np.isfinite(rows).all():
        raise InputError(f"{where}: a point is not finite")
    rows[3] = np.unwrap(rows[3])
    return Trajectory(source.stamp_ns, *rows)
