"""The planner in the closed-loop bench: what it must do in traffic, with noisy tracks, and with bad input."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from driving_scenarios import BATCHES, LANE, at_speed, from_time, grid_points, line
from driving_sim import Agent, Log, Scenario, run, straight

from autodrive.errors import InputError
from autodrive.forecast import forecast
from autodrive.geometry import Pose2
from autodrive.planning.planner import Planner
from autodrive.scene import EgoState, GridExtent, GroundGrid, GroundMarkings, ObjectClass, Route, TrackedObject

STREET = [(line((-20, LANE / 2), (300, LANE / 2)), 3.6)]
FRONT = 3.55
TRACK = TrackedObject(1, ObjectClass.CAR, 0.9, 25.0, 0.0, 0.8, 0.0, 4.5, 1.8, 1.5, 0.0, 0.0, 0.0, 3.0)


def route(length: float = 100.0) -> Route:
    return Route(straight(length), Pose2(0.0, 0.0, 0.0), 8.3, "test")


def ego(stamp_s: float = 0.1, x: float = 0.0, speed: float = 8.0) -> EgoState:
    return EgoState(int(stamp_s * 1e9), Pose2(x, 0.0, 0.0), speed, 0.0)


def safe(log: Log) -> None:
    assert log.collision == ""
    assert log.emergencies == 0


def test_follows_a_slower_car_and_stops_behind_it() -> None:
    lead = Agent(ObjectClass.CAR, straight(300.0), lambda t: 5.0 if t < 9.0 else 0.0, 20.0)
    log = run(Scenario(straight(150.0), [lead], STREET, duration_s=24.0), seed=3)
    safe(log)
    gap = lead.pose().x - 2.25 - (log.pose[-1].x + FRONT)
    assert 2.5 < gap < 5.0
    assert log.final_speed < 0.05
    assert min(log.acceleration) > -4.6


def test_goes_on_when_the_car_ahead_does() -> None:
    lead = Agent(ObjectClass.CAR, straight(300.0), lambda t: 0.0 if 5.0 < t < 10.0 else 5.0, 14.0)
    log = run(Scenario(straight(80.0), [lead], STREET, duration_s=40.0), seed=4)
    safe(log)
    assert log.completion > 0.99


@pytest.mark.parametrize("y", [-1.7, -1.0])
def test_passes_a_parked_car_when_nobody_comes(y: float) -> None:
    parked = Agent(ObjectClass.CAR, line((45.0, y), (60.0, y)), at_speed(0.0))
    log = run(Scenario(straight(90.0), [parked], STREET, duration_s=35.0), seed=5)
    safe(log)
    assert log.completion > 0.99
    assert abs(log.pose[-1].y) < 0.3


def test_waits_for_oncoming_traffic_before_it_passes() -> None:
    parked = Agent(ObjectClass.TRUCK, line((40.0, -0.6), (60.0, -0.6)), at_speed(0.0))
    oncoming = [Agent(ObjectClass.CAR, line((200.0, LANE), (-80.0, LANE)), at_speed(8.0), s) for s in (84.0, 100.0)]
    log = run(Scenario(straight(80.0), [parked, *oncoming], STREET, duration_s=45.0), seed=6)
    safe(log)
    assert log.completion > 0.99
    beside = [o for o, pose in zip(log.t, log.pose, strict=True) if pose.y > 1.0]
    # the second one has passed x = 35 after (200 - 35 - 84) / 8 s
    assert min(beside) > 8.0


def test_waits_behind_what_cannot_be_passed() -> None:
    wall = [Agent(ObjectClass.BARRIER, line((50.0, y), (50.0, y + 5.0)), at_speed(0.0)) for y in (-1.5, 0.5, 2.5, 4.5)]
    log = run(Scenario(straight(90.0), wall, STREET, duration_s=25.0), seed=7)
    safe(log)
    assert log.final_speed < 0.05
    assert log.pose[-1].x + FRONT < 49.0


@pytest.mark.parametrize("zebra", [True, False])
def test_lets_a_pedestrian_cross(zebra: bool) -> None:
    walker = Agent(ObjectClass.PEDESTRIAN, line((50.0, -4.0), (50.0, 8.0)), from_time(6.5, 1.3))
    crosswalks = [grid_points(48.0, 52.0, -1.7, 5.1)] if zebra else []
    log = run(Scenario(straight(90.0), [walker], STREET, crosswalks, duration_s=40.0), seed=8)
    safe(log)
    assert log.completion > 0.99
    assert min(log.speed[60:-30]) < 3.5


def test_people_along_the_pavement_do_not_stop_it() -> None:
    walkers = [
        Agent(ObjectClass.PEDESTRIAN, line((x, -3.2), (x + 60.0, -3.2)), at_speed(1.2)) for x in (15.0, 30.0, 45.0)
    ]
    log = run(Scenario(straight(90.0), walkers, STREET, duration_s=30.0), seed=9)
    safe(log)
    assert log.completion > 0.99
    assert min(log.speed[40:-40]) > 3.0


def test_overtakes_a_slow_cyclist_when_free() -> None:
    cyclist = Agent(ObjectClass.CYCLIST, straight(300.0, -0.8), at_speed(2.5), 20.0)
    log = run(Scenario(straight(150.0), [cyclist], STREET, duration_s=45.0), seed=10)
    safe(log)
    assert log.completion > 0.99
    assert log.pose[-1].x > cyclist.pose().x + 10.0


def test_gives_way_to_a_car_that_crosses() -> None:
    crossing = Agent(ObjectClass.CAR, line((50.0, -80.0), (50.0, 80.0)), at_speed(7.0), 24.0)
    corridors = [*STREET, (line((50.0, -100.0), (50.0, 100.0)), 3.6)]
    log = run(Scenario(straight(90.0), [crossing], corridors, duration_s=40.0), seed=11)
    safe(log)
    assert log.completion > 0.99


@pytest.mark.parametrize(("batch", "seed"), [("junction", 3), ("pedestrians", 4), ("obstructed", 5)])
def test_random_encounters(batch: str, seed: int) -> None:
    log = run(BATCHES[batch](seed), seed)
    assert log.collision == ""
    assert log.completion > 0.9


def test_a_blind_planner_drives_slowly() -> None:
    log = run(Scenario(straight(60.0), [], STREET, duration_s=30.0), with_ground=False)
    assert log.completion > 0.99
    assert max(log.speed) < Planner().config.blind_speed + 0.2


def test_a_few_bad_cells_do_not_stop_it_and_a_wall_of_them_does() -> None:
    def drive(ahead: slice, across: slice) -> float:
        planner, speed, x = Planner(route=route()), 5.0, 0.0
        extent = GridExtent(-24.0, 40.0, -32.0, 32.0)
        for k in range(30):
            free = np.full((1, 128, 128), 0.9, dtype=np.float32)
            free[0, ahead, across] = 0.02
            plan = planner.plan(ego(0.1 * (k + 1), x, speed), (), GroundGrid(extent, free), _no_paint())
        return float(plan.speed[-1])

    assert drive(slice(72, 73), slice(62, 66)) > 4.0  # half a metre deep, 12 m ahead, two wide
    assert drive(slice(72, 80), slice(48, 80)) == pytest.approx(0.0, abs=0.05)


def _no_paint() -> GroundMarkings:
    return GroundMarkings(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(0))


def test_the_plan_starts_at_the_body_and_obeys_its_limits() -> None:
    planner = Planner(route=route())
    state = ego()
    plan = planner.plan(state, forecast((TRACK,), state, route(), None), None, None)
    assert plan.t[0] == 0.0
    assert plan.t[-1] == pytest.approx(5.0)
    assert math.hypot(plan.x[0], plan.y[0]) < 0.01
    assert plan.speed[0] == 8.0
    assert (np.diff(plan.x) >= -1e-9).all()
    assert (np.abs(plan.curvature) < 0.26).all()
    assert plan.acceleration.max() <= planner.config.acceleration + 1e-9
    assert plan.x[-1] + FRONT < TRACK.x - TRACK.length / 2


def test_when_nothing_is_left_it_brakes_as_hard_as_it_can() -> None:
    near = replace(TRACK, x=8.5)
    state = ego(speed=9.0)
    planner = Planner(route=route())
    plan = planner.plan(state, forecast((near,), state, route(), None), None, None)
    assert plan.fallback
    assert plan.reason == "emergency stop"
    assert plan.acceleration[1] < -4.0


def test_the_same_input_gives_the_same_plan() -> None:
    logs = [run(replace(BATCHES["pedestrians"](2), duration_s=10.0), 2) for _ in range(2)]
    assert [p.x for p in logs[0].pose] == [p.x for p in logs[1].pose]
    assert logs[0].reason == logs[1].reason


def test_a_plan_costs_little() -> None:
    state = ego()
    tracks = tuple(
        replace(TRACK, track_id=k, x=10.0 + 3.0 * k, y=LANE if k % 2 else -2.0, vx=5.0 if k % 3 else 0.0)
        for k in range(14)
    )
    forecasts = forecast(tracks, state, route(), None)
    planner = Planner(route=route())
    planner.plan(state, forecasts, None, None)
    start = time.process_time()
    for _ in range(20):
        planner.plan(state, forecasts, None, None)
    assert (time.process_time() - start) / 20 < 0.060  # some 15 ms on a quiet core; this is a crowd


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="route"):
        Planner().plan(ego(), (), None, None)
    with pytest.raises(InputError, match="speed_limit"):
        Planner(route=replace(route(), speed_limit=math.nan))
    with pytest.raises(InputError, match="not finite"):
        Planner(route=route()).plan(ego(speed=math.nan), (), None, None)
