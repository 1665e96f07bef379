"""The hall: same seed same hall, nothing stands in anything else, masks agree with the objects."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from autodrive.geometry import Pose2
from autodrive.scene import GroundClass, ObjectClass
from autodrive.sim.appearance import random_appearance
from autodrive.sim.hall import WALKABLE_STEP_M, add_hall, hall_masks, make_hall, object_name

SEEDS = range(12)


def cell_of(x: float, y: float, half_extent: float, cells: int) -> tuple[int, int]:
    return int((x + half_extent) / (2 * half_extent) * cells), int((y + half_extent) / (2 * half_extent) * cells)


def test_same_seed_same_hall() -> None:
    assert make_hall(3) == make_hall(3)
    assert make_hall(3) != make_hall(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_are_inside_and_apart(seed: int) -> None:
    hall = make_hall(seed)
    floor_items = [item for item in (*hall.objects, *hall.people) if abs(item.z - item.height / 2) < 1e-9]
    assert len(floor_items) >= 4
    for k, a in enumerate(floor_items):
        assert abs(a.x) < hall.length / 2
        assert abs(a.y) < hall.width / 2
        for b in floor_items[:k]:
            assert math.hypot(a.x - b.x, a.y - b.y) > (min(a.width, a.length) + min(b.width, b.length)) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_on_tables_stand_on_the_top(seed: int) -> None:
    hall = make_hall(seed)
    tables = [item for item in hall.objects if item.label == ObjectClass.TABLE]
    for box in hall.objects:
        bottom = box.z - box.height / 2
        if box.label == ObjectClass.BOX and bottom > 1e-6:
            below = [t for t in tables if math.hypot(t.x - box.x, t.y - box.y) < t.length / 2]
            assert any(abs(t.height - bottom) < 1e-6 for t in below)


@pytest.mark.parametrize("seed", SEEDS)
def test_free_space_excludes_what_stands_there(seed: int) -> None:
    hall = make_hall(seed)
    pose = Pose2(1.0, -0.5, 0.7)
    masks = hall_masks(hall, pose, 12.0, 320)
    assert masks.shape == (4, 320, 320)
    assert masks[GroundClass.FREE].sum() > 0.02 * 320 * 320
    assert not masks[GroundClass.CROSSWALK].any()
    inverse = pose.inverse()
    high = [step for step in hall.steps if step.height > WALKABLE_STEP_M]
    for item in (*hall.objects, *high):
        x, y = inverse.apply(np.array([item.x, item.y]))
        if max(abs(x), abs(y)) < 11.5:
            assert not masks[GroundClass.FREE][cell_of(x, y, 12.0, 320)]


def test_masks_run_along_x_then_y() -> None:
    hall = make_hall(2)
    masks = hall_masks(hall, Pose2(hall.length / 2 - 0.3, 0.0, 0.0), 12.0, 240)
    free = masks[GroundClass.FREE]
    assert not free[240 // 2 + 10 :].any()  # beyond the wall in front
    assert free[: 240 // 2].any()
    turned = hall_masks(hall, Pose2(hall.length / 2 - 0.3, 0.0, math.pi / 2), 12.0, 240)[GroundClass.FREE]
    assert not turned[:, : 240 // 2 - 10].any()  # facing +y, the wall is on the right: negative y


def test_compiles_with_every_object_as_a_body() -> None:
    hall = make_hall(5)
    spec = mujoco.MjSpec()
    add_hall(spec, hall, random_appearance(5))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    for k, item in enumerate(hall.objects):
        body = model.body(object_name(k, item)).id
        np.testing.assert_allclose(data.xpos[body], (item.x, item.y, item.z - item.height / 2), atol=1e-9)
