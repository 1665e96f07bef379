"""A humanoid in MuJoCo: motors as its drives have them, an IMU in the pelvis, encoders, and what its body touches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.body import BodyState, JointCommand
from autodrive.errors import InputError
from autodrive.geometry import Array, Pose2
from autodrive.humanoid.palms import add_palms, stiffen_grip
from autodrive.humanoid.robot import Robot

PHYSICS_STEP_S = 0.004
TICK_S = 0.02
_SUBSTEPS = round(TICK_S / PHYSICS_STEP_S)
_TICK_NS = round(TICK_S * 1e9)
_NOISE_STREAM = 0x1E65
_VISUAL_MESHES, _SHOWN, _HIDDEN = mujoco.mjtGeom.mjGEOM_MESH, 1, 4
_SKIN = (0.62, 0.63, 0.66, 1.0)
FALLEN_TILT_RAD, FALLEN_SHARE = 0.9, 0.6  # of the torso, and of its nominal height


@dataclass(frozen=True, kw_only=True)
class BodyNoise:
    """Standard deviations per reading; biases are drawn once per episode.

    As data sheets of such units have them; the gyro's bias is what its calibration at power-on leaves.
    """

    encoder: float = 0.001
    encoder_rate: float = 0.02
    gyro: float = 0.003
    gyro_bias: float = 0.0005
    accelerometer: float = 0.05
    attitude: float = math.radians(0.05)
    attitude_bias: float = math.radians(0.2)


def robot_spec(robot: Robot) -> mujoco.MjSpec:
    """The robot for physics and for cameras: palms, and simple shapes in place of its 400,000 triangles."""
    spec = robot.spec()
    spec.option.timestep = PHYSICS_STEP_S
    for body in spec.bodies:
        for geom in body.geoms:
            if geom.type == _VISUAL_MESHES:
                geom.group = _HIDDEN
            elif geom.contype or geom.conaffinity:
                geom.group = _HIDDEN if body.name == robot.torso else _SHOWN
                geom.rgba = _SKIN
    add_palms(spec, robot.arms)
    stiffen_grip(spec)
    return spec


class HumanoidBody:
    """The robot of a compiled model.

    ``mount_height`` [m] is that of its torso's origin in the nominal stance, ``bodies`` are all its body ids, ``hands``
    and ``feet`` some of them.
    """

    def __init__(
        self, robot: Robot, model: mujoco.MjModel, data: mujoco.MjData, noise: BodyNoise | None = None
    ) -> None:
        self._robot, self._model, self._data = robot, model, data
        self._noise = noise or BodyNoise()
        joints = robot.joints
        self._q = np.array([model.joint(name).qposadr[0] for name in joints])
        self._v = np.array([model.joint(name).dofadr[0] for name in joints])
        self._motor = np.array([model.actuator(name).id for name in joints])
        self._limit = model.actuator_ctrlrange[self._motor, 1]
        self._torso, self._pelvis = model.body(robot.torso).id, model.body(robot.pelvis).id
        self._feet = [model.body(name).id for name in robot.feet]
        root = self._pelvis
        self.bodies = frozenset(b for b in range(model.nbody) if _descends(model, b, root))
        arms = {model.body(side.hand).id for side in robot.arms.sides}
        self.hands = frozenset(b for b in self.bodies if any(_descends(model, b, hand) for hand in arms))
        self.feet = frozenset(self._feet)

    def reset(self, start: Pose2, rng_seed: int) -> None:
        """Stand in the nominal posture at ``start`` (ground point below the torso)."""
        model, data, robot = self._model, self._data, self._robot
        self._rng = np.random.default_rng([rng_seed, _NOISE_STREAM])
        noise = self._noise
        self._gyro_bias = self._rng.normal(0.0, noise.gyro_bias, 3)
        self._attitude_bias = self._rng.normal(0.0, noise.attitude_bias, 2)
        data.qpos[:3] = (start.x, start.y, 1.0)
        data.qpos[3:7] = (math.cos(start.yaw / 2), 0.0, 0.0, math.sin(start.yaw / 2))
        data.qpos[self._q] = robot.nominal
        mujoco.mj_kinematics(model, data)
        data.qpos[2] -= min(data.xpos[foot][2] for foot in self._feet) - robot.sole
        mujoco.mj_kinematics(model, data)
        data.qpos[:2] += (start.x, start.y) - data.xpos[self._torso][:2]
        mujoco.mj_forward(model, data)
        self.mount_height = float(data.xpos[self._torso][2])
        self._target, self._effort = robot.nominal.copy(), np.zeros(len(robot.joints))
        self._velocity = data.qvel[:3].copy()
        self._attitude = data.qpos[3:7].copy()

    def command(self, command: JointCommand) -> None:
        """Take over targets; raises InputError unless they are one finite number for every joint."""
        count = len(self._robot.joints)
        whole = command.names == self._robot.joints and command.position.shape == command.effort.shape == (count,)
        if not whole or not np.isfinite(np.concatenate([command.position, command.effort])).all():
            raise InputError(f"joint command at {command.stamp_ns} ns: expected {count} finite targets and torques")
        self._target, self._effort = command.position, command.effort

    def drive(self) -> None:
        """One step of physics under the drives' own position control, with their torque limits."""
        data = self._data
        torque = self._robot.kp * (self._target - data.qpos[self._q]) - self._robot.kd * data.qvel[self._v]
        data.ctrl[self._motor] = np.clip(torque + self._effort, -self._limit, self._limit)
        mujoco.mj_step(self._model, data)

    def read(self, stamp_ns: int) -> BodyState:
        """What encoders and IMU say, with their noise; call it once per tick.

        Gyro and accelerometer are means since the last reading, as an IMU that samples at a kilohertz gives them: feet
        strike in step with the gait, and single samples at 50 Hz would see a turn that is not there.
        """
        data, noise, rng = self._data, self._noise, self._rng
        count = len(self._q)
        tilt = self._attitude_bias + rng.normal(0.0, noise.attitude, 2)
        turn, quaternion = np.empty(4), np.empty(4)
        mujoco.mju_euler2Quat(turn, [tilt[0], tilt[1], 0.0], "xyz")
        mujoco.mju_mulQuat(quaternion, data.qpos[3:7], turn)
        velocity = data.qvel[:3].copy()
        force = (velocity - self._velocity) / TICK_S + (0.0, 0.0, 9.81)
        spin = np.empty(3)
        mujoco.mju_subQuat(spin, data.qpos[3:7], self._attitude)
        self._velocity, self._attitude = velocity, data.qpos[3:7].copy()
        inverse, felt = np.empty(4), np.empty(3)
        mujoco.mju_negQuat(inverse, data.qpos[3:7])
        mujoco.mju_rotVecQuat(felt, force, inverse)
        return BodyState(
            stamp_ns,
            self._robot.joints,
            data.qpos[self._q] + rng.normal(0.0, noise.encoder, count),
            data.qvel[self._v] + rng.normal(0.0, noise.encoder_rate, count),
            quaternion,
            spin / TICK_S + self._gyro_bias + rng.normal(0.0, noise.gyro, 3),
            felt + rng.normal(0.0, noise.accelerometer, 3),
        )

    @property
    def pose(self) -> Pose2:
        """True base_link in map."""
        x, y, _ = self._data.xpos[self._torso].tolist()
        turn = self._data.xmat[self._torso].reshape(3, 3)
        return Pose2(x, y, math.atan2(turn[1, 0], turn[0, 0]))

    @property
    def speed(self) -> float:
        """True speed of the pelvis over ground [m/s]."""
        return float(np.hypot(*self._data.qvel[:2]))

    @property
    def fallen(self) -> bool:
        """Whether the torso lies or has sunk."""
        up = float(self._data.xmat[self._torso][8])
        height = float(self._data.xpos[self._torso][2])
        return math.acos(min(max(up, -1.0), 1.0)) > FALLEN_TILT_RAD or height < FALLEN_SHARE * self.mount_height

    def torso_matrix(self) -> Array:
        """World from torso (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = self._data.xmat[self._torso].reshape(3, 3)
        matrix[:3, 3] = self._data.xpos[self._torso]
        return matrix

    def touching(self) -> list[tuple[int, int]]:
        """(body of the robot, geom of the world) of every contact between them."""
        contacts = self._data.contact.geom[: self._data.ncon]
        bodies: NDArray[np.int32] = np.asarray(self._model.geom_bodyid)
        found = []
        for first, second in contacts.tolist():
            mine_first, mine_second = int(bodies[first]) in self.bodies, int(bodies[second]) in self.bodies
            if mine_first != mine_second:
                body, other = (first, second) if mine_first else (second, first)
                found.append((int(bodies[body]), other))
        return found


def _descends(model: mujoco.MjModel, body: int, root: int) -> bool:
    while body not in (0, root):
        body = int(model.body_parentid[body])
    return body == root
