"""Parts of the planner on their own: forecasts of people beside the road, crosswalks, parked cars, setting off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving_sim import straight

from autodrive.forecast import forecast
from autodrive.geometry import Pose2
from autodrive.planning.behaviour import Behaviour
from autodrive.planning.config import PlannerConfig
from autodrive.planning.ground_memory import GroundMemory
from autodrive.planning.obstacles import gather_obstacles
from autodrive.planning.permanence import Permanence
from autodrive.planning.reference_path import build_reference_path
from autodrive.planning.speed_profile import Policies, roll_out, speed_limit
from autodrive.scene import (
    EgoState,
    Forecast,
    ForecastMode,
    GroundClass,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
)

CONFIG = PlannerConfig()
ROUTE = Route(straight(120.0), Pose2(0.0, 0.0, 0.0), 8.3, "test")
CAR = TrackedObject(1, ObjectClass.CAR, 0.9, 20.0, 0.0, 0.8, 0.0, 4.5, 1.8, 1.5, 0.0, 0.0, 0.0, 3.0)
WALKER = TrackedObject(2, ObjectClass.PEDESTRIAN, 0.9, 20.0, -2.4, 0.9, 0.0, 0.5, 0.5, 1.8, 0.0, 0.0, 0.0, 3.0)


def ego(seconds: float = 0.1, speed: float = 0.0, x: float = 0.0) -> EgoState:
    return EgoState(int(seconds * 1e9), Pose2(x, 0.0, 0.0), speed, 0.0)


def enters_lane(walker: TrackedObject) -> float:
    """Probability of the likeliest mode that comes within the car's half width and a margin of the route."""
    (found,) = forecast((walker,), ego(speed=6.0), ROUTE, None)
    return max(mode.probability for mode in found.modes if np.abs(mode.poses[:, 1]).min() < 1.4)


@pytest.mark.parametrize(("vx", "vy"), [(1.3, 0.4), (-1.3, 0.35), (0.9, 0.3)])
def test_who_walks_along_the_road_is_not_expected_in_the_lane(vx: float, vy: float) -> None:
    assert enters_lane(replace(WALKER, vx=vx, vy=vy)) < CONFIG.probability_threshold


@pytest.mark.parametrize(("vx", "vy"), [(0.0, 1.3), (0.8, 0.9), (-0.6, 0.8)])
def test_who_walks_across_is(vx: float, vy: float) -> None:
    assert enters_lane(replace(WALKER, vx=vx, vy=vy)) > 0.5


def test_nobody_is_expected_to_halt_in_the_lane_before_the_car() -> None:
    walker = replace(WALKER, y=0.6, vy=1.2)
    (found,) = forecast((walker,), ego(speed=3.0), ROUTE, None)
    stays = sum(mode.probability for mode in found.modes if mode.poses[-1, 1] < 1.6)
    assert stays < CONFIG.probability_threshold


@pytest.mark.parametrize(("yaw", "rate"), [(np.pi - 0.12, 0.0), (np.pi, 0.1), (np.pi + 0.1, 0.1)])
def test_an_oncoming_car_is_expected_to_keep_its_lane(yaw: float, rate: float) -> None:
    car = replace(CAR, x=35.0, y=3.5, yaw=yaw, vx=7 * np.cos(yaw), vy=7 * np.sin(yaw), yaw_rate=rate)
    (found,) = forecast((car,), ego(speed=6.0), ROUTE, None)
    astray = [mode.probability for mode in found.modes if np.abs(mode.poses[:, 1]).min() < 2.0]
    assert max(astray, default=0.0) < CONFIG.probability_threshold


def test_one_that_swings_across_is_expected_across() -> None:
    car = replace(CAR, x=20.0, y=3.5, yaw=np.pi + 0.35, vx=-5.0, vy=-1.8, yaw_rate=0.4)
    (found,) = forecast((car,), ego(speed=6.0), ROUTE, None)
    assert sum(mode.probability for mode in found.modes if np.abs(mode.poses[:, 1]).min() < 2.0) > 0.5


def standing(track: TrackedObject) -> Forecast:
    return Forecast(track, 0.5, (ForecastMode(1.0, np.array([[track.x, track.y, track.yaw]])),))


def remembered(x0: float, x1: float) -> tuple[GroundMemory, object]:
    x, y = np.meshgrid(np.arange(x0, x1 + 0.01, 0.25), np.arange(-1.6, 1.61, 0.25))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    paint = GroundMarkings(points, np.full(len(points), int(GroundClass.CROSSWALK)), np.full(len(points), 0.9))
    reference = build_reference_path(straight(80.0))
    ground = GroundMemory(reference)
    for k in range(6):
        ground.update(ego(0.1 * k), 0.0, None, paint, ())
    return ground, reference


def stop_at_crosswalk(behaviour: Behaviour, seconds: float, walker: TrackedObject, ground, reference) -> bool:
    now, s = ego(seconds, 0.6), np.arange(0.0, 60.5, 0.5)
    behaviour.observe(now, (standing(walker),))
    return bool(np.isfinite(behaviour.rules(now, 0.0, s, reference, ground, (standing(walker),), 8.0).stop))


def test_who_stands_at_the_kerb_is_offered_to_cross_once() -> None:
    ground, reference = remembered(6.0, 9.0)
    walker = replace(WALKER, x=7.5)
    behaviour = Behaviour(CONFIG)
    for k in range(20):
        now = ego(0.1 * k)
        behaviour.observe(now, (standing(walker),))
        behaviour.rules(now, 0.0, np.arange(0.0, 60.5, 0.5), reference, ground, (standing(walker),), 8.0)
    # the car rolls again: without memory it would stop for the same person as before
    assert not stop_at_crosswalk(behaviour, 2.1, walker, ground, reference)
    assert stop_at_crosswalk(behaviour, 2.2, replace(walker, vy=1.2), ground, reference)
    assert stop_at_crosswalk(Behaviour(CONFIG), 0.1, walker, ground, reference)


@pytest.mark.parametrize(("y", "vy", "stops"), [(-0.4, 1.2, True), (0.9, 1.2, False), (2.5, 1.2, False)])
def test_who_has_nearly_left_the_lane_claims_it_no_longer(y: float, vy: float, stops: bool) -> None:
    ground, reference = remembered(6.0, 9.0)
    assert stop_at_crosswalk(Behaviour(CONFIG), 0.1, replace(WALKER, x=7.5, y=y, vy=vy), ground, reference) == stops


def test_people_who_walk_away_do_not_slow_it_at_a_crosswalk() -> None:
    ground, reference = remembered(16.0, 19.0)
    s = np.arange(0.0, 60.5, 0.5)
    caps = []
    for vy in (1.2, -1.2):
        walker = replace(WALKER, x=17.5, y=-4.0, vy=vy)
        rules = Behaviour(CONFIG).rules(ego(0.1, 8.0), 0.0, s, reference, ground, (standing(walker),), 8.0)
        caps.append(rules.cap.min())
    assert caps == [CONFIG.crosswalk_speed, 8.0]


def test_a_parked_car_that_seems_to_jump_is_no_traffic() -> None:
    behaviour = Behaviour(CONFIG)
    for k in range(30):
        seen = replace(CAR, vx=4.0) if k % 10 < 5 else CAR
        behaviour.observe(ego(0.1 * k), (standing(seen),))
    assert not behaviour.is_traffic(CAR)
    for k in range(30, 40):
        behaviour.observe(ego(0.1 * k), (standing(replace(CAR, vx=4.0)),))
    assert behaviour.is_traffic(CAR)


def test_a_car_that_stood_a_moment_ago_may_go_on_standing() -> None:
    behaviour = Behaviour(CONFIG)
    for k in range(12):
        behaviour.observe(ego(0.1 * k), (standing(replace(CAR, vx=2.0)),))
    assert behaviour.wavering() == frozenset()  # it drives
    behaviour.observe(ego(1.2), (standing(CAR),))
    behaviour.observe(ego(1.3), (standing(replace(CAR, vx=2.0)),))
    assert behaviour.wavering() == {CAR.track_id}
    moving = Forecast(replace(CAR, vx=2.0), 0.5, (ForecastMode(1.0, np.array([[40.0, 0.0, 0.0]])),))
    found = gather_obstacles(
        ego(1.3),
        (moving,),
        np.arange(21) * 0.4,
        CONFIG,
        near=lambda p: np.ones(len(p), dtype=bool),
        margin_scale={},
        wavering=behaviour.wavering(),
    )
    assert found.static.tolist() == [True, False]
    assert found.hard.tolist() == [True, False]


def test_people_who_vanish_stay_in_the_plan_for_a_moment() -> None:
    walker = replace(WALKER, x=8.0, vy=1.2)
    memory = Permanence()
    found = forecast((walker,), ego(0.1, 5.0), ROUTE, None)
    assert memory.complete(ego(0.1, 5.0), found) == found
    (kept,) = memory.complete(ego(0.6, 5.0), ())
    assert (kept.track.x, kept.track.y) == (8.0, pytest.approx(walker.y + 0.6))
    assert kept.modes[0].poses[3, 1] == pytest.approx(found[0].modes[0].poses[5, 1])
    # the same person under another number is one person
    again = forecast((replace(walker, track_id=9, y=-1.7, age_s=0.1),), ego(0.7, 5.0), ROUTE, None)
    assert memory.complete(ego(0.7, 5.0), again) == again
    assert memory.complete(ego(1.2, 5.0), ()) == ()
    # what flickers was never there
    young = forecast((replace(walker, age_s=0.3),), ego(1.3, 5.0), ROUTE, None)
    memory.complete(ego(1.3, 5.0), young)
    assert memory.complete(ego(1.4, 5.0), ()) == ()


def test_it_sets_off_at_once_whatever_the_brakes_did() -> None:
    one = np.ones(1)
    policies = Policies(
        np.zeros(1, dtype=np.intp), one, CONFIG.acceleration * one, 3.0 * one, 6.0 * one, 100.0 * one,
        np.full((1, 11), np.inf), np.zeros((1, 11)),
    )  # fmt: skip
    limit = speed_limit(np.zeros((1, 121)), np.full((1, 121), 8.0), CONFIG)
    start = {"start_s": 0.0, "speed": 0.0, "config": CONFIG}
    fast, slow = (roll_out(policies, limit, acceleration=a, **start).speed[0, 5] for a in (0.0, -2.0))
    assert slow == fast > 1.0
