"""A humanoid on an otherwise empty floor: the simulator's body, leg odometry and walking policy, closed without ROS."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import numpy as np

from autodrive.body import ArmCommand, BodyState, WalkCommand
from autodrive.geometry import IDENTITY, Pose2, wrap_angle
from autodrive.humanoid.robot import Robot
from autodrive.humanoid.walker import Walker
from autodrive.localization.leg_odometry import LegOdometry
from autodrive.scene import EgoState
from autodrive.sim.humanoid_body import PHYSICS_STEP_S, TICK_S, HumanoidBody, robot_spec

NO_ARMS = ArmCommand(0, (), np.zeros(0), np.zeros(0))
SUBSTEPS = round(TICK_S / PHYSICS_STEP_S)
Command = tuple[float, float, float]


class BodySim:
    """Steps everything by 20 ms."""

    def __init__(
        self,
        robot: Robot,
        seed: int = 0,
        start: Pose2 = IDENTITY,
        furnish: Callable[[mujoco.MjSpec], None] | None = None,
    ) -> None:
        spec = robot_spec(robot)
        spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(60, 60, 1))
        if furnish is not None:
            furnish(spec)
        self.robot = robot
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.body = HumanoidBody(robot, self.model, self.data)
        self.body.reset(start, seed)
        self.walker, self.odometry = Walker(robot), LegOdometry(robot, start)
        self.stamp_ns = 0
        self.sensed: BodyState = self.body.read(0)
        self.ego: EgoState = self.odometry.update(self.sensed)

    def step(self, command: Command, arms: ArmCommand = NO_ARMS) -> None:
        """One tick under a velocity command."""
        walk = WalkCommand(self.stamp_ns, *command)
        self.body.command(self.walker.step(self.sensed, walk, arms))
        for _ in range(SUBSTEPS):
            self.body.drive()
        self.stamp_ns += round(TICK_S * 1e9)
        self.sensed = self.body.read(self.stamp_ns)
        self.ego = self.odometry.update(self.sensed)

    def walk(self, command: Command, seconds: float) -> np.ndarray:
        """Mean true velocity (3,) of base_link in its own axes, and yaw rate, over so many seconds."""
        moved, last = np.zeros(3), self.body.pose
        for _ in range(round(seconds / TICK_S)):
            self.step(command)
            here = self.body.pose
            moved += (*last.inverse().apply(np.array([here.x, here.y])), wrap_angle(here.yaw - last.yaw))
            last = here
        return moved / seconds

    def odometry_error(self) -> tuple[float, float]:
        """Distance [m] and angle [rad] between odometry and truth."""
        here, told = self.body.pose, self.ego.pose
        return math.hypot(here.x - told.x, here.y - told.y), abs(wrap_angle(here.yaw - told.yaw))


def random_commands(seed: int, every_s: float = 2.0) -> Callable[[int], Command]:
    """A command by tick, drawn anew every few seconds, standing now and then."""
    rng = np.random.default_rng([seed, 0xC0DE])
    drawn: list[Command] = []

    def command(tick: int) -> Command:
        while len(drawn) <= tick * TICK_S / every_s:
            stands = rng.random() < 0.15
            vx, vy, rate = rng.uniform((-0.25, -0.2, -0.7), (0.6, 0.2, 0.7)).tolist()
            drawn.append((0.0, 0.0, 0.0) if stands else (vx, vy, rate))
        return drawn[int(tick * TICK_S / every_s)]

    return command
