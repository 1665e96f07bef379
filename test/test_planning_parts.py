"""Parts of the planner on their own: rules, conflicts, ground memory, speed roll-outs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving_sim import straight
from hypothesis import given
from hypothesis import strategies as st

from autodrive.geometry import Pose2
from autodrive.planning.behaviour import Behaviour
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import first_blocked
from autodrive.planning.ground_memory import GroundMemory
from autodrive.planning.obstacles import gather_obstacles
from autodrive.planning.reference_path import build_reference_path
from autodrive.planning.speed_profile import Policies, roll_out, safe_speed, speed_limit
from autodrive.scene import (
    EgoState,
    Forecast,
    ForecastMode,
    GridExtent,
    GroundClass,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    TrackedObject,
)

CONFIG = PlannerConfig()
CAR = TrackedObject(1, ObjectClass.CAR, 0.9, 20.0, 0.0, 0.8, 0.0, 4.5, 1.8, 1.5, 0.0, 0.0, 0.0, 3.0)
WALKER = TrackedObject(2, ObjectClass.PEDESTRIAN, 0.9, 20.0, -2.6, 0.9, 1.57, 0.5, 0.5, 1.8, 0.0, 1.3, 0.0, 3.0)
EXTENT = GridExtent(-24.0, 40.0, -32.0, 32.0)


def ego(seconds: float, speed: float = 0.0, x: float = 0.0) -> EgoState:
    return EgoState(int(seconds * 1e9), Pose2(x, 0.0, 0.0), speed, 0.0)


def forecast_of(track: TrackedObject, *modes: tuple[float, float, float]) -> Forecast:
    """Straight modes of (probability, vx, vy) over 6 s."""
    t = np.arange(1, 13)[:, None] * 0.5
    rows = [
        ForecastMode(p, np.hstack([[[track.x, track.y]] + t * [[vx, vy]], np.full((12, 1), track.yaw)]))
        for p, vx, vy in modes
    ]
    return Forecast(track, 0.5, tuple(rows))


def watched(seconds: float, *tracks: TrackedObject) -> Behaviour:
    behaviour = Behaviour(CONFIG)
    for k in range(int(seconds * 10) + 1):
        behaviour.observe(ego(0.1 * k), tuple(forecast_of(t, (1.0, t.vx, t.vy)) for t in tracks))
        for track in tracks:
            behaviour.may_pass(track, 0.0, True)
    return behaviour


def test_a_car_in_the_lane_is_parked_unless_a_junction_explains_it() -> None:
    behaviour = watched(1.0, CAR)
    assert not behaviour.may_pass(CAR, 0.0, before_junction=True)
    assert not behaviour.may_pass(CAR, 0.0, before_junction=False)  # must last
    later = ego(2.0)
    behaviour.observe(later, (forecast_of(CAR, (1.0, 0.0, 0.0)),))
    assert behaviour.may_pass(CAR, 0.0, before_junction=False)


def test_a_queue_is_waited_for_and_given_up_after_a_while() -> None:
    assert not watched(CONFIG.pass_wait_s - 1.0, CAR).may_pass(CAR, 0.0, True)
    assert watched(CONFIG.pass_wait_s + 1.0, CAR).may_pass(CAR, 0.0, True)


def test_traffic_that_was_seen_driving_is_waited_for_longer() -> None:
    behaviour = watched(0.5, replace(CAR, vx=5.0))
    for k in range(1, 100):
        behaviour.observe(ego(0.5 + 0.1 * k), (forecast_of(CAR, (1.0, 0.0, 0.0)),))
    assert behaviour.is_traffic(CAR)
    assert not behaviour.may_pass(CAR, 0.0, False)
    for k in range(100, 180):
        behaviour.observe(ego(0.5 + 0.1 * k), (forecast_of(CAR, (1.0, 0.0, 0.0)),))
    assert behaviour.may_pass(CAR, 0.0, False)


def test_cones_may_always_be_passed() -> None:
    assert Behaviour(CONFIG).may_pass(replace(CAR, label=ObjectClass.CONE), 0.0, True)


def paint(kind: GroundClass, x0: float, x1: float) -> GroundMarkings:
    x, y = np.meshgrid(np.arange(x0, x1 + 0.01, 0.25), np.arange(-1.6, 1.61, 0.25))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return GroundMarkings(points, np.full(len(points), int(kind)), np.full(len(points), 0.9))


def remembered(markings: GroundMarkings) -> tuple[GroundMemory, np.ndarray]:
    reference = build_reference_path(straight(80.0))
    ground = GroundMemory(reference)
    for k in range(6):
        ground.update(ego(0.1 * k), 0.0, None, markings, ())
    return ground, np.arange(0.0, 60.5, 0.5)


def test_paint_is_found_where_it_is_and_only_what_it_is() -> None:
    ground, _ = remembered(paint(GroundClass.CROSSWALK, 18.0, 21.0))
    ((start, end),) = ground.crosswalks(0.0)
    assert (start, end) == (pytest.approx(18.0, abs=0.6), pytest.approx(21.0, abs=0.6))
    assert ground.stop_lines(0.0) == []
    ground, _ = remembered(paint(GroundClass.STOP_LINE, 15.0, 15.4))
    assert ground.stop_lines(0.0) == [pytest.approx(15.0, abs=0.6)]
    assert ground.crosswalks(0.0) == []


@pytest.mark.parametrize(
    ("walker", "stops"),
    [
        (WALKER, True),  # about to step on
        (replace(WALKER, y=0.5), True),  # on it
        (replace(WALKER, vy=-1.3), False),  # walks away
        (replace(WALKER, vx=1.3, vy=0.0, y=-3.0), False),  # walks along the kerb
        (replace(WALKER, x=30.0), False),  # elsewhere
    ],
)
def test_stops_before_a_crosswalk_only_for_who_claims_it(walker: TrackedObject, stops: bool) -> None:
    ground, s = remembered(paint(GroundClass.CROSSWALK, 18.0, 21.0))
    reference = build_reference_path(straight(80.0))
    behaviour = watched(2.0, walker)
    forecasts = (forecast_of(walker, (1.0, walker.vx, walker.vy)),)
    rules = behaviour.rules(ego(2.1, 5.0), 0.0, s, reference, ground, forecasts, 8.0)
    assert np.isfinite(rules.stop) == stops
    if stops:
        assert rules.stop + CONFIG.footprint.front < 18.0
        assert "track 2" in rules.reason


def test_one_bad_frame_does_not_make_ground_unfree() -> None:
    reference = build_reference_path(straight(80.0))
    ground = GroundMemory(reference)
    good = GroundGrid(EXTENT, np.full((1, 128, 128), 0.9, dtype=np.float32))
    bad = GroundGrid(EXTENT, np.full((1, 128, 128), 0.05, dtype=np.float32))
    s, d = np.arange(5.0, 20.0), np.zeros((1, 15))
    for grid in (good, good, good, bad):
        ground.update(ego(0.0), 0.0, grid, None, ())
    assert ground.free_along(s, d, 0.8).min() > CONFIG.free_threshold
    for _ in range(8):
        ground.update(ego(0.0), 0.0, bad, None, ())
    assert ground.free_along(s, d, 0.8).max() < CONFIG.free_threshold


def test_ground_under_tracked_objects_is_the_objects_business() -> None:
    reference = build_reference_path(straight(80.0))
    ground = GroundMemory(reference)
    bad = GroundGrid(EXTENT, np.full((1, 128, 128), 0.05, dtype=np.float32))
    for _ in range(10):
        ground.update(ego(0.0), 0.0, bad, None, (CAR,))
    assert float(ground.free_along(np.array([20.0]), np.zeros((1, 1)), 0.4)[0, 0]) > 0.7


def gathered(*forecasts: Forecast) -> object:
    times = np.arange(21) * 0.4
    return gather_obstacles(
        ego(0.0), forecasts, times, CONFIG, near=lambda p: np.ones(len(p), dtype=bool), margin_scale={}
    )


def test_likely_modes_bind_and_unlikely_ones_are_risks() -> None:
    moving = replace(CAR, vx=4.0)
    found = gathered(forecast_of(moving, (0.7, 4.0, 0.0), (0.22, 4.0, 1.0), (0.07, 0.0, 0.0), (0.01, 9.0, 0.0)))
    assert found.hard.tolist() == [True, True, False]  # type: ignore[attr-defined]


def test_what_stands_stays_and_may_set_off() -> None:
    found = gathered(forecast_of(CAR, (0.9, 0.0, 0.0), (0.1, 3.0, 0.0)))
    assert found.static.tolist() == [True, False]  # type: ignore[attr-defined]
    assert found.hard.tolist() == [True, False]  # type: ignore[attr-defined]


def test_followers_and_ghosts_on_the_body_are_left_out() -> None:
    follower = replace(CAR, x=-8.0, vx=6.0)
    ghost = replace(CAR, x=1.3)
    assert len(gathered(forecast_of(follower, (1.0, 6.0, 0.0)), forecast_of(ghost, (1.0, 0.0, 0.0)))) == 0  # type: ignore[arg-type]


def test_first_blocked_is_interpolated() -> None:
    s = np.arange(0.0, 5.0)
    assert first_blocked(s, np.array([3.0, 2.0, 1.0, -1.0, -2.0])) == pytest.approx(2.5)
    assert first_blocked(s, np.array([-1.0, 1.0, 1.0, 1.0, 1.0])) == 0.0
    assert first_blocked(s, np.ones(5)) == np.inf


@given(gap=st.floats(0.0, 80.0), lead=st.floats(0.0, 15.0))
def test_safe_speed_lets_one_stop_behind_a_braking_lead(gap: float, lead: float) -> None:
    v = float(safe_speed(np.array(gap), np.array(lead), 2.0, 1.0))
    assert v >= 0.0
    assert v * 1.0 + v**2 / 4.0 <= gap + lead**2 / 4.0 + 1e-6


@given(speed=st.floats(0.0, 13.0), stop=st.floats(0.0, 60.0), acceleration=st.floats(-3.0, 1.8))
def test_roll_outs_obey_their_limits(speed: float, stop: float, acceleration: float) -> None:
    one = np.ones(1)
    policies = Policies(
        np.zeros(1, dtype=np.intp), one, 1.8 * one, 3.0 * one, 6.0 * one, stop * one,
        np.full((1, 41), np.inf), np.zeros((1, 41)),
    )  # fmt: skip
    limit = speed_limit(np.zeros((1, 121)), np.full((1, 121), 8.0), CONFIG)
    out = roll_out(policies, limit, start_s=0.0, speed=speed, acceleration=acceleration, config=CONFIG)
    assert (out.speed >= 0).all()
    assert (np.diff(out.s) >= -1e-9).all()
    assert out.acceleration.min() >= -3.0 - 1e-9
    assert out.acceleration.max() <= 1.8 + 1e-9
    if stop > speed**2 / 3.0 + speed + 2.0 and speed < 8.0:
        assert out.s[0, -1] <= stop + 0.1
