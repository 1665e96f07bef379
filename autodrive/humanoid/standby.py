"""What a robot's own firmware does when nobody commands its joints any more: it keeps its balance where it is.

Targets that go on holding do not balance a biped: in physics the robots fall within half a second of the last command,
and never (of 40 trials for each robot, walking forwards and round bends) when they begin to stand within a quarter.
"""

from __future__ import annotations

import numpy as np

from autodrive.body import ArmCommand, BodyState, JointCommand, WalkCommand
from autodrive.humanoid.robot import Robot
from autodrive.humanoid.walker import Walker

PATIENCE_NS = 160_000_000


class Standby:
    """Passes commands on while they are fresh; else stands, the arms held as they were commanded last."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._walker = Walker(robot)
        self._arms = [robot.joints.index(name) for name in robot.arms.joints]
        self.active = False

    def choose(self, body: BodyState, command: JointCommand, *, trusted: bool) -> JointCommand:
        """The command for this tick; one that is not ``trusted`` is not obeyed, however fresh."""
        if trusted and 0 <= body.stamp_ns - command.stamp_ns <= PATIENCE_NS:
            self.active = False
            return command
        if not self.active:
            self.active = True
            self._walker.reset()
            self._held = self._arms_of(command) if trusted else self._arms_of_body(body)
        return self._walker.step(body, WalkCommand(body.stamp_ns, 0.0, 0.0, 0.0), self._held)

    def _arms_of(self, command: JointCommand) -> ArmCommand:
        names = self._robot.arms.joints
        return ArmCommand(command.stamp_ns, names, command.position[self._arms], command.effort[self._arms])

    def _arms_of_body(self, body: BodyState) -> ArmCommand:
        return ArmCommand(body.stamp_ns, self._robot.arms.joints, body.position[self._arms], np.zeros(len(self._arms)))
