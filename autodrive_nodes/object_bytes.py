"""Tracks and forecasts as the bytes of autoware_perception_msgs/TrackedObjects and PredictedObjects.

A crowded street has thousands of predicted poses per frame; as message objects they cost 40 ms to pass on, as bytes 2.
Same conventions as ``object_messages``; tests compare the two, and both with rclpy's own serialization.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autodrive.errors import InputError
from autodrive.scene import Forecast, ForecastMode, ObjectClass, TrackedObject
from autodrive_nodes import contracts
from autodrive_nodes.cdr import Array, Reader, Writer, planar_poses, yaws
from autodrive_nodes.message_parts import serialized, to_duration
from autodrive_nodes.object_messages import label_number, label_of

_POSE = 7  # x, y, z and a quaternion x, y, z, w
_TWIST_AT = _POSE + 36
_KINEMATICS = _TWIST_AT + (6 + 36) + (6 + 36)  # pose, twist and acceleration, each with its covariance
_AVAILABLE = 2  # TrackedObjectKinematics.orientation_availability
_BOUNDING_BOX = 0  # Shape.type


def tracks_to_bytes(stamp_ns: int, tracks: Sequence[TrackedObject]) -> bytes:
    """A TrackedObjects in map."""
    out = Writer(stamp_ns, "map")
    out.numbers("I", len(tracks))
    for track in tracks:
        _write_front(out, track)
        out.numbers("BB", _AVAILABLE, track.vx == 0.0 and track.vy == 0.0)
        _write_shape(out, track)
    return out.message()


@serialized
def tracks_from_bytes(data: bytes) -> tuple[TrackedObject, ...]:
    """Tracks in map; those of unknown classes are left out. The age does not travel and is zero. Raises InputError."""
    where = contracts.TRACKS.name
    source, found = Reader(data, where), []
    for _ in range(source.count()):
        front = _read_front(source)
        source.numbers("BB")
        dimensions = _read_shape(source)
        if (label := label_of(front.classes, where)) is not None:
            found.append(_track(front, dimensions, label, where))
    return tuple(found)


def forecasts_to_bytes(stamp_ns: int, forecasts: Sequence[Forecast]) -> bytes:
    """A PredictedObjects in map."""
    out = Writer(stamp_ns, "map")
    out.numbers("I", len(forecasts))
    for forecast in forecasts:
        track, step = forecast.track, to_duration(forecast.dt)
        _write_front(out, track)
        out.numbers("I", len(forecast.modes))
        for mode in forecast.modes:
            out.numbers("I", len(mode.poses))
            out.array(planar_poses(mode.poses[:, 0], mode.poses[:, 1], track.z, mode.poses[:, 2]))
            out.numbers("iIf", step.sec, step.nanosec, mode.probability)
        _write_shape(out, track)
    return out.message()


@serialized
def forecasts_from_bytes(data: bytes) -> tuple[Forecast, ...]:
    """Forecasts in map; objects of unknown classes or without a path are left out. Raises InputError."""
    where = contracts.PREDICTIONS.name
    source, found = Reader(data, where), []
    for _ in range(source.count()):
        front = _read_front(source)
        paths = [_read_path(source) for _ in range(source.count())]
        dimensions = _read_shape(source)
        label = label_of(front.classes, where)
        if label is not None and paths:
            track = _track(front, dimensions, label, where)
            found.append(Forecast(track, _step(paths[0], where), tuple(_mode(path, where) for path in paths)))
    return tuple(found)


class _Class(NamedTuple):
    label: int
    probability: float


@dataclass
class _Front:
    """What tracked and predicted objects begin with."""

    uuid: bytes
    probability: float
    classes: list[_Class]
    kinematics: Array


class _Path(NamedTuple):
    poses: Array
    step: float
    confidence: float


def _write_front(out: Writer, t: TrackedObject) -> None:
    out.raw(t.track_id.to_bytes(16, "little"))
    out.numbers("fI", t.score, 1)
    out.numbers("B", label_number(t.label))
    out.numbers("f", t.score)
    c, s = math.cos(t.yaw), math.sin(t.yaw)
    kinematics = np.zeros(_KINEMATICS)
    kinematics[:_POSE] = t.x, t.y, t.z, 0.0, 0.0, math.sin(t.yaw / 2), math.cos(t.yaw / 2)
    kinematics[_POSE] = kinematics[_POSE + 7] = t.position_std_m**2
    kinematics[_TWIST_AT : _TWIST_AT + 6] = c * t.vx + s * t.vy, c * t.vy - s * t.vx, 0.0, 0.0, 0.0, t.yaw_rate
    out.array(kinematics)


def _read_front(source: Reader) -> _Front:
    uuid = bytes(source.raw(16))
    (probability,) = source.numbers("f")
    classes = [_Class(source.numbers("B")[0], source.numbers("f")[0]) for _ in range(source.count())]
    return _Front(uuid, probability, classes, source.doubles(_KINEMATICS))


def _write_shape(out: Writer, t: TrackedObject) -> None:
    out.numbers("B", _BOUNDING_BOX)
    out.numbers("I", 0)  # it has no footprint
    out.array(np.array([t.length, t.width, t.height]))


def _read_shape(source: Reader) -> Array:
    source.numbers("B")
    source.raw(12 * source.count())  # corners of three float32
    return source.doubles(3)


def _read_path(source: Reader) -> _Path:
    count = source.count()
    poses = source.doubles(count * _POSE).reshape(count, _POSE)
    seconds, nanoseconds, confidence = source.numbers("iIf")
    return _Path(poses, seconds + nanoseconds * 1e-9, confidence)


def _track(front: _Front, dimensions: Array, label: ObjectClass, where: str) -> TrackedObject:
    k = front.kinematics
    finite = np.isfinite(k).all() and np.isfinite(dimensions).all() and math.isfinite(front.probability)
    if not finite or dimensions.min() < 0:
        raise InputError(f"{where}: an object is not finite or has negative dimensions {dimensions.tolist()}")
    x, y, z = k[:3].tolist()
    yaw = float(yaws(k[None, 3:_POSE])[0])
    c, s = math.cos(yaw), math.sin(yaw)
    forward, left = k[_TWIST_AT : _TWIST_AT + 2].tolist()
    length, width, height = dimensions.tolist()
    return TrackedObject(
        track_id=int.from_bytes(front.uuid[:8], "little"),
        label=label,
        score=front.probability,
        x=x,
        y=y,
        z=z,
        yaw=yaw,
        length=length,
        width=width,
        height=height,
        vx=c * forward - s * left,
        vy=s * forward + c * left,
        yaw_rate=float(k[_TWIST_AT + 5]),
        age_s=0.0,
        position_std_m=math.sqrt(max(float(k[_POSE]), 0.0)),
    )


def _step(path: _Path, where: str) -> float:
    if path.step <= 0:
        raise InputError(f"{where}: a path has a time step of {path.step} s")
    return path.step


def _mode(path: _Path, where: str) -> ForecastMode:
    if not (np.isfinite(path.poses).all() and math.isfinite(path.confidence)):
        raise InputError(f"{where}: a path is not finite")
    return ForecastMode(path.confidence, np.column_stack([path.poses[:, :2], yaws(path.poses[:, 3:])]))
