"""What all message conversions share: time, headers, planar poses, and the refusal of what is not finite."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any, TypeVar

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import Header

from autodrive.errors import InputError

C = TypeVar("C", bound=Callable[..., Any])


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds as builtin_interfaces/Time."""
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def stamp_ns(time: Any) -> int:
    """builtin_interfaces/Time as nanoseconds."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


_JSON_STAMP = re.compile(r'\{"stamp_ns": ?(-?\d+)')
_STAMP = struct.Struct("<iI")  # where a message begins with a stamp or header, behind the four bytes that name its CDR


def stamp_of(message: Any) -> int:
    """The stamp of any message in nanoseconds, 0 for one that has none; bytes must be of a type that begins with it.

    A std_msgs/String of JSON has one if it begins with ``{"stamp_ns": N``.
    """
    if isinstance(message, bytes):
        seconds, nanoseconds = _STAMP.unpack_from(message, 4) if len(message) >= 12 else (0, 0)
        return int(seconds) * 1_000_000_000 + int(nanoseconds)
    if isinstance(text := getattr(message, "data", None), str):
        found = _JSON_STAMP.match(text)
        return int(found[1]) if found else 0
    stamp = getattr(getattr(message, "header", message), "stamp", None)
    return 0 if stamp is None else stamp_ns(stamp)


def serialized(convert: C) -> C:
    """Marks a function or method that converts a message from its bytes."""
    convert.takes_bytes = True  # type: ignore[attr-defined]
    return convert


def takes_bytes(convert: Callable[[Any], Any]) -> bool:
    """Whether a function is marked by ``serialized``."""
    return bool(getattr(convert, "takes_bytes", False))


def to_duration(seconds: float) -> Duration:
    """Seconds as builtin_interfaces/Duration, to the nanosecond."""
    nanoseconds = round(seconds * 1e9)
    return Duration(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def header(stamp: int, frame_id: str) -> Header:
    """A header of ``stamp`` nanoseconds."""
    return Header(stamp=to_time(stamp), frame_id=frame_id)


def to_quaternion(yaw: float, roll: float = 0.0, pitch: float = 0.0) -> Quaternion:
    """Rz(yaw) Ry(pitch) Rx(roll), as in URDF."""
    sr, sp, sy, cr, cp, cy = (f(a / 2) for f in (math.sin, math.cos) for a in (roll, pitch, yaw))
    return Quaternion(
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
        w=cr * cp * cy + sr * sp * sy,
    )


def yaw_of(q: Any) -> float:
    """The heading of a quaternion; NaN for one that is not finite."""
    sine, cosine = 2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z)
    return math.atan2(sine, cosine) if math.isfinite(sine + cosine) else math.nan


def lean_of(q: Any) -> tuple[float, float]:
    """Roll and pitch of a quaternion; NaN for one that is not finite."""
    sine, cosine = 2 * (q.w * q.x + q.y * q.z), 1 - 2 * (q.x * q.x + q.y * q.y)
    tilt = 2 * (q.w * q.y - q.z * q.x)
    if not math.isfinite(sine + cosine + tilt):
        return math.nan, math.nan
    return math.atan2(sine, cosine), math.asin(min(max(tilt, -1.0), 1.0))


def to_pose(x: float, y: float, z: float, yaw: float) -> Pose:
    """A planar pose at a height."""
    return Pose(position=Point(x=x, y=y, z=z), orientation=to_quaternion(yaw))


def check_finite(where: str, *values: float) -> None:
    """Raise InputError unless all values are finite."""
    if not all(map(math.isfinite, values)):
        raise InputError(f"{where} is not finite: {values}")
