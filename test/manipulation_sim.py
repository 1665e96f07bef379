"""A humanoid, two tables and a box in real physics, walking policy in the loop; and a whole fetch job in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.body import WalkCommand
from autodrive.geometry import IDENTITY, Pose2, wrap_angle
from autodrive.humanoid.arm_task import ArmStatus, ArmTask, BoxPose
from autodrive.humanoid.arms import make_arms
from autodrive.humanoid.docking import DockState, dock
from autodrive.humanoid.palms import PALM_SITES
from autodrive.humanoid.robot import Robot, load_robot
from autodrive.humanoid.stance import stance
from autodrive.humanoid.walker import Walker
from autodrive.localization.leg_odometry import LegOdometry
from autodrive.sim.humanoid_body import HumanoidBody, robot_spec

TICK_NS = 20_000_000
STAND = (0.0, 0.0, 0.0)
EDGE_M = 0.28  # of the near table, in map
FAR_EDGE_M = -1.9  # of the table behind the robot


@dataclass(frozen=True)
class Cargo:
    """A box on the near table, and the height of both tables."""

    box: BoxPose
    mass: float = 0.3
    surface: float = 0.78

    @property
    def near_table(self) -> BoxPose:
        """The table on which the box stands."""
        return BoxPose(EDGE_M + 0.4, 0.0, self.surface / 2, 0.0, 0.8, 1.2, self.surface)

    @property
    def far_table(self) -> BoxPose:
        """The table behind the robot."""
        return BoxPose(FAR_EDGE_M - 0.4, 0.0, self.surface / 2, 0.0, 0.8, 1.2, self.surface)


def cargo(x: float = 0.34, y: float = 0.0, yaw: float = 0.0, size: float = 0.17, surface: float = 0.78) -> Cargo:
    """A cube within reach of a robot at the origin."""
    return Cargo(BoxPose(x, y, surface + size / 2, yaw, size, size, size), 0.3, surface)


@functools.cache
def g1() -> Robot:
    """The Unitree G1."""
    return load_robot("g1")


class Bench:
    """Physics, walking policy and arms, stepped together at 50 Hz. Sensors are noisy, the pose is that of the legs."""

    def __init__(self, item: Cargo, start: Pose2 = IDENTITY, seed: int = 0) -> None:
        self.robot, self.item = g1(), item
        self.model = _world(self.robot, item)
        self.data = mujoco.MjData(self.model)
        self._body = HumanoidBody(self.robot, self.model, self.data)
        self._body.reset(start, seed)
        self._walker, self.arms = Walker(self.robot), make_arms(self.robot)
        self._odometry = LegOdometry(self.robot, start)
        self._cargo = self.model.body("cargo").id
        self.now_ns = 0
        self._sense()

    def _sense(self) -> None:
        self.state = self._body.read(self.now_ns)
        self.ego = self._odometry.update(self.state)

    def step(self, task: ArmTask, walk: tuple[float, float, float] = STAND) -> ArmStatus:
        """20 ms."""
        command, status = self.arms.step(self.state, self.ego, task)
        self._body.command(self._walker.step(self.state, WalkCommand(self.now_ns, *walk), command))
        for _ in range(round(TICK_NS * 1e-9 / self.model.opt.timestep)):
            self._body.drive()
        self.now_ns += TICK_NS
        self._sense()
        return status

    def run(
        self,
        task: ArmTask,
        seconds: float,
        until: Callable[[ArmStatus], object] = lambda status: False,
        walk: tuple[float, float, float] = STAND,
    ) -> ArmStatus:
        """Step until something holds of the status, or the time is over; the robot must not fall."""
        end = self.now_ns + seconds * 1e9
        while True:
            status = self.step(task, walk)
            assert self.upright, f"fell in {status.kind}: {status.phase}"
            if until(status) or self.now_ns >= end:
                return status

    @property
    def upright(self) -> bool:
        """The robot has not fallen."""
        return not self._body.fallen

    @property
    def true_pose(self) -> Pose2:
        """Where base_link really is in map."""
        return self._body.pose

    @property
    def box(self) -> NDArray[np.float64]:
        """Where the box really is (3,)."""
        return self.data.xpos[self._cargo].copy()

    @property
    def box_in_hands(self) -> NDArray[np.float64]:
        """Where the box really is (3,), seen from between the palms in the body's axes."""
        palms = np.mean([self.data.site_xpos[self.model.site(name).id] for name in PALM_SITES], axis=0)
        off = self.box - palms
        return np.array([*self.true_pose.inverse().rotate(off[:2]), off[2]])

    def fingertips(self, side: int) -> NDArray[np.float64]:
        """Where the fingertips of a hand really are (3,), side 0 is left."""
        site = self.model.site(PALM_SITES[side]).id
        along = self.data.site_xmat[site].reshape(3, 3)[:, 0]
        return self.data.site_xpos[site] + along * self.robot.arms.palm_size[0] / 2

    def take_box_away(self) -> None:
        """Someone else takes the box."""
        joint = self.model.body_jntadr[self._cargo]
        self.data.qpos[self.model.jnt_qposadr[joint] :][:3] = 5.0, 5.0, 0.5
        self.data.qvel[self.model.jnt_dofadr[joint] :][:6] = 0.0


def _world(robot: Robot, item: Cargo) -> mujoco.MjModel:
    spec = robot_spec(robot)
    world, cube = spec.worldbody, mujoco.mjtGeom.mjGEOM_BOX
    world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[8, 8, 0.1])
    for table in (item.near_table, item.far_table):
        size = [table.length / 2, table.width / 2, 0.02]
        world.add_geom(type=cube, pos=[table.x, table.y, item.surface - 0.02], size=size)
    box = item.box
    quaternion = [math.cos(box.yaw / 2), 0, 0, math.sin(box.yaw / 2)]
    body = world.add_body(name="cargo", pos=[box.x, box.y, box.z + 0.001], quat=quaternion)
    body.add_freejoint()
    body.add_geom(name="cargo", type=cube, size=[box.length / 2, box.width / 2, box.height / 2], mass=item.mass)
    return spec.compile()


@dataclass(frozen=True)
class Outcome:
    """How a fetch job ended; ``failure`` is "" for a success."""

    failure: str
    lift_m: float = 0.0
    place_error_m: float = 0.0
    seconds: float = 0.0


def draw(seed: int) -> tuple[Cargo, BoxPose, Pose2, float]:
    """A cargo, where it is believed to be, where the robot starts, and y of the place to put it."""
    rng = np.random.default_rng([seed, 0xB0C5])
    length, width, height = (float(v) for v in rng.uniform(0.14, 0.22, 3))
    surface = float(rng.uniform(0.70, 0.90))
    x, y = EDGE_M + length / 2 + float(rng.uniform(0.0, 0.06)), float(rng.uniform(-0.2, 0.2))
    yaw = math.radians(float(rng.uniform(-15, 15)))
    box = BoxPose(x, y, surface + height / 2, yaw, length, width, height)
    dx, dy, turn = rng.uniform(-1, 1, 3) * (0.04, 0.02, math.radians(15))
    believed = replace(box, x=x + float(dx), y=y + float(dy), yaw=yaw + float(turn))
    start = Pose2(-0.5, float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.2)))
    return Cargo(box, float(rng.uniform(0.2, 0.4)), surface), believed, start, float(rng.uniform(-0.3, 0.3))


class Fetch:
    """Pick a box from one table, back away 1 m, turn round, and place it on another table."""

    def __init__(self, seed: int) -> None:
        self.item, self.believed, start, y = draw(seed)
        self.bench = Bench(self.item, start, seed)
        box = self.item.box
        self.target = replace(box, x=FAR_EDGE_M - 0.15, y=y, yaw=0.0)

    def run(self) -> Outcome:
        """The whole job, in about 80 s of simulated time."""
        bench, item, surface = self.bench, self.item, self.item.surface
        arms = bench.robot.arms
        before = stance(self.believed, item.near_table, arms)
        pick = ArmTask("pick", 2, box=self.believed, docked=False)
        try:
            self._until_done(ArmTask("ready", 1, surface=surface))
            self._dock(before, pick)
            self._until_done(replace(pick, docked=True))
            lift = float(bench.box[2] - item.box.z)
            if lift < 0.05:
                return Outcome("the box was not lifted", lift)
            hold = ArmTask("hold", 3)
            self._until_done(hold)
            self._walk_to(bench.ego.pose @ Pose2(-1.0, 0.0, 0.0), hold)
            self._turn(math.pi, hold)
            ahead = stance(self._seen(self.target), self._seen(item.far_table), arms)
            self._walk_to(ahead @ Pose2(-0.5, 0.0, 0.0), hold)
            seen = self._seen(self.target)
            place = ArmTask("place", 4, box=seen, surface=surface, docked=False)
            self._dock(stance(seen, self._seen(item.far_table), arms), place)
            self._until_done(replace(place, docked=True))
            self._walk_to(bench.ego.pose @ Pose2(-0.5, 0.0, 0.0), replace(place, docked=True))
            self._until_done(ArmTask("rest", 5))
            bench.run(ArmTask("rest", 5), 2.0)
        except AssertionError as failure:
            return Outcome(str(failure), seconds=bench.now_ns * 1e-9)
        offset = bench.box - (self.target.x, self.target.y, self.target.z)
        error = float(np.hypot(offset[0], offset[1]))
        standing = abs(offset[2]) < 0.02 and error < 0.1
        return Outcome("" if standing else f"placed {offset.round(2)} off", lift, error, bench.now_ns * 1e-9)

    def _seen(self, thing: BoxPose) -> BoxPose:
        """Where a camera would now see something that is at ``thing`` in truth: odometry has drifted on the way."""
        pose = self.bench.ego.pose @ self.bench.true_pose.inverse() @ Pose2(thing.x, thing.y, thing.yaw)
        return replace(thing, x=pose.x, y=pose.y, yaw=pose.yaw)

    def _until_done(self, task: ArmTask) -> None:
        status = self.bench.run(task, 30.0, lambda status: status.done or status.failed)
        assert not status.failed, f"{task.kind}: {status.failed}"
        assert status.done, f"{task.kind}: stuck in {status.phase} ({status.note})"

    def _frame(self, task: ArmTask, walk: tuple[float, float, float]) -> None:
        """100 ms under one walking command, as a camera frame gives it."""
        status = self.bench.run(task, 0.1, lambda status: status.failed, walk)
        assert not status.failed, f"{task.kind}: {status.failed}"

    def _dock(self, goal: Pose2, task: ArmTask, phases: tuple[str, ...] = ("done", "failed")) -> None:
        state = DockState()
        while state.phase not in phases:
            command, state = dock(self.bench.ego, goal, state)
            self._frame(task, (command.vx, command.vy, command.yaw_rate))
        assert state.phase != "failed", "docking gave up"

    def _walk_to(self, goal: Pose2, task: ArmTask) -> None:
        self._dock(goal, task, ("settle", "pace", "done"))

    def _turn(self, yaw: float, task: ArmTask) -> None:
        while abs(left := wrap_angle(yaw - self.bench.ego.pose.yaw)) > 0.15:
            self._frame(task, (0.0, 0.05, max(-0.5, min(0.5, left))))
