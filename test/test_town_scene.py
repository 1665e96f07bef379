"""The scene and the ground masks of a town agree with its geometry."""

from __future__ import annotations

import math
import time

import mujoco
import numpy as np
import pytest
import shapely

from autodrive.geometry import Pose2, box_corners
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.appearance import random_appearance
from autodrive.sim.ground_masks import carve, ground_masks
from autodrive.sim.town import Town, load_town
from autodrive.sim.town_preview import PIXELS_PER_M, draw_town
from autodrive.sim.town_scene import SIDEWALK_HEIGHT_M, add_town

HALF, CELLS = 32.0, 320


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town("summit")


@pytest.fixture(scope="module")
def model(town: Town) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    add_town(spec, town, random_appearance(3))
    return spec.compile()


def _poses(town: Town) -> list[Pose2]:
    rng = np.random.default_rng(1)
    lanes = [lane for lane in town.lanes if lane.kind == "road"]
    return [
        Pose2(*lanes[k].centerline[len(lanes[k].centerline) // 2], rng.uniform(-math.pi, math.pi))
        for k in rng.integers(0, len(lanes), 6)
    ] + [Pose2(*town.junctions[2].mean(axis=0), 0.3)]


def _cell_centres(pose: Pose2) -> np.ndarray:
    axis = -HALF + (np.arange(CELLS) + 0.5) * 2 * HALF / CELLS
    return pose.apply(np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)).reshape(-1, 2)


def _standing(town: Town) -> shapely.Geometry:
    items = (*town.buildings, *town.parked, *town.obstacles)
    return shapely.union_all([shapely.Polygon(box_corners(i.x, i.y, i.yaw, i.length, i.width)) for i in items])


def test_masks_agree_with_the_polygons(town: Town):
    surface, standing = town.surface, _standing(town)
    lines = shapely.union_all([surface.lane_lines, surface.centre_lines])
    expected = {
        GroundClass.FREE: (surface.road.difference(standing), 0.985),
        GroundClass.CROSSWALK: (surface.crosswalks, 0.95),
        GroundClass.STOP_LINE: (surface.stop_lines, 0.6),
        GroundClass.LANE_MARKING: (lines.buffer(0.075), 0.6),
    }
    for pose in _poses(town):
        masks = ground_masks(town, pose, HALF, CELLS)
        assert masks.shape == (4, CELLS, CELLS) and masks.dtype == bool
        centres = _cell_centres(pose)
        for channel, (area, least) in expected.items():
            truth = shapely.contains_xy(area, *centres.T).reshape(CELLS, CELLS)
            if truth.sum() > 50:
                both, either = (masks[channel] & truth).sum(), (masks[channel] | truth).sum()
                assert both / either > least, (channel, pose)


def test_masks_turn_with_the_pose(town: Town):
    pose = _poses(town)[0]
    ahead = ground_masks(town, pose, HALF, CELLS)
    left = ground_masks(town, pose @ Pose2(0.0, 0.0, math.pi / 2), HALF, CELLS)
    # what lies ahead (+x) of the first lies to the right (-y) of the second
    assert (np.rot90(left, 1, axes=(1, 2)) == ahead).mean() > 0.995


def test_masks_cover_parked_cars_and_end_outside_the_town(town: Town):
    for item in (*town.parked[:10], *town.obstacles):
        masks = ground_masks(town, Pose2(item.x, item.y, item.yaw), item.width / 2 - 0.1, 4)
        assert not masks[GroundClass.FREE].any()
    assert not ground_masks(town, Pose2(5000.0, 0.0, 0.0), HALF, CELLS).any()


def test_pavements_are_free_for_walkers_only(town: Town):
    walk = next(lane for lane in town.lanes if lane.kind == "sidewalk")
    x, y = walk.centerline[len(walk.centerline) // 2]
    assert not ground_masks(town, Pose2(x, y, 0.0), 0.3, 4)[GroundClass.FREE].any()
    assert ground_masks(town, Pose2(x, y, 0.0), 0.3, 4, pavement=True)[GroundClass.FREE].all()


def test_carving_takes_what_moves_out_of_free_space_only(town: Town):
    lane = next(lane for lane in town.lanes if lane.kind == "road")
    pose = Pose2(*lane.centerline[1], 0.2)
    before = ground_masks(town, pose, HALF, CELLS)
    car = DetectedObject(ObjectClass.CAR, 1.0, 1.0, -0.5, 0.75, 0.4, 4.4, 1.8, 1.5)
    kept = before.copy()
    after = carve(before, HALF, [car])
    assert np.array_equal(before, kept), "the input is left alone"
    inside = shapely.Polygon(box_corners(car.x, car.y, car.yaw, car.length, car.width))
    centres = _cell_centres(Pose2(0.0, 0.0, 0.0))
    covered = shapely.contains_xy(inside, *centres.T).reshape(CELLS, CELLS)
    near = shapely.contains_xy(inside.buffer(0.3), *centres.T).reshape(CELLS, CELLS)
    assert not after[GroundClass.FREE][covered].any()
    assert np.array_equal(after[GroundClass.FREE][~near], before[GroundClass.FREE][~near])
    assert np.array_equal(after[1:], before[1:])


def test_masks_are_quick(town: Town):
    poses = _poses(town)
    ground_masks(town, poses[0], HALF, CELLS)
    started = time.process_time()
    for pose in poses:
        ground_masks(town, pose, HALF, CELLS)
    assert (time.process_time() - started) / len(poses) < 0.010


def test_only_the_ground_and_houses_collide(town: Town, model: mujoco.MjModel):
    names = [model.geom(k).name for k in range(model.ngeom)]
    assert all(name.startswith("town/") for name in names)
    solid = {name for k, name in enumerate(names) if model.geom_contype[k] or model.geom_conaffinity[k]}
    assert solid == {"town/ground", *(f"town/building{k}" for k in range(len(town.buildings)))}


def test_meshes_cover_the_surface(town: Town, model: mujoco.MjModel):
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    areas: dict[str, float] = {}
    for geom in range(model.ngeom):
        if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_MESH:
            continue
        k = model.geom_dataid[geom]
        vertices = model.mesh_vert[model.mesh_vertadr[k] :][: model.mesh_vertnum[k]]
        faces = model.mesh_face[model.mesh_faceadr[k] :][: model.mesh_facenum[k]]
        world = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        a, b, c = (world[faces[:, i]] for i in range(3))
        layer = model.geom(geom).name.split("/")[1]
        normal = np.cross(b - a, c - a)
        if layer != "kerb_face":
            assert (normal[:, 2] > -1e-6).all(), "faces up"
        areas[layer] = areas.get(layer, 0.0) + float(np.linalg.norm(normal, axis=1).sum() / 2)
    surface = town.surface
    assert areas["asphalt"] == pytest.approx(surface.road.area, rel=1e-3)
    assert areas["sidewalk"] + areas["kerb"] == pytest.approx(surface.pavement.area, rel=1e-3)
    assert areas["centre_line"] == pytest.approx(surface.centre_lines.area, rel=1e-2)
    assert areas["kerb_face"] == pytest.approx(surface.pavement.boundary.length * SIDEWALK_HEIGHT_M, rel=0.02)


def test_appearance_reaches_the_materials(town: Town, model: mujoco.MjModel):
    look = random_appearance(3)
    assert model.material("asphalt").rgba[:3] == pytest.approx(look.asphalt_rgb, abs=1e-6)
    for k in range(8):
        assert model.material(f"facade{k}").rgba[:3] == pytest.approx(look.building_rgb[k], abs=1e-6)


def test_preview_shows_road_where_there_is_road(town: Town):
    image = draw_town(town, np.array([[0.0, 0.0], [1.0, 1.0]]))
    x_min, x_max, y_min, y_max = town.bounds
    assert image.shape == (round((y_max - y_min) * PIXELS_PER_M), round((x_max - x_min) * PIXELS_PER_M), 3)
    x, y = town.junctions[1].mean(axis=0)
    assert image[round((y_max - y) * PIXELS_PER_M), round((x - x_min) * PIXELS_PER_M)].tolist() == [88, 88, 92]
