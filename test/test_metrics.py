"""Metrics against cases that can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from autodrive.data.metrics import (
    BANDS,
    GROUPS,
    EvaluatedFrame,
    average_precision,
    ground_iou,
    mean_errors,
    summarise,
)
from autodrive.scene import DetectedObject, GridExtent, GroundClass, ObjectClass

CAR = GROUPS["car"]
NEAR = (0.0, 20.0)


def car(x: float, y: float = 0.0, score: float = 0.9, yaw: float = 0.0, label=ObjectClass.CAR) -> DetectedObject:
    return DetectedObject(label, score, x, y, 0.8, yaw, 4.5, 1.9, 1.6)


def frame(predictions, truth, care=None, ground=None, ground_truth=None, known=None) -> EvaluatedFrame:
    empty = np.zeros((len(GroundClass), 4, 4))
    return EvaluatedFrame(
        GridExtent(-2, 2, -2, 2),
        tuple(predictions),
        tuple(truth),
        np.array([True] * len(truth) if care is None else care, bool),
        (empty if ground is None else ground).astype(np.float32),
        (empty if ground_truth is None else ground_truth).astype(bool),
        np.ones((4, 4), bool) if known is None else known,
    )


def ap(frames, distance=2.0, band=NEAR, labels=CAR) -> float:
    return average_precision(frames, labels, distance, band)[0]


def test_perfect_predictions_score_one_and_none_score_zero() -> None:
    frames = [frame([car(5), car(12)], [car(5), car(12)]), frame([], [])]
    assert ap(frames) == pytest.approx(1.0)
    assert ap([frame([], [car(5)])]) == 0.0
    assert ap([frame([car(5)], [])]) == 0.0


def test_distance_threshold_decides() -> None:
    frames = [frame([car(5.9)], [car(5)])]
    assert ap(frames, 0.5) == 0.0 and ap(frames, 1.0) == pytest.approx(1.0)


def test_a_duplicate_is_a_false_positive() -> None:
    good = [frame([car(5, score=0.9)], [car(5)]) for _ in range(2)]
    # the duplicate outranks the second frame's hit, so precision falls to 2/3 from recall 1/2 on
    doubled = [frame([car(5, score=0.95), car(5.2, score=0.94)], [car(5)]), good[1]]
    expected = (40 * 0.9 + 50 * (2 / 3 - 0.1)) / 90 / 0.9
    assert ap(doubled) == pytest.approx(expected, abs=0.01)
    assert ap(good) == pytest.approx(1.0)


def test_do_not_care_truth_is_neither_miss_nor_false_positive() -> None:
    visible, hidden = car(5), car(12)
    found = [frame([car(5), car(12, score=0.99)], [visible, hidden], care=[True, False])]
    missed = [frame([car(5)], [visible, hidden], care=[True, False])]
    assert ap(found) == pytest.approx(1.0) and ap(missed) == pytest.approx(1.0)
    assert average_precision(found, CAR, 2.0, NEAR)[2] == 1


def test_objects_outside_the_band_do_not_count_on_either_side() -> None:
    frames = [frame([car(5), car(30)], [car(5), car(30), car(35)])]
    assert ap(frames) == pytest.approx(1.0)
    border = [frame([car(20.3)], [car(19.8)])]
    assert ap(border) == pytest.approx(1.0), "a hit just across the border is a hit"


def test_a_truck_called_a_car_is_wrong_by_class_but_right_as_a_vehicle() -> None:
    frames = [frame([car(5)], [car(5, label=ObjectClass.TRUCK)])]
    assert ap(frames) == 0.0 and ap(frames, labels=GROUPS["truck"]) == 0.0
    assert ap(frames, labels=GROUPS["vehicle"]) == pytest.approx(1.0)


def test_errors_of_true_positives() -> None:
    truth = replace(car(5), vx=3.0)
    found = replace(car(5.3, 0.4, yaw=math.pi - 0.1), vx=1.0, length=9.0)
    _, verdicts, _ = average_precision([frame([found], [truth])], CAR, 2.0, NEAR)
    errors = mean_errors(verdicts)
    assert errors["translation_m"] == pytest.approx(0.5)
    assert errors["size"] == pytest.approx(0.5)
    assert errors["yaw_rad"] == pytest.approx(math.pi - 0.1, abs=1e-3)
    assert errors["axis_rad"] == pytest.approx(0.1, abs=1e-3)
    assert errors["velocity_mps"] == pytest.approx(2.0)
    assert set(mean_errors([]).values()) == {None}


def test_iou_counts_only_known_cells() -> None:
    said, true = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    true[GroundClass.FREE, :2] = 1
    said[GroundClass.FREE, 1:] = 0.9
    known = np.ones((4, 4), bool)
    assert ground_iou([frame([], [], ground=said, ground_truth=true, known=known)], (0, 9))["free"] == pytest.approx(
        4 / 16
    )
    known[2:] = False
    result = ground_iou([frame([], [], ground=said, ground_truth=true, known=known)], (0, 9))
    assert result["free"] == pytest.approx(4 / 8) and result["crosswalk"] is None


def test_iou_of_a_band_leaves_out_the_other_cells() -> None:
    said, true = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    true[GroundClass.FREE, 1:3, 1:3] = 1  # the four cells around the body
    said[GroundClass.FREE] = 0.9
    frames = [frame([], [], ground=said, ground_truth=true)]
    assert ground_iou(frames, (0, 1))["free"] == 1.0
    assert ground_iou(frames, (0, 9))["free"] == pytest.approx(4 / 16)
    assert ground_iou(frames, (1, 9))["free"] is None


def test_summary_has_every_band_and_leaves_rare_classes_out_of_the_mean() -> None:
    cone = car(6, 3, label=ObjectClass.CONE)
    frames = [frame([car(5)], [car(5)]) for _ in range(20)] + [frame([], [cone])]
    result = summarise(frames, BANDS["car"])
    assert list(result["bands"]) == ["0-10", "10-20", "20-40", "0-20", "0-40"]
    near = result["bands"]["0-20"]
    assert near["map"] == {"0.5": 1.0, "1": 1.0, "2": 1.0, "4": 1.0}
    assert near["classes"]["cone"]["ap"]["2"] == 0.0 and near["classes"]["vehicle"]["count"] == 20
    assert result["bands"]["10-20"]["map"]["2"] is None
