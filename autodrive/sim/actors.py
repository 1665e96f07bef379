"""Movable bodies of every object class: mocap bodies whose size, colours and pose are set at run time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from autodrive.errors import InputError
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.actor_parts import Parts, actor_parts

_KINDS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}
_MATERIALS = ("shadow", "cabin_sedan", "cabin_hatch", "cabin_truck")
_AWAY_Z = -500.0
_COLLISION_GROUP = 3
_TYPICAL = {
    ObjectClass.CAR: (4.4, 1.8, 1.5),
    ObjectClass.TRUCK: (8.0, 2.5, 3.2),
    ObjectClass.CYCLIST: (1.8, 0.6, 1.75),
    ObjectClass.PEDESTRIAN: (0.5, 0.55, 1.75),
    ObjectClass.CONE: (0.4, 0.4, 0.7),
    ObjectClass.BARRIER: (1.6, 0.4, 1.0),
    ObjectClass.BOX: (0.5, 0.4, 0.4),
    ObjectClass.TABLE: (1.4, 0.8, 0.74),
    ObjectClass.SHELF: (1.8, 0.5, 1.9),
}


@dataclass
class _Slot:
    body: int
    mocap: int
    first: int
    count: int
    hull_body: int
    hull: int
    shape: tuple[float, ...] | None = None


class ActorPool:
    """A fixed number of actors per class; place and hide them at will.

    Order: construct, ``add_to(spec)`` before compiling, ``bind(model, data)`` after. Each actor has one collision box
    that touches geoms with contype 1 (the ego body) and no other actor; all else is for the eye. ``bodies`` maps
    (label, slot) to body ids, ``hulls`` collision geom ids to (label, slot).
    """

    def __init__(self, counts: Mapping[ObjectClass, int]) -> None:
        self.counts = {label: int(count) for label, count in sorted(counts.items()) if count > 0}
        self.bodies: dict[tuple[ObjectClass, int], int] = {}
        self.hulls: dict[int, tuple[ObjectClass, int]] = {}
        self._slots: dict[tuple[ObjectClass, int], _Slot] = {}
        self._model: mujoco.MjModel | None = None
        self._data: mujoco.MjData | None = None

    @staticmethod
    def name(label: ObjectClass, slot: int) -> str:
        """Name of the body; its collision geom is ``<name>/hull``."""
        return f"actor/{label.name.lower()}/{slot}"

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Add all bodies to a model that is being built."""
        for label, count in self.counts.items():
            parts = actor_parts(label, *_TYPICAL[label], 0)
            for slot in range(count):
                _add_body(spec, self.name(label, slot), label, parts, mocap=True)

    def bind(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Find the bodies in the compiled model and hide them all."""
        self._model, self._data = model, data
        for label, count in self.counts.items():
            for slot in range(count):
                body = model.body(self.name(label, slot)).id
                hull = model.geom(f"{self.name(label, slot)}/hull").id
                first, number = int(model.body_geomadr[body]), int(model.body_geomnum[body])
                # MuJoCo ignores later changes of a geom's pose while it counts as lying in its body's frame
                model.geom_sameframe[first : first + number] = 0
                model.geom_sameframe[hull] = 0
                key = (label, slot)
                hull_body = int(model.geom_bodyid[hull])
                self._slots[key] = _Slot(body, int(model.body_mocapid[body]), first, number, hull_body, hull)
                self.bodies[key] = body
                self.hulls[hull] = key
                self.hide(label, slot)

    def place(
        self,
        label: ObjectClass,
        slot: int,
        x: float,
        y: float,
        yaw: float,
        length: float,
        width: float,
        height: float,
        style_seed: int,
        z: float = 0.0,
        gait_phase: float = 0.0,
    ) -> None:
        """Show one actor with its footprint's centre at (x, y) in the world, its feet at ``z``."""
        model, data, entry = self._entry(label, slot)
        data.mocap_pos[entry.mocap] = (x, y, z)
        data.mocap_quat[entry.mocap] = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        shape = (length, width, height, float(style_seed), gait_phase)
        if entry.shape == shape:
            return
        parts = actor_parts(label, length, width, height, style_seed, gait_phase)
        geoms = slice(entry.first, entry.first + entry.count)
        model.geom_size[geoms] = parts.size
        model.geom_pos[geoms] = parts.position
        model.geom_quat[geoms] = parts.quaternion
        model.geom_rgba[geoms] = parts.rgba
        _resize_hull(model, entry, length, width, height)
        entry.shape = shape

    def hide(self, label: ObjectClass, slot: int) -> None:
        """Take one actor out of the world."""
        model, data, entry = self._entry(label, slot)
        data.mocap_pos[entry.mocap] = (0.0, 0.0, _AWAY_Z)
        model.geom_rgba[entry.first : entry.first + entry.count, 3] = 0.0
        entry.shape = None

    def hide_all(self) -> None:
        """Take every actor out of the world."""
        for label, slot in self._slots:
            self.hide(label, slot)

    def _entry(self, label: ObjectClass, slot: int) -> tuple[mujoco.MjModel, mujoco.MjData, _Slot]:
        if self._model is None or self._data is None:
            raise InputError("ActorPool: bind(model, data) must come before place and hide")
        if (label, slot) not in self._slots:
            raise InputError(f"ActorPool has no {label.name} {slot}; it has {self.counts.get(label, 0)} of them")
        return self._model, self._data, self._slots[label, slot]


def add_static_actor(spec: mujoco.MjSpec, name: str, item: DetectedObject, style_seed: int) -> None:
    """Add one immovable object, with the same look and one collision box named ``<name>/hull``."""
    parts = actor_parts(item.label, item.length, item.width, item.height, style_seed)
    body = _add_body(spec, name, item.label, parts, mocap=False, size=(item.length, item.width, item.height))
    body.pos = (item.x, item.y, item.z - item.height / 2)
    body.quat = (math.cos(item.yaw / 2), 0.0, 0.0, math.sin(item.yaw / 2))


def _add_body(
    spec: mujoco.MjSpec,
    name: str,
    label: ObjectClass,
    parts: Parts,
    mocap: bool,
    size: tuple[float, float, float] | None = None,
) -> mujoco.MjsBody:
    known = {material.name for material in spec.materials}
    for material in _MATERIALS:
        if material not in known:
            spec.add_material(name=material, rgba=(0.1, 0.1, 0.1, 1.0))
    body = spec.worldbody.add_body(name=name, mocap=mocap)
    for k, kind in enumerate(parts.kind):
        body.add_geom(
            name=f"{name}/{k}",
            type=_KINDS[kind],
            size=parts.size[k],
            pos=parts.position[k],
            quat=parts.quaternion[k],
            rgba=parts.rgba[k],
            material=parts.material[k],
            contype=0,
            conaffinity=0,
        )
    length, width, height = size or _TYPICAL[label]
    # a body of its own: MuJoCo's bounding volumes are per body, and with one geom they are easy to keep right
    body.add_body(name=f"{name}/hull").add_geom(
        name=f"{name}/hull",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(length / 2, width / 2, height / 2),
        pos=(0.0, 0.0, height / 2),
        rgba=(1.0, 0.0, 1.0, 1.0),
        contype=0,
        conaffinity=1,
        group=_COLLISION_GROUP,
    )
    return body


def _resize_hull(model: mujoco.MjModel, entry: _Slot, length: float, width: float, height: float) -> None:
    half = np.array([length / 2, width / 2, height / 2])
    model.geom_size[entry.hull] = half
    model.geom_pos[entry.hull] = (0.0, 0.0, half[2])
    model.geom_aabb[entry.hull] = (0.0, 0.0, 0.0, *half)
    model.geom_rbound[entry.hull] = float(np.linalg.norm(half))
    # the body's box is stated in its inertial frame, which for a lone box is the frame that the geom was compiled with
    node = model.body_bvhadr[entry.hull_body]
    if node >= 0:
        model.bvh_aabb[node] = (0.0, 0.0, half[2] - model.body_ipos[entry.hull_body][2], *half)
