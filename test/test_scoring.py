"""The scorer against the leaderboard's definition, on made-up episodes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass, Route
from autodrive.sim.scoring import TTC_HORIZON_S, Score, Scorer, time_to_collision
from autodrive.sim.world import Contact, GroundTruth

ROUTE = Route(np.array([[0.0, 0.0], [100.0, 0.0]]), Pose2(0.0, 0.0, 0.0), 10.0)


def truth(
    k: int,
    x: float,
    y: float = 0.0,
    speed: float = 10.0,
    contacts: tuple[Contact, ...] = (),
    off_road: bool = False,
    objects: tuple[DetectedObject, ...] = (),
) -> GroundTruth:
    ids = tuple(str(i) for i in range(len(objects)))
    return GroundTruth(k * 100_000_000, Pose2(x, y, 0.0), speed, objects, ids, contacts, off_road)


def thing(label: ObjectClass, x: float, y: float, vx: float = 0.0, vy: float = 0.0) -> DetectedObject:
    length, width = (0.6, 0.6) if label == ObjectClass.PEDESTRIAN else (4.5, 1.8)
    return DetectedObject(label, 1.0, x, y, 0.8, math.atan2(vy, vx), length, width, 1.6, vx, vy)


def play(frames: list[GroundTruth], route: Route = ROUTE) -> Score:
    scorer = Scorer()
    for frame in frames:
        scorer.update(frame, route)
    return scorer.result()


def test_a_clean_run_is_perfect() -> None:
    score = play([truth(k, float(k)) for k in range(101)])
    assert (score.route_completion, score.driving_score, score.end) == (1.0, 1.0, "goal")
    assert score.collisions == {"vehicle": 0, "pedestrian": 0, "static": 0}
    assert score.distance_m == pytest.approx(95.0)


def test_half_the_route_is_half_the_score() -> None:
    score = play([truth(k, float(k)) for k in range(51)])
    assert score.driving_score == pytest.approx(0.5)
    assert score.end == ""


def test_progress_never_falls() -> None:
    forth = [truth(k, float(k)) for k in range(41)]
    back = [truth(41 + k, 40.0 - k) for k in range(20)]
    assert play(forth + back).route_completion == pytest.approx(0.4)


@pytest.mark.parametrize(("kind", "penalty"), [("pedestrian", 0.5), ("vehicle", 0.6), ("static", 0.65)])
def test_each_collision_costs_its_penalty(kind: str, penalty: float) -> None:
    frames = [truth(k, float(k), contacts=(Contact(kind, "a"),) if k in (20, 21, 30) else ()) for k in range(51)]
    score = play(frames)
    assert score.collisions[kind] == 1  # the second touch is within the gap
    assert score.driving_score == pytest.approx(0.5 * penalty)


def test_other_objects_and_later_touches_count_again() -> None:
    contacts = {20: (Contact("vehicle", "a"), Contact("vehicle", "b")), 60: (Contact("vehicle", "a"),)}
    score = play([truth(k, 0.5 * k, contacts=contacts.get(k, ())) for k in range(101)])
    assert score.collisions["vehicle"] == 3
    assert score.driving_score == pytest.approx(0.5 * 0.6**3)


def test_being_run_into_at_rest_is_told_apart() -> None:
    hit = (Contact("vehicle", "a"),)
    frames = [truth(0, 0.0, speed=0.0), truth(1, 0.05, speed=0.5, contacts=hit)]
    assert play(frames).collision_events[0].ego_stationary
    frames = [truth(0, 0.0, speed=3.0), truth(1, 0.1, speed=0.0, contacts=hit)]
    assert not play(frames).collision_events[0].ego_stationary


def test_off_road_part_does_not_count() -> None:
    score = play([truth(k, float(k), off_road=30 <= k < 40) for k in range(51)])
    assert score.infractions["off_road_s"] == pytest.approx(1.0)
    assert score.driving_score == pytest.approx(0.5 * 0.8)
    assert score.route_completion == pytest.approx(0.5)


def test_leaving_the_route_ends_the_episode() -> None:
    score = play([truth(k, 10.0, y=float(k)) for k in range(60)])
    assert score.end == "route_deviation"
    assert score.infractions["route_deviation"] == 1.0
    assert score.route_completion == pytest.approx(0.1)


def test_standing_for_three_minutes_ends_the_episode() -> None:
    frames = [truth(k, 10.0, speed=0.0) for k in range(1900)]
    assert play(frames).end == "blocked"
    assert play(frames[:1700]).end == ""


def test_a_route_that_crosses_itself_is_not_cut_short() -> None:
    loop = Route(np.array([[0.0, 0], [60, 0], [60, 40], [30, 40], [30, -40]]), Pose2(0, 0, 0), 10.0)
    score = play([truth(k, float(k)) for k in range(40)], loop)
    assert score.route_completion == pytest.approx(39 / 210)


def test_what_comes_after_the_end_is_ignored() -> None:
    frames = [truth(k, float(k)) for k in range(101)]
    frames.append(truth(101, 100.0, contacts=(Contact("pedestrian", "p"),)))
    assert play(frames).driving_score == 1.0


def test_comfort_figures() -> None:
    frames = [truth(k, 0.05 * k * k * 0.1, speed=0.1 * k) for k in range(30)]
    frames.append(truth(30, frames[-1].ego.x, speed=frames[-1].speed - 0.4))
    comfort = play(frames).comfort
    assert comfort["max_acceleration"] == pytest.approx(1.0)
    assert comfort["max_deceleration"] == pytest.approx(4.0)
    assert comfort["max_abs_jerk"] == pytest.approx(50.0)


def test_time_to_collision() -> None:
    ego = Pose2(0.0, 0.0, 0.0)
    front = 2.5789128 + 0.9790872
    ahead = time_to_collision(ego, 10.0, [thing(ObjectClass.CAR, front + 2.25 + 20.0, 0.0)])
    assert ahead == pytest.approx(2.0, abs=0.15)
    assert time_to_collision(ego, 10.0, [thing(ObjectClass.CAR, 30.0, 3.2, -10.0)]) == TTC_HORIZON_S
    assert time_to_collision(ego, 0.0, [thing(ObjectClass.CAR, 30.0, 0.0)]) == TTC_HORIZON_S
    crossing = time_to_collision(ego, 10.0, [thing(ObjectClass.PEDESTRIAN, 20.0, -3.0, 0.0, 1.8)])
    assert 1.2 < crossing < 2.0


def test_pedestrian_margins() -> None:
    walker = (thing(ObjectClass.PEDESTRIAN, 20.0, 1.4),)
    score = play([truth(k, float(k), objects=walker) for k in range(40)])
    assert score.min_pedestrian_clearance_m == pytest.approx(1.4 - 0.805 - 0.25)
    assert score.infractions["pedestrian_close_s"] > 0.3
    assert play([truth(k, float(k)) for k in range(40)]).min_pedestrian_clearance_m is None


@given(
    st.lists(
        st.tuples(
            st.floats(-50, 150), st.floats(-40, 40), st.floats(-5, 20),
            st.sampled_from(["", "vehicle", "pedestrian", "static"]), st.booleans(),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_any_episode_scores_between_zero_and_one(steps: list[tuple[float, float, float, str, bool]]) -> None:
    frames = [
        truth(k, x, y, v, (Contact(kind, "a"),) if kind else (), off) for k, (x, y, v, kind, off) in enumerate(steps)
    ]
    score = play(frames)
    assert 0.0 <= score.driving_score <= score.route_completion <= 1.0
    json.dumps(score.as_dict(), allow_nan=False)
