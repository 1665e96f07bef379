"""Training frames in the streets of a town, seen by the car or by the humanoid."""

from __future__ import annotations

import math

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.data.random_scene import Crowd, EgoMotion, Paths, arc, fill_street, make_path
from autodrive.data.settings import stroll
from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.appearance import random_appearance
from autodrive.sim.ground_masks import ground_masks
from autodrive.sim.town import Town, load_town
from autodrive.sim.town_scene import SIDEWALK_HEIGHT_M, add_town

CAR_BODY = (1.2, 4.6, 1.9)  # middle, length, width of the footprint in base_link
_JUNCTION_WIDTH_M = 3.0


class StreetSetting:
    """A town; ``rig`` "car" drives on the lanes, "humanoid" walks on pavements, crossings and streets."""

    def __init__(self, town: str, rig: str, appearance_seed: int) -> None:
        self._town: Town = load_town(town)
        self.name, self._rig = self._town.name, rig
        self.appearance = random_appearance(appearance_seed)
        self.counts = {
            ObjectClass.CAR: 40,
            ObjectClass.TRUCK: 8,
            ObjectClass.CYCLIST: 10,
            ObjectClass.PEDESTRIAN: 24,
            ObjectClass.CONE: 24,
            ObjectClass.BARRIER: 8,
            ObjectClass.BOX: 8,
        }
        roads = [make_path(lane.centerline, lane.width, 0.0) for lane in self._town.lanes if lane.kind == "road"]
        roads += [make_path(way.path, _JUNCTION_WIDTH_M, 0.0) for way in self._town.connections]
        walks = [
            make_path(lane.centerline, lane.width, SIDEWALK_HEIGHT_M)
            for lane in self._town.lanes
            if lane.kind == "sidewalk"
        ]
        zebras = [make_path(crossing.centerline, crossing.width, 0.0) for crossing in self._town.crossings]
        self._roads, self._walks, self._zebras = Paths(roads), Paths(walks), Paths(zebras)
        self._look = appearance_seed * 1000

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Build the town."""
        add_town(spec, self._town, self.appearance)

    def fixed(self) -> tuple[tuple[str, DetectedObject], ...]:
        """Nothing: parked cars and obstacles are placed from the pool."""
        return ()

    def crowd(self, rng: np.random.Generator, dt: float) -> Crowd:
        """Traffic, parked cars and people around a random ego."""
        crowd = Crowd(rng, self._drive(rng, dt) if self._rig == "car" else self._walk(rng, dt), dt)
        crowd.add_fixed((*self._town.parked, *self._town.obstacles), self._look)
        fill_street(crowd, self._roads, self._walks, self._zebras, int(rng.integers(5, 15)), int(rng.integers(6, 15)))
        return crowd

    def masks(self, pose: Pose2, half_extent: float, cells: int) -> NDArray[np.bool_]:
        """The town's masks; for the humanoid the pavements are free as well."""
        masks = ground_masks(self._town, pose, half_extent, cells, pavement=self._rig == "humanoid")
        # road and pavement are rastered apart: close the hairline between them
        free = cv2.morphologyEx(masks[GroundClass.FREE].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        masks[GroundClass.FREE] = free > 0
        return masks

    def _drive(self, rng: np.random.Generator, dt: float) -> EgoMotion:
        place = self._roads.pick(rng)
        assert place is not None  # a town has roads
        path, s = place
        if rng.random() < 0.85:
            lateral, turn = float(rng.normal(0, 0.4)), math.radians(float(rng.normal(0, 5.0)))
        else:
            lateral, turn = float(rng.uniform(-2.0, 2.0)), math.radians(float(rng.normal(0, 45.0)))
        speed = float(rng.uniform(0.0, 10.0)) if rng.random() < 0.85 else 0.0
        bend = (path.pose(s + 1.5).yaw - path.pose(s - 1.5).yaw + math.pi) % (2 * math.pi) - math.pi
        yaw_rate = float(np.clip(speed * (bend / 3.0 + float(rng.normal(0, 0.015))), -0.8, 0.8))
        now = path.pose(s, lateral) @ Pose2(0, 0, turn)
        return EgoMotion(now, now @ arc(speed, yaw_rate, -dt), path.z, CAR_BODY)

    def _walk(self, rng: np.random.Generator, dt: float) -> EgoMotion:
        place = (self._walks if rng.random() < 0.65 else self._roads).pick(rng)
        assert place is not None  # a town has roads and pavements
        path, s = place
        spot = path.pose(s, float(rng.uniform(-0.45, 0.45)) * path.width)
        return stroll(rng, dt, Pose2(spot.x, spot.y, float(rng.uniform(-math.pi, math.pi))), path.z)
