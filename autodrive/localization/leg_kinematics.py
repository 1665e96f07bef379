"""Where a robot's torso and the undersides of its feet are, seen from its pelvis: joint angles and attitude alone."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from autodrive.body import BodyState
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Array
from autodrive.humanoid.robot import Robot


@dataclass(frozen=True, slots=True)
class LegPosture:
    """One posture with the pelvis's origin as origin, in level axes that look along map x at yaw 0.

    ``points`` (2, P, 3) are the undersides of the left and the right foot, ``torso`` (3,) its origin and
    ``torso_rotation`` (3, 3) its axes; ``feet_yaw`` (2,) the headings of the feet.
    """

    points: Array
    torso: Array
    torso_rotation: Array
    feet_yaw: Array


class LegKinematics:
    """Forward kinematics of a robot-only model."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._model = model = robot.floating_spec().compile()
        self._data = mujoco.MjData(model)
        if model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            raise ConfigError(f"robot {robot.name}: the first joint of {robot.model} must be the free root joint")
        self._qpos = np.array([model.joint(name).qposadr[0] for name in robot.joints])
        self._torso = model.body(robot.torso).id
        self._feet = [model.body(name).id for name in robot.feet]
        left, right = (_underside(model, foot) for foot in self._feet)
        if len(left) != len(right):
            raise ConfigError(f"robot {robot.name}: its feet {robot.feet} have unlike colliders")
        self._points = np.stack([left, right])
        self.nominal_height = self._nominal_height()

    def posture(self, body: BodyState, yaw: float) -> LegPosture:
        """The posture with the IMU's roll and pitch and the given yaw of the pelvis; InputError if senseless."""
        if body.names != self._robot.joints:
            raise InputError(f"leg odometry: the body has joints {list(body.names)}, not {list(self._robot.joints)}")
        norm = float(np.linalg.norm(body.quaternion))
        if not (np.isfinite(body.position).all() and np.isfinite(body.gyro).all() and 0.5 < norm < 2.0):
            raise InputError(f"leg odometry: joints or IMU at {body.stamp_ns} ns are not finite")
        data = self._data
        data.qpos[:3] = 0.0
        data.qpos[3:7] = _turned_to(body.quaternion / norm, yaw)
        data.qpos[self._qpos] = body.position
        mujoco.mj_kinematics(self._model, data)
        return self._read()

    def _read(self) -> LegPosture:
        data = self._data
        rotations = data.xmat[self._feet].reshape(2, 3, 3)
        points = self._points[..., :3] @ rotations.transpose(0, 2, 1) + data.xpos[self._feet][:, None]
        points[..., 2] -= self._points[..., 3]
        yaw = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
        torso = self._torso
        return LegPosture(points, data.xpos[torso].copy(), data.xmat[torso].reshape(3, 3).copy(), yaw)

    def _nominal_height(self) -> float:
        """Height of the torso's origin above the ground in the nominal posture."""
        self._data.qpos[:7] = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
        self._data.qpos[self._qpos] = self._robot.nominal
        mujoco.mj_kinematics(self._model, self._data)
        posture = self._read()
        return float(posture.torso[2] - posture.points[..., 2].min())


def lean(rotation: Array) -> tuple[float, float, float]:
    """Roll, pitch and yaw [rad] of a rotation matrix Rz(yaw) Ry(pitch) Rx(roll)."""
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    pitch = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    return float(roll), float(pitch), float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def _turned_to(quaternion: Array, yaw: float) -> Array:
    """The same roll and pitch with another yaw."""
    w, x, y, z = quaternion
    turn = yaw - np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    turned = np.zeros(4)
    mujoco.mju_mulQuat(turned, np.array([np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)]), quaternion)
    return turned


def _underside(model: mujoco.MjModel, body: int) -> Array:
    """Points (P, 4) of a foot's colliders in its body's axes, and how far the surface is below each of them."""
    points: list[Array] = []
    for geom in range(model.ngeom):
        if model.geom_bodyid[geom] != body or not model.geom_contype[geom]:
            continue
        kind, size = model.geom_type[geom], model.geom_size[geom]
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            corners, radius = np.zeros((1, 3)), size[0]
        elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            corners, radius = np.array([[0.0, 0.0, size[1]], [0.0, 0.0, -size[1]]]), size[0]
        elif kind == mujoco.mjtGeom.mjGEOM_BOX:
            signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
            corners, radius = signs * size, 0.0
        else:
            continue
        matrix = np.zeros(9)
        mujoco.mju_quat2Mat(matrix, model.geom_quat[geom])
        placed = corners @ matrix.reshape(3, 3).T + model.geom_pos[geom]
        points.append(np.column_stack([placed, np.full(len(placed), radius)]))
    if not points:
        raise ConfigError(f"foot {model.body(body).name!r} has no spheres, capsules or boxes as colliders")
    return np.concatenate(points)
