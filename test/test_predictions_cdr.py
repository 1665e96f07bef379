"""Predictions as bytes are what rclpy would have sent and read, only faster; garbage is refused."""

from __future__ import annotations

import numpy as np
import pytest
from autoware_perception_msgs.msg import ObjectClassification, PredictedObjects
from geometry_msgs.msg import Point32
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from test_messages import forecasts

from autodrive.errors import InputError
from autodrive.scene import Forecast, ForecastMode, ObjectClass, TrackedObject
from autodrive_nodes import messages, predictions_cdr

STAMP = 1_234_567_890
TRACK = TrackedObject(3, ObjectClass.BOX, 0.9, 1.0, 2.0, 0.7, 0.1, 4.0, 1.8, 1.5, 1.0, 0.5, 0.2, 0.0)
FORECAST = Forecast(TRACK, 0.5, (ForecastMode(0.5, np.zeros((2, 3))), ForecastMode(0.5, np.ones((3, 3)))))


def assert_equal(found: tuple[Forecast, ...], expected: tuple[Forecast, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.track.label is other.track.label
        for name in TrackedObject.__slots__:
            assert getattr(one.track, name) == pytest.approx(getattr(other.track, name), abs=1e-12), name
        assert one.dt == other.dt
        for mode, wanted in zip(one.modes, other.modes, strict=True):
            assert mode.probability == wanted.probability
            np.testing.assert_allclose(mode.poses, wanted.poses, atol=1e-12)


@settings(deadline=None)
@given(st.lists(forecasts, max_size=3))
def test_bytes_are_those_of_rclpy(items: list[Forecast]) -> None:
    ours = predictions_cdr.from_forecasts(STAMP, items)
    theirs = serialize_message(messages.to_predictions(STAMP, items))
    assert len(ours) == len(theirs)
    read, expected = (deserialize_message(data, PredictedObjects) for data in (ours, theirs))
    assert read.header == expected.header
    assert [m.classification for m in read.objects] == [m.classification for m in expected.objects]
    assert_equal(messages.from_predictions(read), messages.from_predictions(expected))


@settings(deadline=None)
@given(st.lists(forecasts, max_size=3))
def test_reads_what_rclpy_wrote(items: list[Forecast]) -> None:
    data = serialize_message(messages.to_predictions(STAMP, items))
    expected = messages.from_predictions(deserialize_message(data, PredictedObjects))
    assert_equal(predictions_cdr.to_forecasts(data), expected)
    assert_equal(predictions_cdr.to_forecasts(predictions_cdr.from_forecasts(STAMP, items)), expected)


def test_what_other_stacks_add_is_understood() -> None:
    message = messages.to_predictions(STAMP, [FORECAST, FORECAST, FORECAST])
    message.header.frame_id = "a longer frame"
    message.objects[0].classification = [ObjectClassification(label=9, probability=0.9)]
    message.objects[1].classification.append(ObjectClassification(label=2, probability=1.0))
    message.objects[1].shape.footprint.points = [Point32(), Point32(), Point32()]
    message.objects[2].kinematics.predicted_paths = []
    data = serialize_message(message)
    found = predictions_cdr.to_forecasts(data)
    assert [f.track.label for f in found] == [ObjectClass.TRUCK]
    assert_equal(found, messages.from_predictions(deserialize_message(data, PredictedObjects)))


@settings(deadline=None)
@given(st.integers(0, 1500), st.sampled_from([b"", b"\x00", b"\xff\xff\xff\xff", b"\x7f"]))
def test_damaged_bytes_are_refused(cut: int, tail: bytes) -> None:
    data = predictions_cdr.from_forecasts(STAMP, [FORECAST])
    with pytest.raises(InputError, match="/perception/object_recognition/objects"):
        predictions_cdr.to_forecasts(data[:4] + (data[4 : 4 + cut] + tail)[: len(data) - 12])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    path = np.zeros((2, 3))
    path[1, 0] = value
    with pytest.raises(InputError, match="not finite"):
        predictions_cdr.to_forecasts(
            predictions_cdr.from_forecasts(STAMP, [Forecast(TRACK, 0.5, (ForecastMode(1.0, path),))])
        )
