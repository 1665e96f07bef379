"""The reference path and the geometry on it: smoothing, projection, offsets, separation of rectangles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from driving_sim import straight, with_turn
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import box_corners
from autodrive.planning.collision import Boxes, separation
from autodrive.planning.config import Footprint
from autodrive.planning.path_candidates import Blockage, LateralState, detour_profile, return_profile, sample_paths
from autodrive.planning.reference_path import build_reference_path


def test_rounded_vertices_of_a_turn_become_a_smooth_circle() -> None:
    reference = build_reference_path(np.round(with_turn(40.0, 9.0, 40.0), 1))
    inside = (reference.x > 41) & (reference.x < 48.5) & (reference.y > 0.5) & (reference.y < 8.0)
    radius = np.hypot(reference.x - 40.0, reference.y - 9.0)[inside]
    assert np.abs(radius - 9.0).max() < 0.12
    assert np.abs(reference.curvature).max() < 1 / 9.0 * 1.15
    assert np.abs(np.diff(reference.curvature)).max() < 0.03  # per half metre


def test_path_starts_and_ends_where_the_route_does() -> None:
    points = with_turn(30.0, 8.0, 31.0, left=False)
    reference = build_reference_path(points)
    for s, point in ((0.0, points[0]), (reference.goal_s, points[-1])):
        x, y, _, _ = reference.at(np.array(s))
        assert math.hypot(float(x) - point[0], float(y) - point[1]) < 0.01


@given(s=st.floats(1.0, 85.0), d=st.floats(-3.0, 3.0))
def test_projection_inverts_offset(s: float, d: float) -> None:
    reference = build_reference_path(with_turn(40.0, 12.0, 40.0))
    x, y, yaw, _ = (float(v) for v in reference.at(np.array(s)))
    px, py = x - d * math.sin(yaw), y + d * math.cos(yaw)
    got_s, got_d, heading = reference.project(px, py, yaw, s)
    assert got_s == pytest.approx(s, abs=0.3)
    assert got_d == pytest.approx(d, abs=0.1)
    assert abs(heading) < 0.05
    many_s, many_d = reference.to_frenet(np.array([[px, py]]), s - 15, s + 15)
    assert many_s[0] == pytest.approx(s, abs=0.4)
    assert many_d[0] == pytest.approx(d, abs=0.1)


def test_where_a_route_passes_twice_the_heading_decides() -> None:
    there = straight(60.0)
    back = with_turn(60.0, 1.8, 0.0)[31:]
    loop = np.concatenate([there, back, np.stack([np.arange(59.0, 0.0, -2.0), np.full(30, 3.6)], axis=1)])
    reference = build_reference_path(loop)
    s, _, _ = reference.project(30.0, 1.8, math.pi, None)
    assert s > 70.0


@pytest.mark.parametrize(
    "points",
    [np.zeros((1, 2)), np.zeros((5, 2)), np.array([[0.0, 0.0], [np.nan, 1.0]]), np.zeros((4, 3)), straight(0.5)],
)
def test_a_degenerate_route_is_refused(points: np.ndarray) -> None:
    with pytest.raises(InputError, match="route"):
        build_reference_path(points)


def test_return_profile_starts_as_the_body_moves_and_ends_on_the_route() -> None:
    s = np.arange(0.0, 40.0, 0.1)
    d = return_profile(LateralState(1.5, 0.1, 0.02), s, 20.0)
    assert d[0] == pytest.approx(1.5)
    assert (d[1] - d[0]) / 0.1 == pytest.approx(0.1, abs=0.01)
    assert np.abs(d[201:]).max() < 1e-9


def test_detour_is_out_before_and_back_after_the_blockage() -> None:
    s = np.arange(0.0, 80.0, 0.5)
    d, back = detour_profile(s, 2.0, Blockage(30.0, 42.0), 12.0)
    assert np.allclose(d[(s >= 30.0) & (s <= 42.0)], 2.0)
    assert np.allclose(d[(s <= 18.0) | (s >= back)], 0.0)


def test_sampled_paths_have_the_curvature_of_their_circle() -> None:
    reference = build_reference_path(with_turn(20.0, 20.0, 20.0))
    s = np.arange(26.0, 44.0, 0.5)
    d = np.array([np.zeros(len(s)), np.full(len(s), 2.0)])
    paths = sample_paths(reference, s, d, np.zeros(2), np.zeros(2))
    assert np.allclose(paths.curvature[0, 4:-4], 1 / 20.0, rtol=0.08)
    assert np.allclose(paths.curvature[1, 4:-4], 1 / 18.0, rtol=0.08)


def _boxes(x: float, y: float, yaw: float, length: float, width: float) -> Boxes:
    def one(value: float) -> np.ndarray:
        return np.array([value], dtype=np.float32)

    return Boxes(one(x), one(y), one(yaw), one(length / 2), one(width / 2), one(0.0), one(0.0))


def _sampled_distance(a: np.ndarray, b: np.ndarray) -> float:
    def outline(corners: np.ndarray) -> np.ndarray:
        w = np.linspace(0, 1, 80)[:, None]
        return np.concatenate([corners[i] * (1 - w) + corners[(i + 1) % 4] * w for i in range(4)])

    pa, pb = outline(a), outline(b)
    return float(np.hypot(*(pa[:, None] - pb[None]).transpose(2, 0, 1)).min())


@given(x=st.floats(-9, 9), y=st.floats(-9, 9), yaw=st.floats(-3.1, 3.1), ego_yaw=st.floats(-3.1, 3.1))
def test_separation_never_overstates_the_distance(x: float, y: float, yaw: float, ego_yaw: float) -> None:
    body = Footprint()
    here = np.zeros(1)
    gap = float(separation(here, here, np.array([ego_yaw]), body, _boxes(x, y, yaw, 4.0, 1.7))[0, 0])
    centre = body.centre_offset * np.array([math.cos(ego_yaw), math.sin(ego_yaw)])
    mine = box_corners(centre[0], centre[1], ego_yaw, body.length, body.width)
    true = _sampled_distance(mine, box_corners(x, y, yaw, 4.0, 1.7))
    assert gap <= true + 0.08
    # separating axes are exact about contact: what is clearly apart is not called touching
    if gap < -0.05:
        assert true < 2.0


def test_separation_beside_a_parallel_car_is_the_side_gap() -> None:
    gap = separation(np.zeros(1), np.zeros(1), np.zeros(1), Footprint(), _boxes(1.3, 3.0, 0.0, 4.5, 1.8))
    assert float(gap[0, 0]) == pytest.approx(3.0 - 1.8, abs=1e-5)
