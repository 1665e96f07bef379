"""Decoding: peaks become objects at the right place, duplicates go, numbers stay finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.scene import GridExtent, GroundClass, GroundGrid, ObjectClass
from autodrive.vision.decode import DecodeConfig, decode_markings, decode_objects, decode_yaw, find_peaks
from autodrive.vision.layout import AXIS, BOX_CHANNELS, GRID_CELLS, LOG_SIZE, OFFSET, RAY, VELOCITY, Z

EXTENT = GridExtent(-24, 40, -32, 32)


def grids() -> tuple[np.ndarray, np.ndarray]:
    heat = np.zeros((len(ObjectClass), GRID_CELLS, GRID_CELLS), np.float32)
    box = np.zeros((len(BOX_CHANNELS), GRID_CELLS, GRID_CELLS), np.float32)
    box[AXIS.start + 1] = 1
    box[RAY.start + 1] = 1
    return heat, box


def put(heat, box, label, i, j, score=0.9, yaw=0.0, velocity=(0.0, 0.0), offset=(0.0, 0.0), size=(4.5, 1.9, 1.6)):
    azimuth = math.atan2(EXTENT.y_min + j + 0.5, EXTENT.x_min + i + 0.5)
    heat[label, i, j] = score
    box[OFFSET, i, j], box[Z, i, j], box[LOG_SIZE, i, j] = offset, 0.8, np.log(size)
    box[AXIS, i, j] = math.sin(2 * yaw), math.cos(2 * yaw)
    box[RAY, i, j] = math.sin(yaw - azimuth), math.cos(yaw - azimuth)
    box[VELOCITY, i, j] = velocity


def test_one_object_comes_out_as_it_went_in() -> None:
    heat, box = grids()
    put(heat, box, ObjectClass.CAR, 40, 20, yaw=2.5, velocity=(3.0, -1.0), offset=(0.3, -0.4))
    (found,) = decode_objects(heat, box, EXTENT, DecodeConfig())
    assert found.label == ObjectClass.CAR and found.score == pytest.approx(0.9)
    assert (found.x, found.y) == pytest.approx((-24 + 40.5 + 0.3, -32 + 20.5 - 0.4))
    assert found.yaw == pytest.approx(2.5) and (found.vx, found.vy) == (3.0, -1.0)
    assert (found.length, found.width, found.height) == pytest.approx((4.5, 1.9, 1.6)) and found.z == pytest.approx(0.8)


def test_neighbours_below_the_peak_and_weak_peaks_are_dropped() -> None:
    heat, box = grids()
    put(heat, box, ObjectClass.CONE, 30, 30, score=0.8)
    put(heat, box, ObjectClass.CONE, 31, 30, score=0.5)
    put(heat, box, ObjectClass.CONE, 10, 10, score=0.1)
    assert [(o.score, o.x) for o in decode_objects(heat, box, EXTENT, DecodeConfig())] == [(pytest.approx(0.8), 6.5)]


def test_one_vehicle_is_not_a_car_and_a_truck() -> None:
    heat, box = grids()
    put(heat, box, ObjectClass.CAR, 30, 30, score=0.6)
    put(heat, box, ObjectClass.TRUCK, 31, 30, score=0.7)
    put(heat, box, ObjectClass.PEDESTRIAN, 31, 31, score=0.5)
    labels = [o.label for o in decode_objects(heat, box, EXTENT, DecodeConfig())]
    assert labels == [ObjectClass.TRUCK, ObjectClass.PEDESTRIAN]


def test_things_without_a_front_have_no_velocity() -> None:
    heat, box = grids()
    put(heat, box, ObjectClass.BARRIER, 30, 30, velocity=(5.0, 5.0))
    (found,) = decode_objects(heat, box, EXTENT, DecodeConfig())
    assert (found.vx, found.vy) == (0.0, 0.0)


@given(yaw=st.floats(-3.1, 3.1), azimuth=st.floats(-3.1, 3.1), error=st.floats(-1.4, 1.4))
def test_ray_angle_only_decides_between_the_two_ends(yaw: float, azimuth: float, error: float) -> None:
    axis = np.float32([math.sin(2 * yaw), math.cos(2 * yaw)])
    ray = np.float32([math.sin(yaw - azimuth + error), math.cos(yaw - azimuth + error)])
    assert abs(math.remainder(decode_yaw(axis, ray, azimuth, True) - yaw, 2 * math.pi)) < 1e-5
    undirected = decode_yaw(axis, ray, azimuth, False)
    assert abs(math.sin(undirected - yaw)) < 1e-5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.floats(0.1, 1e4))
def test_any_network_output_gives_bounded_objects(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    heat = rng.random((len(ObjectClass), GRID_CELLS, GRID_CELLS), np.float32)
    box = (rng.standard_normal((len(BOX_CHANNELS), GRID_CELLS, GRID_CELLS)) * scale).astype(np.float32)
    objects = decode_objects(heat, box, EXTENT, DecodeConfig(max_objects=60))
    assert 0 < len(objects) <= 60
    assert [o.score for o in objects] == sorted((o.score for o in objects), reverse=True)
    for o in objects:
        assert 0.05 <= o.length <= 30 and -math.pi <= o.yaw < math.pi and math.isfinite(o.x)


def test_peaks_are_the_same_set_in_any_channel_order() -> None:
    heat = np.random.default_rng(0).random((3, 16, 16), np.float32)
    peaks = find_peaks(heat, 0.5, 1000)
    for score, c, i, j in peaks:
        window = heat[c, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        assert score == window.max() >= 0.5
    assert len(peaks) == sum(1 for s, *_ in find_peaks(heat[::-1].copy(), 0.5, 1000))


def test_markings_take_the_strongest_paint_of_a_cell() -> None:
    probability = np.zeros((len(GroundClass), GRID_CELLS, GRID_CELLS), np.float32)
    probability[GroundClass.FREE] = 1.0
    probability[GroundClass.LANE_MARKING, 30, 31] = 0.9
    probability[GroundClass.STOP_LINE, 50, 40] = 0.8
    probability[GroundClass.CROSSWALK, 50, 40] = 0.6
    markings = decode_markings(GroundGrid(EXTENT, probability), 0.5)
    assert markings.points.tolist() == [[6.5, -0.5], [26.5, 8.5]]
    assert markings.kind.tolist() == [GroundClass.LANE_MARKING, GroundClass.STOP_LINE]
    assert markings.score.tolist() == pytest.approx([0.9, 0.8])
