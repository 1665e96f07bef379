"""Occupancy memory and routes: what is remembered, around what a route leads, and what it says where there is none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from autodrive.geometry import Array, Pose2
from autodrive.planning.grid_route import GridRoute, find_route
from autodrive.planning.occupancy import Floor, OccupancyMemory
from autodrive.scene import EgoState, GridExtent, GroundGrid, ObjectClass, TrackedObject

EXTENT = GridExtent(-8.0, 8.0, -8.0, 8.0)
CENTRES = np.linspace(-8.0 + 0.125, 8.0 - 0.125, 64)
X, Y = np.meshgrid(CENTRES, CENTRES, indexing="ij")


def ego(x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> EgoState:
    return EgoState(10**9, Pose2(x, y, yaw), 0.0, 0.0)


def ground(free: Array | bool = True) -> GroundGrid:
    value = np.where(np.broadcast_to(free, X.shape), 0.95, 0.05)
    return GroundGrid(EXTENT, value[None].astype(np.float32))


def thing(x: float, y: float, length: float, width: float, label: ObjectClass = ObjectClass.SHELF) -> TrackedObject:
    return TrackedObject(3, label, 0.9, x, y, 0.5, 0.0, length, width, 1.0, 0.0, 0.0, 0.0, 2.0)


def seen(free: Array | bool = True, *tracks: TrackedObject, at: EgoState | None = None, frames: int = 8) -> Floor:
    memory = OccupancyMemory()
    for _ in range(frames):
        memory.update(at or ego(), ground(free), tracks)
    return memory.floor(tracks, frozenset())


def clearance(route: GridRoute, x0: float, x1: float, y0: float, y1: float) -> float:
    """Least distance of a route from a rectangle."""
    dx = np.maximum(np.maximum(x0 - route.points[:, 0], route.points[:, 0] - x1), 0.0)
    dy = np.maximum(np.maximum(y0 - route.points[:, 1], route.points[:, 1] - y1), 0.0)
    return float(np.hypot(dx, dy).min())


def test_straight_where_nothing_stands() -> None:
    route = find_route(seen(), (0.0, 0.0), (5.0, 2.0))
    assert route.found
    assert tuple(route.points[0]) == (0.0, 0.0)
    assert tuple(route.points[-1]) == (5.0, 2.0)
    assert np.hypot(*np.diff(route.points, axis=0).T).sum() < math.hypot(5.0, 2.0) + 0.05


def test_around_a_shelf_with_clearance() -> None:
    route = find_route(seen(True, thing(3.0, 0.0, 0.5, 4.0)), (0.0, 0.0), (6.0, 0.0))
    assert route.found
    assert clearance(route, 2.75, 3.25, -2.0, 2.0) > 0.3
    assert np.hypot(*np.diff(route.points, axis=0).T).sum() < 8.6


def test_through_a_doorway() -> None:
    wall = (np.abs(X - 3.0) < 0.15) & (np.abs(Y - 1.5) > 0.8)
    route = find_route(seen(~wall), (0.0, 0.0), (6.0, 0.0))
    assert route.found
    at = int(np.argmin(np.abs(route.points[:, 0] - 3.0)))
    assert abs(route.points[at, 1] - 1.5) < 0.45


@pytest.mark.parametrize(("height", "crosses"), [(0.03, True), (0.10, False)])
def test_a_step_of_ten_centimetres_is_walked_around(height: float, crosses: bool) -> None:
    """The mask calls steps above 5 cm not free; that is all a route needs to know."""
    step = (np.abs(X - 3.0) < 0.6) & (np.abs(Y) < 0.8)
    route = find_route(seen(~step if height > 0.05 else True), (0.0, 0.0), (6.0, 0.0))
    assert (clearance(route, 2.4, 3.6, -0.8, 0.8) == 0.0) == crosses


def test_a_goal_inside_something_is_replaced_by_the_nearest_free_point_and_says_so() -> None:
    route = find_route(seen(True, thing(3.0, 0.0, 1.0, 1.0)), (0.0, 0.0), (3.0, 0.0))
    assert route.found
    assert 0.7 < route.shortfall_m < 1.0
    assert route.reason == f"goal is not free: {route.shortfall_m:.1f} m short of it"
    assert clearance(route, 2.5, 3.5, -0.5, 0.5) > 0.25


def test_no_route_out_of_four_walls_says_why() -> None:
    ring = (np.maximum(np.abs(X), np.abs(Y)) > 1.5) & (np.maximum(np.abs(X), np.abs(Y)) < 2.0)
    route = find_route(seen(~ring), (0.0, 0.0), (5.0, 0.0))
    assert not route.found
    assert "no route: the nearest point is 3." in route.reason


def test_unknown_floor_is_allowed_at_a_price() -> None:
    route = find_route(seen(), (0.0, 0.0), (12.0, 0.0))
    assert route.found
    assert route.points[-1, 0] == 12.0
    # half of the way beside it was seen, the straight one was not: a small detour pays
    dark = (X > 1.0) & (np.abs(Y) < 0.4)
    value = np.where(dark, 0.5, 0.95)
    memory = OccupancyMemory()
    for _ in range(8):
        memory.update(ego(), GroundGrid(EXTENT, value[None].astype(np.float32)), ())
    route = find_route(memory.floor((), frozenset()), (0.0, 0.0), (7.0, 0.5))
    assert np.abs(route.points[20:-10, 1]).min() > 0.2


def test_a_goal_beyond_the_map_is_approached() -> None:
    route = find_route(seen(), (0.0, 0.0), (40.0, 0.0), max_shortfall_m=50.0)
    assert route.found
    assert "beyond the map" in route.reason
    assert route.points[-1, 0] > 14.0


def test_a_body_too_near_to_something_may_leave() -> None:
    route = find_route(seen(True, thing(0.5, 0.0, 0.5, 2.0)), (0.0, 0.0), (-3.0, 0.0))
    assert route.found
    assert route.points[:, 0].max() < 0.1


def test_people_leave_no_trace_in_the_memory() -> None:
    walker = thing(3.0, 0.0, 0.5, 0.5, ObjectClass.PEDESTRIAN)
    occupied = np.hypot(X - 3.0, Y) < 0.3
    floor = seen(~occupied, walker)
    assert floor.clearance_at(np.array([3.0, 0.0])) > 1.0


def test_a_route_keeps_away_from_somebody_who_stands() -> None:
    someone = thing(3.0, 0.0, 0.5, 0.5, ObjectClass.PEDESTRIAN)
    floor = seen(True, someone)
    assert clearance(find_route(floor, (0.0, 0.0), (6.0, 0.0)), 2.75, 3.25, -0.25, 0.25) == 0.0
    around = find_route(floor, (0.0, 0.0), (6.0, 0.0), people=[someone])
    assert clearance(around, 2.75, 3.25, -0.25, 0.25) > 0.6


def test_what_was_seen_is_remembered_while_the_window_moves() -> None:
    memory = OccupancyMemory()
    wall = (np.abs(X - 3.0) < 0.3) & (np.abs(Y) < 2.0)
    for _ in range(8):
        memory.update(ego(), ground(~wall), ())
    for x in np.arange(0.0, -12.0, -0.5):
        memory.update(ego(float(x)), None, ())
    floor = memory.floor((), frozenset())
    assert floor.clearance_at(np.array([3.0, 0.0])) == 0.0
    assert floor.clearance_at(np.array([3.0, 3.5])) > 1.0


def test_one_wrong_frame_changes_little_and_many_change_the_mind() -> None:
    memory = OccupancyMemory()
    wall = (np.abs(X - 2.0) < 0.3) & (np.abs(Y) < 2.0)
    for _ in range(6):
        memory.update(ego(), ground(), ())
    memory.update(ego(), ground(~wall), ())
    assert memory.floor((), frozenset()).clearance_at(np.array([2.0, 0.0])) > 1.0
    for _ in range(8):
        memory.update(ego(), ground(~wall), ())
    assert memory.floor((), frozenset()).clearance_at(np.array([2.0, 0.0])) == 0.0


def test_what_is_floor_with_doubt_is_none_and_what_nobody_sees_says_nothing() -> None:
    memory = OccupancyMemory()
    step = (np.abs(X - 2.0) < 0.3) & (np.abs(Y) < 1.0)
    unseen = (np.abs(X + 2.0) < 0.3) & (np.abs(Y) < 1.0)
    seen = ground()
    value = np.where(step, 0.6, np.where(unseen, 0.5, seen.probability[0])).astype(np.float32)
    for _ in range(8):
        memory.update(ego(), replace(seen, probability=value[None]), ())
    floor = memory.floor((), frozenset())
    assert floor.clearance_at(np.array([2.0, 0.0])) == 0.0
    assert floor.clearance_at(np.array([-2.0, 0.0])) > 1.0


def test_the_body_may_come_near_to_its_target_only() -> None:
    table, shelf = thing(2.0, 0.0, 0.8, 1.6, ObjectClass.TABLE), thing(0.0, 2.0, 1.6, 0.8)
    table_id = 9
    tracks = (TrackedObject(table_id, *(getattr(table, n) for n in TrackedObject.__slots__[1:])), shelf)
    memory = OccupancyMemory()
    blocked = (np.abs(X - 2.0) < 0.4) & (np.abs(Y) < 0.8)
    for _ in range(8):
        memory.update(ego(), ground(~blocked), tracks)
    before_table, before_shelf = np.array([1.33, 0.0]), np.array([0.0, 1.33])
    floor = memory.floor(tracks, frozenset({table_id}))
    assert floor.passable_at(before_table, 0.31)
    assert not floor.passable_at(before_shelf, 0.31)
    assert not memory.floor(tracks, frozenset()).passable_at(before_table, 0.31)
    assert not floor.passable_at(np.array([1.5, 0.0]), 0.31)


def test_the_same_frames_give_the_same_route() -> None:
    routes = [find_route(seen(True, thing(3.0, 0.3, 0.5, 3.0)), (0.0, 0.0), (6.0, 0.0)) for _ in range(2)]
    assert (routes[0].points == routes[1].points).all()
