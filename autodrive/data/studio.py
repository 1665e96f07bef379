"""Shoots training samples in a setting: places a crowd, renders both frames of a pair, notes the truth."""

from __future__ import annotations

import math
from dataclasses import replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.data.random_scene import Crowd, Mover
from autodrive.data.sample import MASK_CELLS, OBJECT_COLUMNS, Sample, encode_images
from autodrive.data.settings import Setting
from autodrive.geometry import Pose2, box_corners, wrap_angle
from autodrive.rig import (
    NETWORK_HEIGHT,
    NETWORK_WIDTH,
    OPTICAL_FROM_BODY,
    Camera,
    Rig,
    projection,
    rotation_from_rpy,
    tilted,
)
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.actors import ActorPool
from autodrive.sim.hall import fill_polygon
from autodrive.sim.renderer import AtlasRenderer, network_views

MASK_HALF_EXTENT_M = {"car": 56.0, "humanoid": 12.0}
_BODY_SWAY_RAD = math.radians(0.4)  # roll and pitch of the body that the extrinsics do not know of
# roll and pitch that they do know of: a car brakes and corners, a walking robot leans
_BODY_TILT_RAD = {"car": math.radians(0.7), "humanoid": math.radians(2.5)}
_BODY_RISE_M = {"car": 0.02, "humanoid": 0.03}


class Studio:
    """A compiled setting with its actor pool and renderer; ``shoot`` makes one sample, decided by its seed alone."""

    def __init__(self, setting: Setting, rig: Rig) -> None:
        self._setting, self._rig = setting, rig
        spec = mujoco.MjSpec()
        setting.add_to(spec)
        self._pool = ActorPool(setting.counts)
        self._pool.add_to(spec)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._pool.bind(self._model, self._data)
        self._renderer = AtlasRenderer(self._model, len(rig.cameras), NETWORK_WIDTH, NETWORK_HEIGHT, setting.appearance)
        self._fixed = [(self._model.body(name).id, item) for name, item in setting.fixed()]

    def shoot(self, seed: int, index: int) -> Sample:
        """The sample number ``index`` of a data set."""
        rng = np.random.default_rng([seed, index])
        dt = float(rng.uniform(0.4, 0.6))
        rig = jitter_rig(self._rig, rng)
        crowd = self._setting.crowd(rng, dt)
        slots = self._slots(crowd)
        ego, half_extent = crowd.ego, MASK_HALF_EXTENT_M[self._rig.name]
        sway = rng.normal(0.0, _BODY_SWAY_RAD, (2, 2))
        self._place(slots, now=False)
        before = self._renderer.render(self._data, network_views(rig, _world_from_base(ego.previous, ego.z, *sway[0])))
        self._place(slots, now=True)
        views = network_views(rig, _world_from_base(ego.now, ego.z, *sway[1]))
        images = self._renderer.render(self._data, views)
        pixels = self._renderer.visible_pixels(self._data, views)
        seen = [(mover.item, int(pixels[self._pool.bodies[key]])) for key, mover in slots.items()]
        seen += [(item, int(pixels[body])) for body, item in self._fixed]
        intrinsics, extrinsics = projection(rig)
        return Sample(
            rig=self._rig.name,
            town=self._setting.name,
            seed=index,
            images=encode_images(images),
            previous_images=encode_images(before),
            intrinsics=intrinsics,
            optical_from_base=extrinsics,
            previous_from_current=ego.previous.inverse() @ ego.now,
            dt=dt,
            objects=object_rows(seen, ego.now, ego.z, half_extent),
            masks=self._masks([item for item, _ in seen], ego.now, half_extent),
            mask_half_extent=half_extent,
        )

    def close(self) -> None:
        """Release the graphics context."""
        self._renderer.close()

    def _slots(self, crowd: Crowd) -> dict[tuple[ObjectClass, int], Mover]:
        """One pool slot per mover, nearest first where the pool is too small."""
        place = crowd.ego.now
        ordered = sorted(crowd.movers, key=lambda m: math.hypot(m.item.x - place.x, m.item.y - place.y))
        used = dict.fromkeys(ObjectClass, 0)
        slots: dict[tuple[ObjectClass, int], Mover] = {}
        for mover in ordered:
            label = mover.item.label
            if used[label] < self._pool.counts.get(label, 0):
                slots[label, used[label]] = mover
                used[label] += 1
        return slots

    def _place(self, slots: dict[tuple[ObjectClass, int], Mover], now: bool) -> None:
        self._pool.hide_all()
        for (label, slot), mover in slots.items():
            item = mover.item
            pose = Pose2(item.x, item.y, item.yaw) if now else mover.previous
            self._pool.place(
                label,
                slot,
                pose.x,
                pose.y,
                pose.yaw,
                item.length,
                item.width,
                item.height,
                mover.style_seed,
                z=item.z - item.height / 2,
                gait_phase=mover.gait[0 if now else 1],
            )
        mujoco.mj_kinematics(self._model, self._data)

    def _masks(self, items: list[DetectedObject], pose: Pose2, half_extent: float) -> NDArray[np.bool_]:
        masks = self._setting.masks(pose, half_extent, MASK_CELLS)
        free = masks[GroundClass.FREE].astype(np.uint8)
        for item in items:
            corners = box_corners(item.x, item.y, item.yaw, item.length, item.width)
            fill_polygon(free, pose.inverse().apply(corners), half_extent, 0)
        masks[GroundClass.FREE] = free.astype(bool)
        return masks


def object_rows(
    seen: list[tuple[DetectedObject, int]], base: Pose2, ground_z: float, half_extent: float
) -> NDArray[np.float32]:
    """Rows as in OBJECT_COLUMNS of all objects (in ``map``, with visible pixels) whose centre lies in the extent."""
    inverse = base.inverse()
    rows = []
    for item, pixels in seen:
        pose = inverse @ Pose2(item.x, item.y, item.yaw)
        if max(abs(pose.x), abs(pose.y)) >= half_extent:
            continue
        vx, vy = inverse.rotate(np.array([item.vx, item.vy]))
        box = (pose.x, pose.y, item.z - ground_z, wrap_angle(pose.yaw), item.length, item.width, item.height)
        rows.append((float(item.label), *box, vx, vy, float(pixels)))
    return np.array(rows, np.float32).reshape(-1, len(OBJECT_COLUMNS))


def jitter_rig(rig: Rig, rng: np.random.Generator) -> Rig:
    """The rig as another body might carry it: turned, moved and zoomed cameras, other heights, the body leaning."""
    height = float(rng.uniform(0.9, 1.1))
    jittered = replace(rig, cameras=tuple(_jitter_camera(camera, rng, height) for camera in rig.cameras))
    roll, pitch = rng.normal(0.0, _BODY_TILT_RAD[rig.name], 2).tolist()
    return tilted(jittered, roll, pitch, float(rng.normal(0.0, _BODY_RISE_M[rig.name])))


def _jitter_camera(camera: Camera, rng: np.random.Generator, height: float) -> Camera:
    roll, pitch, yaw = (math.radians(v) for v in rng.normal(0.0, (0.7, 1.5, 2.0)))
    position = camera.position * (1.0, 1.0, height) + rng.normal(0.0, 0.05, 3)
    # turn about the camera's own body axes (x forward, y left, z up)
    turned = camera.rotation @ OPTICAL_FROM_BODY @ rotation_from_rpy(roll, pitch, yaw) @ OPTICAL_FROM_BODY.T
    zoomed = camera.K.copy()
    zoomed[[0, 1], [0, 1]] *= float(rng.uniform(0.92, 1.08))
    return replace(camera, position=position, rotation=turned, K=zoomed)


def _world_from_base(pose: Pose2, z: float, roll: float, pitch: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_rpy(roll, pitch, pose.yaw)
    matrix[:3, 3] = (pose.x, pose.y, z)
    return matrix
