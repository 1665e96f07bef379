"""The default world of the car: a town in MuJoCo with SUMO's traffic and a camera rig, advanced tick by tick.

One tick is one step of the traffic, twenty steps of physics, one rendering. Nothing here reads a clock: the same town,
rig, seed and commands give the same episode, to the byte.
"""

from __future__ import annotations

import hashlib
import math

import mujoco
import numpy as np
import shapely
from numpy.typing import NDArray

from autodrive.errors import ConfigError, InputError
from autodrive.rig import Rig
from autodrive.scene import Command, ObjectClass, Route
from autodrive.sim.appearance import random_appearance
from autodrive.sim.car_model import load_car_spec
from autodrive.sim.renderer import AtlasRenderer, views_from_rig
from autodrive.sim.routes import make_route
from autodrive.sim.sensors import MotionSensors
from autodrive.sim.town import load_town
from autodrive.sim.town_actors import Cast
from autodrive.sim.town_scene import SIDEWALK_HEIGHT_M, add_town
from autodrive.sim.traffic import Traffic, TrafficCounts
from autodrive.sim.vehicle import Vehicle
from autodrive.sim.world import TICK_S, Contact, GroundTruth, Sensors

PHYSICS_STEP_S = 0.005
# 12 km/h with all stops, which leaves a third of the time for giving way to the people and cars on the route; CARLA's
# leaderboard allows 0.8 s per metre of route, which is 4.5 km/h
MEAN_SPEED = 3.3
_SUBSTEPS = round(TICK_S / PHYSICS_STEP_S)
_TICK_NS = round(TICK_S * 1e9)
_SETTLE_STEPS = 100
_LEAP_M = 3.0  # further in one tick: the actor was put there, it did not move there
_ACTOR_STREAM = 0xAC7


class TownWorld:
    """Implements ``autodrive.sim.world.World``; one per process, as SUMO allows one simulation per process."""

    tick_s = TICK_S

    def __init__(
        self,
        town: str,
        rig: Rig,
        duration_s: float = 60.0,
        traffic: bool = True,
        images: bool = True,
        visibility: bool = False,
        counts: TrafficCounts | None = None,
    ) -> None:
        """``duration_s`` decides the route's length; ``images`` and ``visibility`` (visible_px) need graphics.

        Raises ConfigError for an unknown town, a rig that cannot be rendered, or a duration that is not positive.
        """
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise ConfigError(f"duration must be a positive number of seconds, got {duration_s}")
        self.rig = rig
        self._size = _image_size(rig)
        self._town = load_town(town)
        self._road, self._pavement = self._town.surface.road, self._town.surface.pavement
        shapely.prepare(self._road)
        shapely.prepare(self._pavement)
        self._route_length = MEAN_SPEED * duration_s
        self._images, self._visibility = images, visibility
        self._counts = counts or TrafficCounts()
        self._traffic = Traffic(self._town.net_file, self._counts, self._town.blocked_lanes) if traffic else None
        self._renderer: AtlasRenderer | None = None
        self._route: Route | None = None

    @property
    def route(self) -> Route:
        """The route of the present episode; raises InputError before the first reset."""
        if self._route is None:
            raise InputError("the route is drawn from the seed: reset(seed) the world first")
        return self._route

    def reset(self, seed: int) -> Sensors:
        """Start an episode; light, colours, route, traffic and sensor noise all follow from ``seed``."""
        plan = make_route(self._town, seed, self._route_length)
        self._route = plan.route
        self._build(seed)
        self._vehicle.reset(plan.route.start)
        self._cast.enter(self._model, self._data, np.random.default_rng([seed, _ACTOR_STREAM]))
        if self._traffic:
            self._traffic.reset(seed, plan.edges, plan.route.start)
        self._place_actors()
        for _ in range(_SETTLE_STEPS):
            self._vehicle.step()
        self._motion = MotionSensors(self._vehicle, seed)
        self._digest = hashlib.sha256()
        self._stamp_ns = 0
        self._touched: dict[Contact, None] = {}
        return self._finish_tick()

    def step(self, command: Command) -> Sensors:
        """Apply ``command`` for one tick; raises InputError if it is not finite."""
        if self._route is None:
            raise InputError("step before reset: reset(seed) the world first")
        self._vehicle.command(command.steering, command.acceleration)
        before = self._data.mocap_pos.copy()
        if self._traffic:
            self._traffic.step(self._vehicle.pose, self._vehicle.speed)
        self._place_actors()
        self._run_physics(before)
        return self._finish_tick()

    def ground_truth(self) -> GroundTruth:
        """The truth at the last returned stamp."""
        shown = self._cast.objects()
        return GroundTruth(
            stamp_ns=self._stamp_ns,
            ego=self._vehicle.pose,
            speed=self._vehicle.speed,
            objects=tuple(item for _, item in shown),
            object_ids=tuple(name for name, _ in shown),
            contacts=tuple(self._touched),
            off_road=not bool(shapely.contains_xy(self._road, self._vehicle.wheel_positions).all()),
            visible_px=self._visible_px() if self._visibility else (),
        )

    def state_digest(self) -> bytes:
        """sha256 over every state since reset."""
        return self._digest.digest()

    def close(self) -> None:
        """Release graphics and traffic."""
        if self._renderer:
            self._renderer.close()
            self._renderer = None
        if self._traffic:
            self._traffic.close()

    def _build(self, seed: int) -> None:
        appearance = random_appearance(seed)
        spec = load_car_spec(PHYSICS_STEP_S)
        add_town(spec, self._town, appearance)
        room = {}
        if self._traffic:
            c = self._counts
            numbers = (c.cars, c.trucks, c.cyclists, c.pedestrians)
            classes = (ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.CYCLIST, ObjectClass.PEDESTRIAN)
            room = dict(zip(classes, numbers, strict=True))
        self._cast = Cast((*self._town.parked, *self._town.obstacles), room, self._heights, animate=self._images)
        self._cast.pool.add_to(spec)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._vehicle = Vehicle(self._model, self._data)
        if self._renderer:
            self._renderer.close()
            self._renderer = None
        if self._images or self._visibility:
            base = self._model.body("base_link").id
            self._renderer = AtlasRenderer(
                self._model, len(self.rig.cameras), *self._size, appearance, exclude_bodies=[base]
            )

    def _place_actors(self) -> None:
        self._cast.place(self._traffic.users() if self._traffic else (), self._vehicle.pose)

    def _heights(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(shapely.contains_xy(self._pavement, points), SIDEWALK_HEIGHT_M, 0.0)

    def _run_physics(self, before: NDArray[np.float64]) -> None:
        """Twenty steps in which the actors glide to where the traffic has put them: at 14 m/s a tick is 1.4 m."""
        data = self._data
        after = data.mocap_pos.copy()
        glide = after - before
        glide[np.abs(glide).max(axis=1) > _LEAP_M] = 0.0
        self._touched = {}
        for k in range(_SUBSTEPS):
            data.mocap_pos[:] = after - glide * (1.0 - (k + 1) / _SUBSTEPS)
            self._vehicle.step()
            for pair in self._vehicle.body_contacts:
                contact = self._contact(*pair)
                if contact:
                    self._touched[contact] = None
        data.mocap_pos[:] = after

    def _contact(self, first: int, second: int) -> Contact | None:
        for geom in (first, second):
            if who := self._cast.who(geom):
                return Contact(*who)
        for geom in (first, second):
            if self._model.geom_bodyid[geom] == 0 and self._model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_PLANE:
                return Contact("static", self._model.geom(geom).name)
        return None

    def _finish_tick(self) -> Sensors:
        self._stamp_ns += _TICK_NS  # the first stamp is one tick: ROS takes zero for "no time"
        data = self._data
        for array in (data.qpos, data.qvel, data.mocap_pos, data.mocap_quat):
            self._digest.update(array.tobytes())
        if self._traffic:
            users = self._traffic.users()
            self._digest.update("\0".join(user.name for user in users).encode())
            self._digest.update(np.array([(u.x, u.y, u.yaw, u.vx, u.vy) for u in users]).tobytes())
        reading = self._motion.read()
        return Sensors(
            stamp_ns=self._stamp_ns,
            images=self._render() if self._images else (),
            wheel_speed=reading.wheel_speed,
            steering=reading.steering,
            gyro=reading.gyro,
            accelerometer=reading.accelerometer,
        )

    def _world_from_base(self) -> NDArray[np.float64]:
        matrix = np.eye(4)
        matrix[:3, :3] = self._vehicle.rotation
        matrix[:3, 3] = self._vehicle.position
        return matrix

    def _render(self) -> tuple[NDArray[np.uint8], ...]:
        assert self._renderer is not None
        mujoco.mj_kinematics(self._model, self._data)
        return tuple(self._renderer.render(self._data, views_from_rig(self.rig, self._world_from_base())))

    def _visible_px(self) -> tuple[int, ...]:
        assert self._renderer is not None
        mujoco.mj_kinematics(self._model, self._data)
        pixels = self._renderer.visible_pixels(self._data, views_from_rig(self.rig, self._world_from_base()))
        return tuple(int(pixels[body]) for body in self._cast.bodies())


def _image_size(rig: Rig) -> tuple[int, int]:
    sizes = {(c.width, c.height) for c in rig.cameras}
    if len(sizes) != 1:
        raise ConfigError(f"rig {rig.name!r}: the simulator renders cameras of one size, it has {sorted(sizes)}")
    distorted = [c.name for c in rig.cameras if np.any(c.distortion)]
    if distorted:
        raise ConfigError(f"rig {rig.name!r}: the simulator's cameras have no distortion, but {distorted} do")
    return sizes.pop()
