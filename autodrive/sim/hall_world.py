"""The default world of the humanoid: a hall with people, tables and boxes to carry, in ticks of its own control.

One tick is 20 ms: five steps of physics, a step of everybody who walks, and at every fifth tick an exposure of all
cameras. Nothing here reads a clock: the same robot, rig, seed and commands give the same episode, to the byte.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import mujoco
import numpy as np
from scipy import ndimage

from autodrive.body import JointCommand
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.robot import load_robot
from autodrive.rig import Rig
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.actor_parts import actor_parts
from autodrive.sim.actors import ActorPool
from autodrive.sim.appearance import indoors, random_appearance
from autodrive.sim.hall import WALKABLE_STEP_M, add_hall, hall_masks, object_name
from autodrive.sim.hall_people import People
from autodrive.sim.humanoid_body import PHYSICS_STEP_S, TICK_S, HumanoidBody, robot_spec
from autodrive.sim.renderer import AtlasRenderer, views_from_rig
from autodrive.sim.task_hall import CELL_M, CELLS, Load, TaskHall, make_task_hall
from autodrive.sim.world import Contact, GroundTruth, HumanoidSensors

_SUBSTEPS = round(TICK_S / PHYSICS_STEP_S)
_TICK_NS = round(TICK_S * 1e9)
_FRAME_TICKS = 5
_PEOPLE_STREAM = 0x9E0
_MOST_PEOPLE = 8
_PERSON_FREE_M = 1.5  # nobody stands that near to where the robot starts
_GAIT_STEPS = 10
_LOAD_FRICTION = (1.0, 0.02, 0.001)


class HallWorld:
    """Implements ``autodrive.sim.world.World[JointCommand, HumanoidSensors]``."""

    tick_s = TICK_S

    def __init__(
        self, robot: str, rig: Rig, duration_s: float = 60.0, images: bool = True, people: bool = True
    ) -> None:
        """``robot`` is a name in config/robots; ``images`` need graphics. Raises ConfigError for what does not fit."""
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise ConfigError(f"duration must be a positive number of seconds, got {duration_s}")
        self.rig = rig
        self._size = rig.cameras[0].width, rig.cameras[0].height
        if any((camera.width, camera.height) != self._size for camera in rig.cameras):
            raise ConfigError(f"rig {rig.name!r}: all cameras of a rendered rig must have images of one size")
        self._robot = load_robot(robot)
        self._images, self._with_people = images, people
        self._renderer: AtlasRenderer | None = None
        self._hall: TaskHall | None = None

    @property
    def hall(self) -> TaskHall:
        """The hall of the present episode; raises InputError before the first reset."""
        if self._hall is None:
            raise InputError("the hall is drawn from the seed: reset(seed) the world first")
        return self._hall

    @property
    def start(self) -> Pose2:
        """Where the robot stands at first."""
        return self.hall.start

    def reset(self, seed: int) -> HumanoidSensors:
        """Start an episode; hall, colours, light, people and sensor noise all follow from ``seed``."""
        self._hall = make_task_hall(seed)
        self._build(seed)
        self._body.reset(self.hall.start, seed)
        self._ticks = _FRAME_TICKS  # the first stamp is a frame later than zero, which ROS takes for "no time"
        self._touched: dict[Contact, None] = {}
        self._digest = hashlib.sha256()
        self._place_people()
        for load in range(len(self.hall.loads)):
            self._settle(load)
        mujoco.mj_forward(self._model, self._data)
        return self._finish_tick()

    def step(self, command: JointCommand) -> HumanoidSensors:
        """Apply ``command`` for one tick; raises InputError unless it is one finite number for every joint."""
        if self._hall is None:
            raise InputError("step before reset: reset(seed) the world first")
        self._body.command(command)
        self._people.step(TICK_S, self._body.pose)
        self._place_people()
        for _ in range(_SUBSTEPS):
            self._body.drive()
            self._note_contacts()
        return self._finish_tick()

    def ground_truth(self) -> GroundTruth:
        """The truth at the last returned stamp; contacts are those since it was last asked for."""
        hall = self.hall.hall
        loads = [self._load_item(k, load) for k, load in enumerate(self.hall.loads)]
        people = [item for item, _, _ in self._people.objects()]
        names = [object_name(k, item) for k, item in enumerate(hall.objects)]
        names += [_load_name(k) for k in range(len(loads))] + [f"person/{k}" for k in range(len(people))]
        touched, self._touched = tuple(self._touched), {}
        return GroundTruth(
            stamp_ns=self._stamp_ns,
            ego=self._body.pose,
            speed=self._body.speed,
            objects=(*hall.objects, *loads, *people),
            object_ids=tuple(names),
            contacts=touched,
            off_road=False,
            colours=(*self.hall.colours(), *(load.colour for load in self.hall.loads), *([""] * len(people))),
            fallen=self._body.fallen,
        )

    def state_digest(self) -> bytes:
        """sha256 over every state since reset."""
        return self._digest.digest()

    def close(self) -> None:
        """Release graphics."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _build(self, seed: int) -> None:
        self.close()
        task_hall = self.hall
        hall = task_hall.hall
        appearance = indoors(random_appearance(seed))
        spec = robot_spec(self._robot)
        add_hall(spec, hall, appearance)
        for k, load in enumerate(task_hall.loads):
            _add_load(spec, k, load)
        start = task_hall.start
        apart = [p for p in hall.people if math.hypot(p.x - start.x, p.y - start.y) > _PERSON_FREE_M]
        people = apart[:_MOST_PEOPLE] if self._with_people else []
        self._pool = ActorPool({ObjectClass.PEDESTRIAN: len(people)})
        self._pool.add_to(spec)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._pool.bind(self._model, self._data)
        self._body = HumanoidBody(self._robot, self._model, self._data)
        masks = hall_masks(hall, Pose2(0, 0, 0), CELLS * CELL_M / 2, CELLS)
        room = ndimage.distance_transform_edt(masks[GroundClass.FREE]) * CELL_M
        self._people = People(np.random.default_rng([seed, _PEOPLE_STREAM]), people, room)
        self._load_bodies = [self._model.body(_load_name(k)).id for k in range(len(task_hall.loads))]
        self._kinds = self._contact_kinds()
        if self._images:
            self._renderer = AtlasRenderer(self._model, len(self.rig.cameras), *self._size, appearance)

    def _contact_kinds(self) -> dict[int, Contact | None]:
        """What a touch of each geom counts as; None for what may be touched by anything."""
        hall = self.hall.hall
        kinds: dict[int, Contact | None] = {}
        for geom in range(self._model.ngeom):
            name = self._model.geom(geom).name
            group = name.split("/")[0]
            if group == "actor":
                kinds[geom] = Contact("pedestrian", name.removesuffix("/hull"))
            elif group in ("hall", "load"):
                kinds[geom] = Contact("object", name.rsplit("/", 1)[0])
            elif group == "wall":
                kinds[geom] = Contact("static", name)
            elif group == "step":
                low = hall.steps[int(name.split("/")[1])].height <= WALKABLE_STEP_M + 1e-6
                kinds[geom] = None if low else Contact("static", name)
        return kinds

    def _note_contacts(self) -> None:
        """Hands may touch loads; feet and floor are no contact; everything else is."""
        for body, geom in self._body.touching():
            contact = self._kinds.get(geom)
            handled = contact is not None and contact.name.startswith("load/") and body in self._body.hands
            if contact is not None and not handled:
                self._touched[contact] = None

    def _settle(self, load: int) -> None:
        """Put a load where the hall says; it stands exactly on its table."""
        item = self.hall.loads[load].item
        joint = self._model.joint(f"{_load_name(load)}/free")
        address = int(joint.qposadr[0])
        half = item.yaw / 2
        self._data.qpos[address : address + 7] = (
            item.x,
            item.y,
            item.z + 5e-4,
            math.cos(half),
            0.0,
            0.0,
            math.sin(half),
        )

    def _load_item(self, index: int, load: Load) -> DetectedObject:
        x, y, z = self._data.xpos[self._load_bodies[index]].tolist()
        turn = self._data.xmat[self._load_bodies[index]].reshape(3, 3)
        return replace(load.item, x=x, y=y, z=z, yaw=math.atan2(turn[1, 0], turn[0, 0]))

    def _place_people(self) -> None:
        for slot, (item, style, gait) in enumerate(self._people.objects()):
            phase = math.floor(gait * _GAIT_STEPS) / _GAIT_STEPS
            size = item.length, item.width, item.height
            self._pool.place(item.label, slot, item.x, item.y, item.yaw, *size, style, gait_phase=phase)

    def _finish_tick(self) -> HumanoidSensors:
        self._stamp_ns = self._ticks * _TICK_NS
        exposed = self._ticks % _FRAME_TICKS == 0
        self._ticks += 1
        self._digest.update(self._data.qpos.tobytes() + self._data.qvel.tobytes() + self._data.mocap_pos.tobytes())
        images: tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...] = ()
        if exposed and self._renderer is not None:
            below = np.eye(4)
            below[2, 3] = -self.rig.mount_height
            views = views_from_rig(self.rig, self._body.torso_matrix() @ below)
            mujoco.mj_kinematics(self._model, self._data)
            images = tuple(self._renderer.render(self._data, views))
        return HumanoidSensors(self._body.read(self._stamp_ns), images)


def _load_name(index: int) -> str:
    return f"load/{index}"


def _add_load(spec: mujoco.MjSpec, index: int, load: Load) -> None:
    """A box with the same look as any other, which moves."""
    item, name = load.item, _load_name(index)
    body = spec.worldbody.add_body(name=name, pos=(item.x, item.y, item.z))
    body.add_freejoint(name=f"{name}/free")
    parts = actor_parts(item.label, item.length, item.width, item.height, load.style_seed)
    for k, kind in enumerate(parts.kind):
        if parts.material[k] == "shadow":
            continue  # it would be carried about
        x, y, z = parts.position[k]
        body.add_geom(
            name=f"{name}/{k}",
            type=getattr(mujoco.mjtGeom, f"mjGEOM_{kind.upper()}"),
            size=parts.size[k],
            pos=(x, y, z - item.height / 2),
            quat=parts.quaternion[k],
            rgba=parts.rgba[k],
            contype=0,
            conaffinity=0,
            mass=0.0,
        )
    body.add_geom(
        name=f"{name}/hull",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(item.length / 2, item.width / 2, item.height / 2),
        mass=load.mass,
        contype=1,
        conaffinity=1,
        condim=4,
        friction=_LOAD_FRICTION,
        group=3,
    )
