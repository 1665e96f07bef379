"""Halls for tasks: every seed gives one in which boxes can be fetched."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from autodrive.geometry import Pose2
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.stance import reachable, stance
from autodrive.scene import GroundClass, ObjectClass
from autodrive.sim.actor_parts import box_colour
from autodrive.sim.hall import hall_masks
from autodrive.sim.task_hall import CELL_M, CELLS, TaskHall, make_task_hall

SEEDS = range(30)
BODY_M = 0.3


@pytest.fixture(scope="module")
def halls() -> list[TaskHall]:
    return [make_task_hall(seed) for seed in SEEDS]


def room(task_hall: TaskHall) -> np.ndarray:
    """Distance [m] of every cell to what stands."""
    free = hall_masks(task_hall.hall, Pose2(0, 0, 0), CELLS * CELL_M / 2, CELLS)[GroundClass.FREE]
    return ndimage.distance_transform_edt(free) * CELL_M


def cell(x: float, y: float) -> tuple[int, int]:
    return int((x + CELLS * CELL_M / 2) / CELL_M), int((y + CELLS * CELL_M / 2) / CELL_M)


def test_the_robot_starts_with_a_metre_around_it(halls: list[TaskHall]) -> None:
    for task_hall in halls:
        assert room(task_hall)[cell(task_hall.start.x, task_hall.start.y)] > 0.95


def test_boxes_have_colours_of_their_own_and_stand_near_edges(halls: list[TaskHall]) -> None:
    for task_hall in halls:
        loads = task_hall.loads
        assert len({load.colour for load in loads}) == len(loads) >= 3
        for load in loads:
            assert load.colour == box_colour(load.style_seed)
            assert 0.2 <= load.mass <= 0.4
            assert all(0.14 <= size <= 0.22 for size in (load.item.length, load.item.width, load.item.height))
            table = min(task_hall.tables, key=lambda t: math.hypot(t.x - load.item.x, t.y - load.item.y))
            _, across = Pose2(table.x, table.y, table.yaw).inverse().apply(np.array([load.item.x, load.item.y]))
            assert table.width / 2 - abs(across) <= 0.18
            assert load.item.z - load.item.height / 2 == pytest.approx(table.height)


def test_every_box_can_be_reached_from_free_floor_to_which_a_way_leads(halls: list[TaskHall]) -> None:
    arms = load_robot("g1").arms
    for seed, task_hall in zip(SEEDS, halls, strict=True):
        parts, _ = ndimage.label(room(task_hall) > BODY_M)
        home = parts[cell(task_hall.start.x, task_hall.start.y)]
        assert home
        for load in task_hall.loads:
            table = min(task_hall.tables, key=lambda t: math.hypot(t.x - load.item.x, t.y - load.item.y))
            place = stance(load.item, table, arms)
            assert reachable(load.item, place, arms) == "", seed
            behind = place @ Pose2(-0.35, 0.0, 0.0)
            i, j = cell(behind.x, behind.y)
            assert (parts[i - 1 : i + 2, j - 1 : j + 2] == home).any(), (seed, load.colour)


def test_there_is_something_to_see_and_somebody_to_meet(halls: list[TaskHall]) -> None:
    assert all(task_hall.hall.people for task_hall in halls)
    cones = [sum(o.label == ObjectClass.CONE for o in task_hall.hall.objects) for task_hall in halls]
    assert np.mean([count > 0 for count in cones]) > 0.5


def test_the_same_seed_gives_the_same_hall(halls: list[TaskHall]) -> None:
    assert make_task_hall(3) == halls[3] != halls[4]
