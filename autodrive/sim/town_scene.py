"""The static scene of a town for MuJoCo: ground, asphalt, pavement and paint as a few meshes, houses and trees."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from autodrive.sim.appearance import Appearance, Rgb
from autodrive.sim.town import FACADES, Town

Array = NDArray[np.float64]

SIDEWALK_HEIGHT_M = 0.08
KERB_WIDTH_M = 0.15
_ASPHALT_Z, _PAINT_Z = 0.01, 0.02
_TILE_M = 110.0  # meshes are cut into tiles of this size, so that a renderer can leave out those behind the camera
_FRICTION = (1.0, 0.005, 0.0001)
_MIN_AREA_M2 = 1e-3
_MIN_TRIANGLE_M2 = 3e-4  # thinner ones turn over when their corners are rounded
_YELLOW = (0.95, 0.72, 0.2)


def add_town(spec: mujoco.MjSpec, town: Town, appearance: Appearance) -> None:
    """Add everything that never moves, except what is parked or put up (see ``actors.add_static_actor`` for those).

    Geom names start with "town/". The plane "town/ground" and the buildings collide (contype 1), nothing else does.
    Materials "asphalt", "grass", "sidewalk" and "facade0".. carry the appearance's colours.
    """
    # the seed, not a new field: the centre line's colour belongs to a country, hence to a scene
    centre_rgb = _YELLOW if appearance.seed % 2 else appearance.marking_rgb
    for name, rgb in _materials(appearance, centre_rgb).items():
        spec.add_material(name=name, rgba=(*rgb, 1.0), specular=0.0)
    _add_ground(spec, town)
    for mesh in _meshes(town):
        _add_mesh(spec, mesh)
    _add_buildings(spec, town)
    _add_trees(spec, town)


def _materials(appearance: Appearance, centre_rgb: Rgb) -> dict[str, Rgb]:
    houses = appearance.building_rgb
    return {
        "grass": appearance.grass_rgb,
        "asphalt": appearance.asphalt_rgb,
        "sidewalk": appearance.sidewalk_rgb,
        "town/marking": appearance.marking_rgb,
        "town/centre_line": centre_rgb,
        "town/kerb": appearance.kerb_rgb,
        "town/kerb_face": appearance.kerb_rgb,
        "town/bark": (0.30, 0.24, 0.18),
        **{f"facade{k}": houses[k % len(houses)] for k in range(FACADES)},
        **{f"town/leaves{k}": rgb for k, rgb in enumerate(_leaves(appearance))},
    }


def _leaves(appearance: Appearance) -> list[Rgb]:
    rng = np.random.default_rng([appearance.seed, 0x1EAF])
    base = np.array([0.8, 0.95, 0.75]) * appearance.grass_rgb
    return [tuple(np.clip(base * rng.uniform(0.7, 1.2, 3), 0.05, 1.0).tolist()) for _ in range(4)]


def _add_ground(spec: mujoco.MjSpec, town: Town) -> None:
    x_min, x_max, y_min, y_max = town.bounds
    spec.worldbody.add_geom(
        name="town/ground",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(x_max - x_min + 200.0, y_max - y_min + 200.0, 1.0),
        pos=((x_min + x_max) / 2, (y_min + y_max) / 2, 0.0),
        material="grass",
        friction=_FRICTION,
        contype=1,
        conaffinity=1,
    )


@dataclass(frozen=True, eq=False)
class _Mesh:
    name: str
    material: str
    vertices: Array
    faces: NDArray[np.int64]


@lru_cache(maxsize=4)
def _meshes(town: Town) -> tuple[_Mesh, ...]:
    """Everything flat, and the kerbs, by material and tile; the same for every appearance."""
    surface = town.surface
    kerb = surface.pavement.intersection(surface.road.buffer(KERB_WIDTH_M))
    paint = shapely.union_all([surface.lane_lines, surface.stop_lines, surface.zebra])
    layers = (
        ("asphalt", surface.road, lambda area: _flat(area, _ASPHALT_Z)),
        ("sidewalk", surface.pavement.difference(kerb), lambda area: _flat(area, SIDEWALK_HEIGHT_M)),
        ("town/marking", paint, lambda area: _flat(area, _PAINT_Z)),
        ("town/centre_line", surface.centre_lines, lambda area: _flat(area, _PAINT_Z)),
        ("town/kerb", kerb, lambda area: _flat(area, SIDEWALK_HEIGHT_M)),
        ("town/kerb_face", surface.pavement.boundary, _walls),
    )
    found = []
    for material, area, triangulate in layers:
        for tile, part in _tiles(town, area):
            triangles = triangulate(part)
            if len(triangles):
                vertices, faces = np.unique(np.round(triangles.reshape(-1, 3), 4), axis=0, return_inverse=True)
                name = f"town/{material.removeprefix('town/')}/{tile}"
                found.append(_Mesh(name, material, vertices, faces.reshape(-1, 3)))
    return tuple(found)


def _tiles(town: Town, area: BaseGeometry) -> Iterable[tuple[str, BaseGeometry]]:
    """The parts of an area in each tile of the town, with the tile's name."""
    x_min, x_max, y_min, y_max = town.bounds
    for i in range(math.ceil((x_max - x_min) / _TILE_M)):
        for j in range(math.ceil((y_max - y_min) / _TILE_M)):
            x, y = x_min + i * _TILE_M, y_min + j * _TILE_M
            yield f"{i}_{j}", shapely.intersection(area, shapely.box(x, y, x + _TILE_M, y + _TILE_M))


def _flat(area: BaseGeometry, z: float) -> Array:
    """Triangles (T, 3, 3) of an area, facing up."""
    polygons = [p for p in shapely.get_parts(area) if p.geom_type == "Polygon" and p.area > _MIN_AREA_M2]
    corners = [
        np.array(triangle.exterior.coords)[2::-1]  # GEOS gives them clockwise
        for polygon in polygons
        for triangle in shapely.get_parts(shapely.constrained_delaunay_triangles(polygon))
    ]
    flat = np.array(corners).reshape(-1, 3, 2)
    a, b = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    flat = flat[a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] > 2 * _MIN_TRIANGLE_M2]
    return np.concatenate([flat, np.full((*flat.shape[:2], 1), z)], axis=2)


def _walls(lines: BaseGeometry) -> Array:
    """Triangles (T, 3, 3) of upright faces from the ground to the pavement's height along lines."""
    quads = []
    for line in shapely.get_parts(shapely.line_merge(shapely.remove_repeated_points(lines, 1e-3))):
        points = np.array(line.coords) if line.geom_type == "LineString" else np.empty((0, 2))
        for a, b in itertools.pairwise(points):
            foot_a, foot_b = (*a, 0.0), (*b, 0.0)
            top_a, top_b = (*a, SIDEWALK_HEIGHT_M), (*b, SIDEWALK_HEIGHT_M)
            quads += [(foot_a, foot_b, top_b), (foot_a, top_b, top_a)]
    return np.array(quads, dtype=np.float64).reshape(-1, 3, 3)


def _add_mesh(spec: mujoco.MjSpec, part: _Mesh) -> None:
    mesh = spec.add_mesh(name=part.name, uservert=part.vertices.ravel(), userface=part.faces.ravel())
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # a flat mesh has no volume
    spec.worldbody.add_geom(
        name=part.name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=part.name,
        material=part.material,
        contype=0,
        conaffinity=0,
    )


def _add_buildings(spec: mujoco.MjSpec, town: Town) -> None:
    for k, building in enumerate(town.buildings):
        spec.worldbody.add_geom(
            name=f"town/building{k}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=(building.length / 2, building.width / 2, building.height / 2),
            pos=(building.x, building.y, building.height / 2),
            quat=(math.cos(building.yaw / 2), 0.0, 0.0, math.sin(building.yaw / 2)),
            material=f"facade{building.style}",
            contype=1,
            conaffinity=1,
        )


def _add_trees(spec: mujoco.MjSpec, town: Town) -> None:
    for k, tree in enumerate(town.trees):
        crown = 0.65 * tree.height
        shapes = (
            ("trunk", mujoco.mjtGeom.mjGEOM_CYLINDER, (0.14, tree.height / 4, 0.0), tree.height / 4, "town/bark"),
            (
                "crown",
                mujoco.mjtGeom.mjGEOM_ELLIPSOID,
                (tree.radius, tree.radius, crown / 2),
                tree.height - crown / 2,
                f"town/leaves{k % 4}",
            ),
        )
        for part, kind, size, z, material in shapes:
            spec.worldbody.add_geom(
                name=f"town/tree{k}/{part}",
                type=kind,
                size=size,
                pos=(tree.x, tree.y, z),
                material=material,
                contype=0,
                conaffinity=0,
            )
