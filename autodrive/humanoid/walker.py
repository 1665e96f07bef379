"""The walking policy: joint targets at 50 Hz from what the body senses and the velocity that it is asked for.

The observation is that of holosoma's locomotion policies: terms in alphabetical order, scales of the robot's file. Arms
that something else moves are hidden from the policy: it sees them at rest, or it would step back from its own reach.
"""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from autodrive.body import ArmCommand, BodyState, JointCommand, WalkCommand
from autodrive.errors import EngineError, InputError
from autodrive.geometry import Array
from autodrive.humanoid.robot import Robot

RATE_HZ = 50
STILL = 0.01  # a command smaller than this (norm) means stand
MAX_ACTION = 100.0
# a phase of pi for both feet is how the policy was taught to stand; to walk the left foot leads by half a period
_STANDING, _SETTING_OFF = np.array([math.pi, math.pi]), np.array([0.0, math.pi])


class Walker:
    """One robot's policy with its memory: the last action and the gait's phase."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same bits on every machine load
        try:
            self._session = onnxruntime.InferenceSession(str(robot.policy), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own without a common base
            raise EngineError(f"walking policy {robot.policy} cannot be loaded: {error}; run: make setup") from error
        (self._input,) = (item.name for item in self._session.get_inputs())
        self.reset()

    def reset(self) -> None:
        """Forget what was before: standing, nothing done yet."""
        self._action = np.zeros(len(self._robot.joints))
        self._phase = _STANDING.copy()

    def step(self, body: BodyState, walk: WalkCommand, arms: ArmCommand) -> JointCommand:
        """One tick; raises InputError when the body has other joints than the policy or says something not finite.

        The policy walks a fifth to a half less than it is asked for: whoever commands it closes the loop on odometry
        (``autodrive/control/walking.py``, ``docking.py``).
        """
        robot = self._robot
        if body.names != robot.joints:
            raise InputError(f"walking: the body has joints {list(body.names)}, the policy {list(robot.joints)}")
        own = self._arm_indices(arms)
        observation = self._observe(body, walk, own)
        if not np.isfinite(observation).all():
            raise InputError(f"walking: joints, IMU or command at {body.stamp_ns} ns are not finite")
        (action,) = self._session.run(None, {self._input: observation[None]})
        self._action = np.clip(action[0], -MAX_ACTION, MAX_ACTION).astype(np.float64)
        position = robot.nominal + robot.action_scale * self._action
        effort = np.zeros(len(position))
        position[own], effort[own] = arms.position, arms.effort
        self._advance(walk)
        return JointCommand(body.stamp_ns, robot.joints, position, effort)

    def _arm_indices(self, arms: ArmCommand) -> NDArray[np.intp]:
        """Where the commanded arm joints are; nothing but arms can be taken from the policy."""
        robot, count = self._robot, len(arms.names)
        if wrong := [name for name in arms.names if name not in robot.arms.joints]:
            raise InputError(f"walking: an arm command for {wrong}, which are no arm joints of {robot.name}")
        shapes_fit = arms.position.shape == arms.effort.shape == (count,)
        if not shapes_fit or not np.isfinite(np.concatenate([arms.position, arms.effort])).all():
            raise InputError(f"walking: arm command at {arms.stamp_ns} ns: expected {count} finite targets and torques")
        return np.array([robot.joints.index(name) for name in arms.names], dtype=np.intp)

    def _observe(self, body: BodyState, walk: WalkCommand, own: NDArray[np.intp]) -> Array:
        robot = self._robot
        offset, velocity, action = body.position - robot.nominal, body.velocity.copy(), self._action.copy()
        for values in (offset, velocity, action):
            values[own] = 0.0
        terms = (
            action,
            body.gyro * robot.gyro_scale,
            [walk.yaw_rate],
            [walk.vx, walk.vy],
            np.cos(self._phase),
            offset,
            velocity * robot.velocity_scale,
            gravity_direction(body.quaternion),
            np.sin(self._phase),
        )
        return np.concatenate(terms).astype(np.float32)

    def _advance(self, walk: WalkCommand) -> None:
        """Go on with the gait; who shall stand ends the pace on the spot first.

        Every first step sways to the right: broken off and begun anew again and again it would carry the body sideways
        by a decimetre each second.
        """
        still = math.sqrt(walk.vx**2 + walk.vy**2 + walk.yaw_rate**2) < STILL
        if (self._phase == _STANDING).all():
            if not still:
                self._phase = _SETTING_OFF.copy()
            return
        step = 2 * math.pi / (RATE_HZ * self._robot.gait_period)
        self._phase = np.fmod(self._phase + step + math.pi, 2 * math.pi) - math.pi
        if still and abs(self._phase[0] - _SETTING_OFF[0]) < step / 2:
            self._phase = _STANDING.copy()


def gravity_direction(quaternion: Array) -> Array:
    """Unit vector (3,) of gravity in the axes of a body with this attitude (w, x, y, z)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array([-2 * (x * z - w * y), -2 * (y * z + w * x), -(1 - 2 * (x * x + y * y))])
