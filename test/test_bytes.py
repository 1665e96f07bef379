"""Messages made of bytes are what rclpy would have sent and read, only faster; what is damaged is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from autoware_perception_msgs.msg import ObjectClassification, PredictedObjects, TrackedObjects
from autoware_planning_msgs.msg import Trajectory as TrajectoryMsg
from geometry_msgs.msg import Point32
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from test_messages import forecasts, tracks

from autodrive.errors import InputError
from autodrive.scene import Forecast, ForecastMode, ObjectClass, TrackedObject, Trajectory
from autodrive_nodes import messages
from autodrive_nodes.object_bytes import (
    forecasts_from_bytes,
    forecasts_to_bytes,
    tracks_from_bytes,
    tracks_to_bytes,
)
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes, trajectory_to_bytes

STAMP = 1_234_567_890
TRACK = TrackedObject(3, ObjectClass.BOX, 0.9, 1.0, 2.0, 0.7, 0.1, 4.0, 1.8, 1.5, 1.0, 0.5, 0.2, 0.0)
FORECAST = Forecast(TRACK, 0.5, (ForecastMode(0.5, np.zeros((2, 3))), ForecastMode(0.5, np.ones((3, 3)))))
PLAN = Trajectory(STAMP, *np.linspace(0.1, 4.0, 7 * 3).reshape(7, 3))


def assert_same_tracks(found: tuple[TrackedObject, ...], expected: tuple[TrackedObject, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.label is other.label
        for name in TrackedObject.__slots__:
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12), name


def assert_same(found: tuple[Forecast, ...], expected: tuple[Forecast, ...]) -> None:
    assert_same_tracks(tuple(f.track for f in found), tuple(f.track for f in expected))
    for one, other in zip(found, expected, strict=True):
        assert one.dt == other.dt
        for mode, wanted in zip(one.modes, other.modes, strict=True):
            assert mode.probability == wanted.probability
            np.testing.assert_allclose(mode.poses, wanted.poses, atol=1e-12)


def both(ours: bytes, theirs: Any) -> tuple[Any, Any]:
    """Our bytes as a message, and a message after its journey; as long as each other, padding and all."""
    data = serialize_message(theirs)
    assert len(ours) == len(data)
    return deserialize_message(ours, type(theirs)), deserialize_message(data, type(theirs))


@settings(deadline=None)
@given(st.lists(tracks, max_size=3))
def test_tracks(items: list[TrackedObject]) -> None:
    message = messages.to_tracks(STAMP, items)
    found, expected = both(tracks_to_bytes(STAMP, items), message)
    assert found.header == expected.header
    for one, other in zip(found.objects, expected.objects, strict=True):
        assert one.classification == other.classification
        assert one.shape == other.shape
        assert one.kinematics.is_stationary == other.kinematics.is_stationary
        assert one.kinematics.orientation_availability == other.kinematics.orientation_availability
    assert_same_tracks(messages.from_tracks(found), messages.from_tracks(expected))
    assert_same_tracks(tracks_from_bytes(serialize_message(message)), messages.from_tracks(expected))


@settings(deadline=None)
@given(st.lists(forecasts, max_size=3))
def test_forecasts(items: list[Forecast]) -> None:
    message = messages.to_predictions(STAMP, items)
    found, expected = both(forecasts_to_bytes(STAMP, items), message)
    assert found.header == expected.header
    assert [m.classification for m in found.objects] == [m.classification for m in expected.objects]
    assert_same(messages.from_predictions(found), messages.from_predictions(expected))
    assert_same(forecasts_from_bytes(serialize_message(message)), messages.from_predictions(expected))


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_plans(length: int, seed: int) -> None:
    rows = np.random.default_rng(seed).uniform(-1.0, 1.0, (7, length))
    rows[0] = np.abs(rows[0]).cumsum()
    plan = Trajectory(STAMP, *rows)
    message = messages.to_trajectory(plan)
    found, expected = (messages.from_trajectory(m) for m in both(trajectory_to_bytes(plan), message))
    read = trajectory_from_bytes(serialize_message(message))
    for name in ("stamp_ns", "t", "x", "y", "yaw", "speed", "acceleration", "curvature"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
        np.testing.assert_allclose(getattr(read, name), getattr(expected, name), atol=1e-12)


@pytest.mark.parametrize("frame", ["map", "maps", "a longer frame"])
def test_plans_in_frames_of_any_length(frame: str) -> None:
    message = messages.to_trajectory(PLAN)
    message.header.frame_id = frame  # it decides how the first point is aligned
    np.testing.assert_allclose(trajectory_from_bytes(serialize_message(message)).x, PLAN.x)


def test_what_other_stacks_add_is_understood() -> None:
    message = messages.to_predictions(STAMP, [FORECAST, FORECAST, FORECAST])
    message.header.frame_id = "a longer frame"
    message.objects[0].classification = [ObjectClassification(label=9, probability=0.9)]
    message.objects[1].classification.append(ObjectClassification(label=2, probability=1.0))
    message.objects[1].shape.footprint.points = [Point32(), Point32(), Point32()]
    message.objects[2].kinematics.predicted_paths = []
    data = serialize_message(message)
    found = forecasts_from_bytes(data)
    assert [f.track.label for f in found] == [ObjectClass.TRUCK]
    assert_same(found, messages.from_predictions(deserialize_message(data, PredictedObjects)))


READERS = [
    (tracks_to_bytes(STAMP, [TRACK]), tracks_from_bytes, "/perception/object_recognition/tracking/objects"),
    (forecasts_to_bytes(STAMP, [FORECAST]), forecasts_from_bytes, "/perception/object_recognition/objects"),
    (trajectory_to_bytes(PLAN), trajectory_from_bytes, "/planning/trajectory"),
]


@pytest.mark.parametrize(("data", "read", "topic"), READERS)
def test_what_ends_early_is_refused(data: bytes, read: Any, topic: str) -> None:
    read(data)
    for length in range(len(data)):
        with pytest.raises(InputError, match=topic):
            read(data[:length])


@pytest.mark.parametrize(("data", "read", "topic"), READERS)
@settings(deadline=None)
@given(position=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=9))
def test_damaged_bytes_are_refused_or_read_as_finite(
    data: bytes, read: Any, topic: str, position: int, value: bytes
) -> None:
    position %= len(data)
    damaged = (data[:position] + value + data[position + len(value) :])[: len(data)]
    try:
        found = read(damaged)
    except InputError as error:
        assert topic in str(error)
        return
    if isinstance(found, Trajectory):
        assert np.isfinite([found.x, found.y, found.yaw, found.speed]).all()
    else:
        for item in found:
            track = item if isinstance(item, TrackedObject) else item.track
            assert np.isfinite([track.x, track.y, track.yaw, track.vx, track.vy, track.length]).all()


@pytest.mark.parametrize("kind", [TrackedObjects, PredictedObjects, TrajectoryMsg])
def test_empty_messages_are_read(kind: Any) -> None:
    read = {TrackedObjects: tracks_from_bytes, PredictedObjects: forecasts_from_bytes}.get(kind, trajectory_from_bytes)
    found = read(serialize_message(kind()))
    assert len(found.t if kind is TrajectoryMsg else found) == 0
