"""Detections, tracks and predictions as Autoware's messages and back.

Objects carry their velocity in their own axes (as Autoware does); a class that Autoware has no label for travels as
OWN_LABEL_BASE + ObjectClass; a track's id is the first eight bytes of its UUID, little-endian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from autoware_perception_msgs.msg import DetectedObject as DetectedObjectMsg
from autoware_perception_msgs.msg import (
    DetectedObjects,
    ObjectClassification,
    PredictedObject,
    PredictedObjects,
    PredictedPath,
    TrackedObjects,
)
from autoware_perception_msgs.msg import TrackedObject as TrackedObjectMsg
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.scene import DetectedObject, Forecast, ForecastMode, ObjectClass, TrackedObject
from autodrive_nodes import contracts
from autodrive_nodes.message_parts import check_finite, header, to_duration, to_pose, yaw_of

OWN_LABEL_BASE = 100
_TO_LABEL = {
    ObjectClass.CAR: ObjectClassification.CAR,
    ObjectClass.TRUCK: ObjectClassification.TRUCK,
    ObjectClass.CYCLIST: ObjectClassification.BICYCLE,
    ObjectClass.PEDESTRIAN: ObjectClassification.PEDESTRIAN,
}
_FROM_LABEL = {label: own for own, label in _TO_LABEL.items()} | {
    ObjectClassification.BUS: ObjectClass.TRUCK,
    ObjectClassification.TRAILER: ObjectClass.TRUCK,
    ObjectClassification.MOTORCYCLE: ObjectClass.CYCLIST,
}


def label_number(label: ObjectClass) -> int:
    """How a class travels."""
    return int(_TO_LABEL.get(label, OWN_LABEL_BASE + int(label)))


def _classification(label: ObjectClass, probability: float) -> list[ObjectClassification]:
    return [ObjectClassification(label=label_number(label), probability=probability)]


def label_of(classification: Sequence[Any], where: str) -> ObjectClass | None:
    """The most probable class that we know; None for one we do not (an object of another stack's vocabulary)."""
    if not classification:
        raise InputError(f"{where}: an object has no classification")
    number = int(max(classification, key=lambda c: c.probability).label)
    if number in _FROM_LABEL:
        return _FROM_LABEL[number]
    if 0 <= number - OWN_LABEL_BASE < len(ObjectClass):
        return ObjectClass(number - OWN_LABEL_BASE)
    return None


def _fill(pose: Any, twist: Any, shape: Any, item: DetectedObject | TrackedObject) -> None:
    pose.pose = to_pose(item.x, item.y, item.z, item.yaw)
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    twist.twist.linear.x, twist.twist.linear.y = c * item.vx + s * item.vy, c * item.vy - s * item.vx
    shape.dimensions.x, shape.dimensions.y, shape.dimensions.z = item.length, item.width, item.height


def _box(pose: Any, twist: Any, shape: Any, where: str) -> dict[str, float]:
    p, v, d = pose.pose.position, twist.twist.linear, shape.dimensions
    yaw = yaw_of(pose.pose.orientation)
    check_finite(f"{where}: an object", p.x, p.y, p.z, yaw, v.x, v.y, d.x, d.y, d.z)
    if min(d.x, d.y, d.z) < 0:
        raise InputError(f"{where}: an object has negative dimensions {d.x, d.y, d.z}")
    c, s = math.cos(yaw), math.sin(yaw)
    return {
        "x": p.x,
        "y": p.y,
        "z": p.z,
        "yaw": yaw,
        "length": d.x,
        "width": d.y,
        "height": d.z,
        "vx": c * v.x - s * v.y,
        "vy": s * v.x + c * v.y,
    }


def to_detections(stamp: int, objects: Sequence[DetectedObject]) -> DetectedObjects:
    """Objects in base_link."""
    message = DetectedObjects(header=header(stamp, "base_link"))
    for item in objects:
        m = DetectedObjectMsg(existence_probability=item.score, classification=_classification(item.label, item.score))
        k = m.kinematics
        _fill(k.pose_with_covariance, k.twist_with_covariance, m.shape, item)
        k.orientation_availability = k.AVAILABLE
        k.has_twist = True
        message.objects.append(m)
    return message


def from_detections(message: DetectedObjects) -> tuple[DetectedObject, ...]:
    """Objects in base_link; those of unknown classes are left out."""
    found, where = [], contracts.DETECTIONS.name
    for m in message.objects:
        label = label_of(m.classification, where)
        box = _box(m.kinematics.pose_with_covariance, m.kinematics.twist_with_covariance, m.shape, where)
        check_finite(f"{where}: an object's probability", m.existence_probability)
        if label is not None:
            found.append(DetectedObject(label=label, score=m.existence_probability, **box))
    return tuple(found)


def _uuid(track_id: int) -> NDArray[np.uint8]:
    return np.frombuffer(track_id.to_bytes(16, "little"), np.uint8)


def _track_id(uuid: Any) -> int:
    return int.from_bytes(bytes(bytearray(uuid.uuid))[:8], "little")


def to_tracks(stamp: int, tracks: Sequence[TrackedObject]) -> TrackedObjects:
    """Tracks in map."""
    message = TrackedObjects(header=header(stamp, "map"))
    for item in tracks:
        m = TrackedObjectMsg(existence_probability=item.score, classification=_classification(item.label, item.score))
        m.object_id.uuid = _uuid(item.track_id)
        k = m.kinematics
        _fill(k.pose_with_covariance, k.twist_with_covariance, m.shape, item)
        k.twist_with_covariance.twist.angular.z = item.yaw_rate
        k.pose_with_covariance.covariance[0] = k.pose_with_covariance.covariance[7] = item.position_std_m**2
        k.orientation_availability = k.AVAILABLE
        k.is_stationary = item.vx == 0.0 and item.vy == 0.0
        message.objects.append(m)
    return message


def from_tracks(message: TrackedObjects) -> tuple[TrackedObject, ...]:
    """Tracks in map; those of unknown classes are left out. The age does not travel and is zero."""
    found, where = [], contracts.TRACKS.name
    for m in message.objects:
        k = m.kinematics
        label = label_of(m.classification, where)
        if label is not None:
            found.append(_track(label, m, k.pose_with_covariance, k.twist_with_covariance, where))
    return tuple(found)


def _track(label: ObjectClass, m: Any, pose: Any, twist: Any, where: str) -> TrackedObject:
    yaw_rate, variance = twist.twist.angular.z, float(pose.covariance[0])
    check_finite(f"{where}: an object's yaw rate, variance or probability", yaw_rate, variance, m.existence_probability)
    return TrackedObject(
        track_id=_track_id(m.object_id),
        label=label,
        score=m.existence_probability,
        yaw_rate=yaw_rate,
        age_s=0.0,
        position_std_m=math.sqrt(max(variance, 0.0)),
        **_box(pose, twist, m.shape, where),
    )


def to_predictions(stamp: int, forecasts: Sequence[Forecast]) -> PredictedObjects:
    """Forecasts in map."""
    message = PredictedObjects(header=header(stamp, "map"))
    for forecast in forecasts:
        item = forecast.track
        m = PredictedObject(existence_probability=item.score, classification=_classification(item.label, item.score))
        m.object_id.uuid = _uuid(item.track_id)
        k = m.kinematics
        _fill(k.initial_pose_with_covariance, k.initial_twist_with_covariance, m.shape, item)
        k.initial_twist_with_covariance.twist.angular.z = item.yaw_rate
        covariance = k.initial_pose_with_covariance.covariance
        covariance[0] = covariance[7] = item.position_std_m**2
        step = to_duration(forecast.dt)
        for mode in forecast.modes:
            path = [to_pose(x, y, item.z, yaw) for x, y, yaw in mode.poses.tolist()]
            k.predicted_paths.append(PredictedPath(path=path, time_step=step, confidence=mode.probability))
        message.objects.append(m)
    return message


def from_predictions(message: PredictedObjects) -> tuple[Forecast, ...]:
    """Forecasts in map; objects of unknown classes or without a path are left out."""
    found, where = [], contracts.PREDICTIONS.name
    for m in message.objects:
        k = m.kinematics
        label = label_of(m.classification, where)
        if label is None or not k.predicted_paths:
            continue
        track = _track(label, m, k.initial_pose_with_covariance, k.initial_twist_with_covariance, where)
        step = k.predicted_paths[0].time_step
        dt = step.sec + step.nanosec * 1e-9
        if dt <= 0:
            raise InputError(f"{where}: a path has a time step of {dt} s")
        modes = tuple(ForecastMode(p.confidence, _path_poses(p.path)) for p in k.predicted_paths)
        check_finite(f"{where}: a confidence", *(mode.probability for mode in modes))
        found.append(Forecast(track, dt, modes))
    return tuple(found)


def _path_poses(path: Sequence[Any]) -> NDArray[np.float64]:
    poses = np.array([(p.position.x, p.position.y, yaw_of(p.orientation)) for p in path], dtype=np.float64)
    if not np.isfinite(poses).all():
        raise InputError(f"{contracts.PREDICTIONS.name}: a path is not finite")
    return poses.reshape(-1, 3)
