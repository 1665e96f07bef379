"""Traffic around the ego: all there, smooth, repeatable, off what is blocked, and wary of the ego."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import libsumo
import numpy as np
import pytest
import shapely

from autodrive.errors import EnvironmentProblem, InputError
from autodrive.geometry import Pose2, box_corners, wrap_angle
from autodrive.scene import ObjectClass
from autodrive.sim.car_model import FRONT_OVERHANG_M, LENGTH_M, WHEELBASE_M, WIDTH_M
from autodrive.sim.routes import TownRoute, make_route
from autodrive.sim.town import Town, load_town
from autodrive.sim.traffic import Traffic, TrafficCounts
from autodrive.sim.traffic_motion import Body, Motion, RoadUser

TOWN = "harbor"


@pytest.fixture
def town() -> Town:
    return load_town(TOWN)


@pytest.fixture
def plan(town: Town) -> TownRoute:
    return make_route(town, 4, 200.0)


@pytest.fixture
def traffic(town: Town) -> Iterator[Traffic]:
    made = Traffic(town.net_file, closed_lanes=town.blocked_lanes)
    yield made
    made.close()


def along(plan: TownRoute, s: float) -> Pose2:
    """The pose ``s`` metres along the route."""
    line = shapely.LineString(plan.route.points)
    a, b = line.interpolate(s), line.interpolate(s + 0.5)
    return Pose2(a.x, a.y, math.atan2(b.y - a.y, b.x - a.x))


def test_everybody_is_there_and_none_near_the_start(traffic: Traffic, plan: TownRoute) -> None:
    start = plan.route.start
    for seed in range(3):
        traffic.reset(seed, plan.edges, start)
        users = traffic.users()
        counts = Counter(user.label for user in users)
        assert counts[ObjectClass.CAR] >= 24
        assert counts[ObjectClass.TRUCK] >= 3
        assert counts[ObjectClass.CYCLIST] >= 4
        assert counts[ObjectClass.PEDESTRIAN] == 35
        driving = [u for u in users if u.label != ObjectClass.PEDESTRIAN]
        assert min(math.hypot(u.x - start.x, u.y - start.y) for u in driving) > 25.0


def test_a_seed_repeats_and_another_differs(traffic: Traffic, plan: TownRoute) -> None:
    runs: list[tuple[RoadUser, ...]] = []
    for seed in (1, 2, 1):
        traffic.reset(seed, plan.edges, plan.route.start)
        for k in range(40):
            traffic.step(along(plan, 0.3 * k), 3.0)
        runs.append(traffic.users())
    assert runs[0] == runs[2]
    assert runs[0] != runs[1]


def test_motion_is_smooth_and_nobody_vanishes(traffic: Traffic, plan: TownRoute) -> None:
    traffic.reset(5, plan.edges, plan.route.start)
    before = {u.name: u for u in traffic.users()}
    names = set(before)
    speeds = []
    for _ in range(600):
        traffic.step(plan.route.start, 0.0)
        now = {u.name: u for u in traffic.users()}
        for name in now.keys() & before.keys():
            a, b = before[name], now[name]
            limit = 0.26 if b.label == ObjectClass.PEDESTRIAN else 1.2
            assert math.hypot(b.x - a.x, b.y - a.y) < limit, name
            if b.label != ObjectClass.PEDESTRIAN:
                assert abs(wrap_angle(b.yaw - a.yaw)) < 0.35, name
                speeds.append(math.hypot(b.vx, b.vy))
        before = now
    assert names <= set(before)
    assert 2.0 < np.mean(speeds) < 9.0  # they drive; no gridlock
    assert max(speeds) < 12.0


def test_blocked_lanes_stay_empty(traffic: Traffic, town: Town, plan: TownRoute) -> None:
    assert town.blocked_lanes
    traffic.reset(2, plan.edges, plan.route.start)
    for _ in range(300):
        traffic.step(plan.route.start, 0.0)
        lanes = {libsumo.vehicle.getLaneID(name) for name in libsumo.vehicle.getIDList() if name != "ego"}
        assert not lanes & set(town.blocked_lanes)


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_drives_or_walks_into_a_standing_ego(traffic: Traffic, plan: TownRoute, seed: int) -> None:
    spot = along(plan, 40.0)
    traffic.reset(seed, plan.edges, spot)
    middle = spot @ Pose2((WHEELBASE_M + FRONT_OVERHANG_M) - LENGTH_M / 2, 0.0, 0.0)
    body = shapely.Polygon(box_corners(middle.x, middle.y, middle.yaw, LENGTH_M, WIDTH_M))
    close = 0
    for _ in range(900):
        traffic.step(spot, 0.0)
        for user in traffic.users():
            if math.hypot(user.x - middle.x, user.y - middle.y) < 12.0:
                close += 1
                box = shapely.Polygon(box_corners(user.x, user.y, user.yaw, user.length, user.width))
                assert not box.intersects(body), user.name
    assert close > 50


def test_pedestrians_cross_in_front_of_the_ego(town: Town, plan: TownRoute) -> None:
    traffic = Traffic(town.net_file, TrafficCounts(cars=4, trucks=0, cyclists=0, pedestrians=8, crossing=8))
    route = shapely.LineString(plan.route.points)
    crossed = set()
    for seed in (0, 2):
        traffic.reset(seed, plan.edges, plan.route.start)
        for k in range(int(route.length / 0.5)):
            ego = along(plan, 0.5 * k)
            traffic.step(ego, 5.0)
            for user in traffic.users():
                if user.label == ObjectClass.PEDESTRIAN:
                    ahead = ego.inverse().apply(np.array([user.x, user.y]))[0]
                    if 4.0 < ahead < 45.0 and route.distance(shapely.Point(user.x, user.y)) < 1.0:
                        crossed.add((seed, user.name))
    traffic.close()
    assert len(crossed) >= 4


def test_counts_are_what_was_asked_for(town: Town, plan: TownRoute) -> None:
    traffic = Traffic(town.net_file, TrafficCounts(cars=3, trucks=0, cyclists=1, pedestrians=2, crossing=0))
    traffic.reset(1, plan.edges, plan.route.start)
    assert len(traffic.users()) == 6
    traffic.close()


def test_one_simulation_per_process(town: Town, plan: TownRoute) -> None:
    first, second = Traffic(town.net_file), Traffic(town.net_file)
    first.reset(1, plan.edges, plan.route.start)
    second.reset(1, plan.edges, plan.route.start)
    with pytest.raises(EnvironmentProblem, match="one simulation per process"):
        first.step(plan.route.start, 0.0)
    first.close()  # not the open one: nothing happens
    second.step(plan.route.start, 0.0)
    second.close()
    second.close()


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Traffic(tmp_path / "none.net.xml")


def test_the_rear_of_a_vehicle_follows_its_front() -> None:
    body = Body("car", ObjectClass.CAR, 4.5, 1.8, 1.5, 0)
    motion = Motion(body, 0.0, 0.0, 0.0)
    for k in range(1, 31):  # SUMO changes lane: the front glides 3 m sideways
        motion.update(float(k), 3.0 * min(1.0, k / 20), 0.0, 10.0, 0.1)
    user = motion.user()
    assert user.y == pytest.approx(3.0, abs=0.3)
    assert abs(user.yaw) < 0.1
    assert user.vx == pytest.approx(10.0, abs=0.2)
    motion.update(200.0, 50.0, 1.0, 10.0, 0.1)  # put elsewhere
    assert motion.user().yaw == 1.0
    assert (motion.user().vx, motion.user().vy) == (0.0, 0.0)
