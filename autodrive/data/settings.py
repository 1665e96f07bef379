"""Where training frames are shot: what every setting offers, and the hall."""

from __future__ import annotations

import math
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.data.random_scene import Crowd, EgoMotion, arc, fill_hall
from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.actors import add_static_actor
from autodrive.sim.appearance import Appearance, indoors, random_appearance
from autodrive.sim.hall import add_hall, hall_masks, make_hall, object_name
from autodrive.sim.task_hall import Load, make_task_hall

AT_TABLE_SHARE = 0.3  # of the frames in halls: hands reach what stands there, so it must be seen from near
HUMANOID_BODY = (0.0, 0.7, 0.7)  # middle, length, width of the footprint in base_link


class Setting(Protocol):
    """A scene to build once and to shoot many samples in."""

    name: str
    appearance: Appearance
    counts: dict[ObjectClass, int]

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Build the immovable scene."""

    def fixed(self) -> tuple[tuple[str, DetectedObject], ...]:
        """Objects that ``add_to`` built, with their body names."""

    def crowd(self, rng: np.random.Generator, dt: float) -> Crowd:
        """A random ego motion and everything that is placed around it."""

    def masks(self, pose: Pose2, half_extent: float, cells: int) -> NDArray[np.bool_]:
        """Ground truth (4, cells, cells) around base_link, movers not yet carved out."""


class HallSetting:
    """A hall, empty but for the robot and people; ``tasks``: one in which there is something to carry."""

    name = "hall"

    def __init__(self, seed: int, appearance_seed: int, tasks: bool = False) -> None:
        self._hall = make_hall(seed)
        self._loads: tuple[Load, ...] = ()
        if tasks:
            task_hall = make_task_hall(seed)
            self._hall, self._loads = task_hall.hall, task_hall.loads
        self.appearance = indoors(random_appearance(appearance_seed))
        self.counts = {ObjectClass.PEDESTRIAN: 12}

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Build the hall with all that stands in it."""
        add_hall(spec, self._hall, self.appearance)
        for k, load in enumerate(self._loads):
            add_static_actor(spec, f"load/{k}", load.item, load.style_seed)

    def fixed(self) -> tuple[tuple[str, DetectedObject], ...]:
        """Everything that stands in the hall."""
        standing = tuple((object_name(k, item), item) for k, item in enumerate(self._hall.objects))
        return (*standing, *((f"load/{k}", load.item) for k, load in enumerate(self._loads)))

    def crowd(self, rng: np.random.Generator, dt: float) -> Crowd:
        """People around a robot that stands where it is free."""
        free = hall_masks(self._hall, Pose2(0, 0, 0), 12.0, 96)[GroundClass.FREE].astype(np.uint8)
        cell = 24.0 / 96
        margin = int(0.5 / cell)
        allowed = np.argwhere(_eroded(free, margin))
        if not len(allowed):
            allowed = np.argwhere(free)
        x, y = (allowed[rng.integers(len(allowed))] + rng.uniform(0, 1, 2)) * cell - 12.0
        pose = Pose2(float(x), float(y), float(rng.uniform(-math.pi, math.pi)))
        tables = [item for item in self._hall.objects if item.label == ObjectClass.TABLE]
        if tables and rng.random() < AT_TABLE_SHARE:
            pose = _before_table(rng, tables[rng.integers(len(tables))])
        crowd = Crowd(rng, stroll(rng, dt, pose, 0.0), dt)
        for item in self._hall.objects:
            crowd.block(Pose2(item.x, item.y, item.yaw), item.length, item.width)
        fill_hall(crowd, self._hall.people, free, 12.0)
        return crowd

    def masks(self, pose: Pose2, half_extent: float, cells: int) -> NDArray[np.bool_]:
        """The hall's masks."""
        return hall_masks(self._hall, pose, half_extent, cells)


def _before_table(rng: np.random.Generator, table: DetectedObject) -> Pose2:
    """Where a robot that will take something from a table may stand: near a long side, about facing it."""
    side = float(rng.choice([-1, 1]))
    away = table.width / 2 + float(rng.uniform(0.15, 1.2))
    along = float(rng.uniform(-0.5, 0.5)) * table.length
    facing = -side * math.pi / 2 + float(rng.normal(0, 0.3))
    return Pose2(table.x, table.y, table.yaw) @ Pose2(along, side * away, facing)


def _eroded(free: NDArray[np.uint8], cells: int) -> NDArray[np.bool_]:
    """Cells whose square neighbourhood of +-cells is all free."""
    kept = free.astype(bool)
    for axis in (0, 1):
        kept = np.logical_and.reduce([np.roll(kept, shift, axis) for shift in range(-cells, cells + 1)])
    return kept


def stroll(rng: np.random.Generator, dt: float, now: Pose2, z: float) -> EgoMotion:
    """A humanoid's random motion that ends at ``now`` on ground of height ``z``."""
    speed = float(rng.uniform(-0.1, 0.9)) if rng.random() < 0.75 else 0.0
    yaw_rate = float(rng.uniform(-0.6, 0.6)) if rng.random() < 0.6 else 0.0
    return EgoMotion(now, now @ arc(speed, yaw_rate, -dt), z, HUMANOID_BODY)
