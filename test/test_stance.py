"""Where the humanoid stands to work at a box, and what it says of boxes that it cannot take."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.geometry import Pose2, wrap_angle
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.humanoid.arm_task import BoxPose
from autodrive.humanoid.stance import across_and_depth, out_of_reach, reachable, stance

G1 = load_arms(ARMS_FOLDER / "g1.yaml")
TABLE = BoxPose(2.0, 1.0, 0.4, 0.5, 1.4, 0.8, 0.8)


def on_table(along: float, across: float, size: float = 0.18, yaw: float = 0.0) -> BoxPose:
    spot = Pose2(TABLE.x, TABLE.y, TABLE.yaw) @ Pose2(along, across, yaw)
    return BoxPose(spot.x, spot.y, 0.8 + size / 2, spot.yaw, size, size, size)


@given(along=st.floats(-0.55, 0.55), inset=st.floats(0.1, 0.28), side=st.sampled_from([-1, 1]))
def test_stands_squarely_before_the_edge_that_is_near(along: float, inset: float, side: int) -> None:
    box = on_table(along, side * (TABLE.width / 2 - inset))
    place = stance(box, TABLE, G1)
    quarter = wrap_angle(place.yaw - TABLE.yaw) / (math.pi / 2)
    assert abs(quarter - round(quarter)) < 1e-6
    assert reachable(box, place, G1) == ""
    # base_link stays in front of the table, by at least what the body needs
    x, y = Pose2(TABLE.x, TABLE.y, TABLE.yaw).inverse().apply(np.array([place.x, place.y]))
    outside = max(abs(x) - TABLE.length / 2, abs(y) - TABLE.width / 2)
    assert outside > G1.belly - 1e-6


def test_takes_the_nearer_of_two_equal_edges() -> None:
    box = on_table(0.0, 0.0)
    narrow = replace(TABLE, width=0.5)
    for side in (-1, 1):
        body = Pose2(TABLE.x, TABLE.y, TABLE.yaw) @ Pose2(0.0, side * 1.5, 0.0)
        place = stance(box, narrow, G1, body)
        assert math.dist((place.x, place.y), (body.x, body.y)) < 1.3


def test_a_box_in_the_middle_of_a_wide_table_is_out_of_reach_and_says_why() -> None:
    box = on_table(0.0, 0.0)
    wide = replace(TABLE, width=1.2)
    assert "ahead, hands reach" in reachable(box, stance(box, wide, G1), G1)


def test_without_a_table_it_faces_the_nearest_side_and_keeps_clear_of_it() -> None:
    shelf = BoxPose(3.0, 0.0, 0.9, 0.0, 0.6, 2.0, 1.8)
    place = stance(shelf, None, G1, Pose2(0.0, 0.1, 0.0))
    assert (place.y, place.yaw) == (pytest.approx(0.0), pytest.approx(0.0))
    assert 3.0 - 0.3 - place.x > G1.belly


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 0.5, "length": 0.5}, "wide"),
        ({"width": 0.05, "length": 0.05}, "wide"),
        ({"height": 0.6}, "high"),
        ({"z": 0.2}, "height"),
        ({"x": 0.9}, "ahead"),
        ({"x": 0.1}, "too near"),
        ({"y": 0.4}, "left"),
        ({"y": -0.4}, "right"),
    ],
)
def test_reasons(change: dict[str, float], reason: str) -> None:
    box = BoxPose(0.36, 0.0, 0.9, 0.0, 0.18, 0.18, 0.18)
    assert out_of_reach(box, Pose2(0.0, 0.0, 0.0), G1) == ""
    assert reason in out_of_reach(replace(box, **change), Pose2(0.0, 0.0, 0.0), G1)


@given(yaw=st.floats(-7, 7), heading=st.floats(-4, 4))
def test_the_nearest_axis_of_a_box(yaw: float, heading: float) -> None:
    box = BoxPose(0.0, 0.0, 0.9, yaw, 0.3, 0.2, 0.1)
    across, depth, turn = across_and_depth(box, Pose2(0.0, 0.0, heading))
    assert abs(turn) <= math.pi / 4 + 1e-9
    assert {across, depth} == {0.3, 0.2}
    # seen along the box's own axis, its width lies across
    along = abs(math.cos(yaw - heading - turn))
    assert (across == 0.2) == (along > 0.5)


def seen_from(side: float) -> Pose2:
    return Pose2(TABLE.x, TABLE.y, TABLE.yaw) @ Pose2(0.0, side * 1.5, 0.0)


def test_a_side_stays_chosen_until_another_is_clearly_better() -> None:
    middle, narrow = on_table(0.0, 0.0), replace(TABLE, width=0.5)
    first = stance(middle, narrow, G1, seen_from(1))
    other = stance(middle, narrow, G1, seen_from(-1))
    assert math.dist((first.x, first.y), (other.x, other.y)) > 0.5
    assert stance(middle, narrow, G1, seen_from(-1), kept=first) == first
    at_the_other_edge = on_table(0.0, -0.15)
    assert stance(at_the_other_edge, narrow, G1, seen_from(-1), kept=first).yaw == pytest.approx(other.yaw)


def test_a_side_without_room_is_not_chosen() -> None:
    middle, narrow = on_table(0.0, 0.0), replace(TABLE, width=0.5)
    free = stance(middle, narrow, G1, seen_from(1))
    back = free @ Pose2(-0.5, 0.0, 0.0)
    shelf = BoxPose(back.x, back.y, 0.5, 0.0, 0.6, 0.4, 1.0)
    chosen = stance(middle, narrow, G1, seen_from(1), others=(shelf,))
    assert abs(wrap_angle(chosen.yaw - free.yaw)) > 1.0
