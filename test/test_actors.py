"""Actors keep to their boxes, touch the ego body and nothing else, and show where they are heading."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.actor_parts import actor_parts
from autodrive.sim.actors import ActorPool, add_static_actor

SIZES = {
    ObjectClass.CAR: (4.4, 1.8, 1.5),
    ObjectClass.TRUCK: (9.0, 2.5, 3.2),
    ObjectClass.CYCLIST: (1.8, 0.6, 1.75),
    ObjectClass.PEDESTRIAN: (0.5, 0.55, 1.75),
    ObjectClass.CONE: (0.4, 0.4, 0.7),
    ObjectClass.BARRIER: (1.6, 0.4, 1.0),
    ObjectClass.BOX: (0.5, 0.4, 0.4),
    ObjectClass.TABLE: (1.4, 0.8, 0.74),
    ObjectClass.SHELF: (1.8, 0.5, 1.9),
}


def world(counts: dict[ObjectClass, int]) -> tuple[ActorPool, mujoco.MjModel, mujoco.MjData]:
    spec = mujoco.MjSpec()
    ego = spec.worldbody.add_body(name="ego", pos=(0, 0, 0.6))
    ego.add_freejoint()
    ego.add_geom(name="chassis", type=mujoco.mjtGeom.mjGEOM_BOX, size=(2, 0.9, 0.4))
    pool = ActorPool(counts)
    pool.add_to(spec)
    model = spec.compile()
    data = mujoco.MjData(model)
    pool.bind(model, data)
    return pool, model, data


def visible_points(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> np.ndarray:
    """Corners of the bounding boxes of all opaque parts, in the world."""
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    points = []
    for geom in range(model.body_geomadr[body], model.body_geomadr[body] + model.body_geomnum[body]):
        if model.geom_rgba[geom, 3] < 0.99:
            continue
        size = model.geom_size[geom].copy()
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CYLINDER:
            size = np.array([size[0], size[0], size[1]])
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            size = np.array([size[0], size[0], size[0] + size[1]])
        points.append(data.geom_xpos[geom] + (corners * size) @ data.geom_xmat[geom].reshape(3, 3).T)
    return np.concatenate(points)


@pytest.mark.parametrize("label", list(ObjectClass))
def test_parts_fill_their_box_at_the_pose(label: ObjectClass) -> None:
    pool, model, data = world({label: 2})
    length, width, height = SIZES[label]
    pool.place(label, 1, 7.0, -3.0, 0.0, length, width, height, style_seed=4, z=0.2)
    mujoco.mj_kinematics(model, data)
    points = visible_points(model, data, pool.bodies[label, 1]) - (7.0, -3.0, 0.2)
    limit = np.array([length, width, height])
    slack = np.array([0.2, 0.22, 0.12]) if label in (ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST) else 0.08
    assert (np.abs(points[:, :2]) <= (limit / 2 + slack)[:2]).all()
    assert points[:, 2].min() >= -0.1
    assert points[:, 2].max() == pytest.approx(height, abs=0.1)
    assert np.ptp(points[:, 0]) > (0.55 if label == ObjectClass.PEDESTRIAN else 0.75) * length  # standing
    assert np.ptp(points[:, 1]) > 0.75 * width


@given(
    label=st.sampled_from(list(ObjectClass)),
    scale=st.floats(0.8, 1.3),
    seed=st.integers(0, 1 << 30),
    gait=st.floats(-20, 20),
)
@settings(max_examples=60, deadline=None)
def test_the_kinds_of_a_class_never_change(label: ObjectClass, scale: float, seed: int, gait: float) -> None:
    sizes = [value * scale for value in SIZES[label]]
    parts = actor_parts(label, *sizes, seed, gait)
    typical = actor_parts(label, *SIZES[label], 0)
    assert parts.kind == typical.kind
    assert parts.material == typical.material
    assert np.isfinite(np.array(parts.position)).all()
    assert (np.array(parts.size) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(parts.quaternion, axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("label", [ObjectClass.CAR, ObjectClass.TRUCK])
def test_white_lamps_in_front_and_red_ones_behind(label: ObjectClass, seed: int) -> None:
    parts = actor_parts(label, *SIZES[label], seed)
    x = np.array(parts.position)[:, 0]
    rgba = np.array(parts.rgba)
    lamps = (rgba[:, :3] == (1.0, 0.98, 0.85)).all(axis=1)
    tails = (rgba[:, :3] == (0.85, 0.03, 0.03)).all(axis=1)
    assert lamps.sum() == tails.sum() == 2
    assert x[lamps].min() > 0.45 * SIZES[label][0]
    assert x[tails].max() < -0.45 * SIZES[label][0]


def test_touches_the_ego_body_with_its_present_size() -> None:
    pool, model, data = world({ObjectClass.TRUCK: 1, ObjectClass.CAR: 1})
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    pool.place(ObjectClass.TRUCK, 0, 7.5, 0.0, 0.0, 10.0, 2.5, 3.0, 1)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    pool.place(ObjectClass.TRUCK, 0, 7.5, 0.0, 0.0, 11.6, 2.5, 3.0, 1)
    mujoco.mj_forward(model, data)
    assert data.ncon > 0
    assert {pool.hulls[int(c.geom2)] for c in data.contact} == {(ObjectClass.TRUCK, 0)}
    pool.hide(ObjectClass.TRUCK, 0)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_actors_pass_through_each_other() -> None:
    pool, model, data = world({ObjectClass.CAR: 2})
    for slot in range(2):
        pool.place(ObjectClass.CAR, slot, 20.0, 0.0, 0.5 * slot, 4.5, 1.8, 1.5, slot)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_legs_swing_with_the_gait() -> None:
    pool, model, data = world({ObjectClass.PEDESTRIAN: 1})
    spread = {}
    for phase in (0.0, np.pi / 2):
        pool.place(ObjectClass.PEDESTRIAN, 0, 5, 0, 0, 0.5, 0.55, 1.75, 1, gait_phase=phase)
        mujoco.mj_kinematics(model, data)
        spread[phase] = float(np.ptp(visible_points(model, data, pool.bodies[ObjectClass.PEDESTRIAN, 0])[:, 0]))
    assert spread[np.pi / 2] > spread[0.0] + 0.3


def test_clear_errors() -> None:
    with pytest.raises(InputError, match="bind"):
        ActorPool({ObjectClass.CAR: 1}).hide(ObjectClass.CAR, 0)
    pool, _, _ = world({ObjectClass.CAR: 1})
    with pytest.raises(InputError, match="no CAR 1; it has 1"):
        pool.hide(ObjectClass.CAR, 1)


def test_static_actor_stands_where_its_box_is() -> None:
    spec = mujoco.MjSpec()
    item = DetectedObject(ObjectClass.TABLE, 1.0, 3.0, 2.0, 0.37, 1.2, 1.4, 0.8, 0.74)
    add_static_actor(spec, "table", item, style_seed=3)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    hull = model.geom("table/hull").id
    np.testing.assert_allclose(data.geom_xpos[hull], (3.0, 2.0, 0.37), atol=1e-9)
    np.testing.assert_allclose(model.geom_size[hull], (0.7, 0.4, 0.37))
