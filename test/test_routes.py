"""Routes through a town: legal, reproducible, free where they start, and coarse as a navigation map is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import box_corners
from autodrive.sim.routes import START_TO_JUNCTION_M, TownRoute, make_route
from autodrive.sim.town import Town, load_town, shipped_towns

seeds = st.integers(0, 2**31 - 1)
names = st.sampled_from(shipped_towns())


def _standing(town: Town) -> shapely.Geometry:
    items = (*town.parked, *town.obstacles)
    return shapely.union_all([shapely.Polygon(box_corners(i.x, i.y, i.yaw, i.length, i.width)) for i in items])


def _turns(town: Town, plan: TownRoute) -> int:
    ways = {(town.lane[c.from_lane].edge_id, town.lane[c.to_lane].edge_id): c.direction for c in town.connections}
    return sum(ways[pair] != "s" for pair in zip(plan.edges[:-1], plan.edges[1:], strict=True))


@settings(max_examples=40, deadline=None)
@given(names, seeds, st.floats(60, 600))
def test_is_a_legal_drive_of_about_the_wanted_length(name: str, seed: int, length: float):
    town = load_town(name)
    plan = make_route(town, seed, length)
    points = plan.route.points
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert 0.97 * length - 5.0 < steps.sum() < length + 60.0
    assert steps.max() < 3.2 and np.allclose(points, points.round(1))
    onward = {(town.lane[c.from_lane].edge_id, town.lane[c.to_lane].edge_id) for c in town.connections}
    assert set(zip(plan.edges[:-1], plan.edges[1:], strict=True)) <= onward
    assert all(shapely.contains_xy(town.surface.road, *points.T))
    turning = np.diff(np.unwrap(np.arctan2(*np.diff(points, axis=0).T[::-1])))
    assert np.abs(turning).max() < 0.7, "no kinks"


@settings(max_examples=40, deadline=None)
@given(names, seeds)
def test_starts_free_on_its_lane_before_a_junction_and_ends_between_junctions(name: str, seed: int):
    town = load_town(name)
    plan = make_route(town, seed, 250.0)
    lane, start = town.lane[plan.start_lane], plan.route.start
    line = shapely.LineString(lane.centerline)
    assert lane.kind == "road" and lane.edge_id == plan.edges[0]
    assert line.distance(shapely.Point(start.x, start.y)) < 0.01
    assert line.project(shapely.Point(start.x, start.y)) == pytest.approx(plan.start_offset, abs=0.05)
    assert lane.length - plan.start_offset >= START_TO_JUNCTION_M
    assert math.hypot(*(plan.route.points[0] - (start.x, start.y))) < 0.2
    ahead = plan.route.points[3] - plan.route.points[0]
    assert abs(math.remainder(math.atan2(ahead[1], ahead[0]) - start.yaw, math.tau)) < 0.4
    body = start @ type(start)(1.3, 0.0, 0.0)
    assert not shapely.Polygon(box_corners(body.x, body.y, body.yaw, 4.7, 1.9)).intersects(_standing(town))
    assert not any(shapely.Polygon(j).contains(shapely.Point(plan.route.points[-1])) for j in town.junctions)


@settings(max_examples=20, deadline=None)
@given(names, seeds)
def test_keeps_right(name: str, seed: int):
    town = load_town(name)
    plan = make_route(town, seed, 200.0)
    opposite = [lane for lane in town.lanes if lane.kind == "road" and lane.edge_id not in plan.edges]
    own = [lane for lane in town.lanes if lane.kind == "road" and lane.edge_id in plan.edges]
    near_own, near_other = (
        shapely.union_all([shapely.LineString(lane.centerline).buffer(0.3) for lane in lanes])
        for lanes in (own, opposite)
    )
    on_own = shapely.contains_xy(near_own, *plan.route.points.T)
    assert on_own.mean() > 0.4
    assert not (shapely.contains_xy(near_other, *plan.route.points.T) & ~on_own).sum() > 0.2 * len(on_own)


@pytest.mark.parametrize("name", shipped_towns())
def test_long_enough_drives_turn_twice(name: str):
    town = load_town(name)
    assert np.mean([_turns(town, make_route(town, seed, 350.0)) >= 2 for seed in range(30)]) >= 0.9


def test_same_seed_same_route_and_other_seeds_differ():
    town = load_town("summit")
    plans = [make_route(town, 5, 250.0), make_route(town, 5, 250.0), make_route(town, 6, 250.0)]
    assert np.array_equal(plans[0].route.points, plans[1].route.points) and plans[0].route.start == plans[1].route.start
    assert plans[0].edges == plans[1].edges and plans[0].start_offset == plans[1].start_offset
    assert not np.array_equal(plans[0].route.points, plans[2].route.points)


@pytest.mark.parametrize("length", [0.0, -5.0, math.nan, math.inf])
def test_refuses_a_length_that_is_none(length: float):
    with pytest.raises(InputError, match="route length"):
        make_route(load_town("summit"), 1, length)
