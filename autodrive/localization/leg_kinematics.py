"""Where a robot's torso and the undersides of its feet are, seen from its pelvis: joint angles and attitude alone."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from autodrive.errors import ConfigError
from autodrive.geometry import Array
from autodrive.humanoid.robot import Robot


@dataclass(frozen=True, slots=True)
class LegPosture:
    """One posture with the pelvis's origin as origin, in level axes that look along map x at yaw 0.

    ``points`` (2, P, 3) are the undersides of the left and the right foot, ``torso`` (3,) its origin and
    ``torso_rotation`` (3, 3) its axes.
    """

    points: Array
    torso: Array
    torso_rotation: Array


class LegKinematics:
    """Forward kinematics of a robot-only model.

    ``nominal_height`` [m] is that of the torso's origin above the ground in the nominal posture; ``joints`` are where
    the legs' own are among the robot's.
    """

    def __init__(self, robot: Robot) -> None:
        self._model = model = robot.floating_spec().compile()
        self._data = mujoco.MjData(model)
        if model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            raise ConfigError(f"robot {robot.name}: the first joint of {robot.model} must be the free root joint")
        self._qpos = np.array([model.joint(name).qposadr[0] for name in robot.joints])
        self._torso = model.body(robot.torso).id
        self._feet = [model.body(name).id for name in robot.feet]
        self.joints = np.array([k for k, n in enumerate(robot.joints) if _moves(model, n, self._feet)], dtype=np.intp)
        left, right = (_underside(model, foot) for foot in self._feet)
        if len(left) != len(right):
            raise ConfigError(f"robot {robot.name}: its feet {robot.feet} have unlike colliders")
        self._points = np.stack([left, right])
        nominal = self.posture(robot.nominal, np.array([1.0, 0.0, 0.0, 0.0]))
        self.nominal_height = float(nominal.torso[2] - nominal.points[..., 2].min())

    def posture(self, position: Array, attitude: Array) -> LegPosture:
        """The posture with these joints (J,) and this attitude (4,) of the pelvis."""
        data = self._data
        data.qpos[:3] = 0.0
        data.qpos[3:7] = attitude
        data.qpos[self._qpos] = position
        mujoco.mj_kinematics(self._model, data)
        return self._read()

    def _read(self) -> LegPosture:
        data = self._data
        rotations = data.xmat[self._feet].reshape(2, 3, 3)
        points = self._points[..., :3] @ rotations.transpose(0, 2, 1) + data.xpos[self._feet][:, None]
        points[..., 2] -= self._points[..., 3]
        torso = self._torso
        return LegPosture(points, data.xpos[torso].copy(), data.xmat[torso].reshape(3, 3).copy())


def _moves(model: mujoco.MjModel, joint: str, feet: list[int]) -> bool:
    """Whether a joint lies between the pelvis and a foot, in whose leg it is then."""
    body = int(model.joint(joint).bodyid[0])
    for foot in feet:
        while foot not in (0, body):
            foot = int(model.body_parentid[foot])
        if foot == body:
            return True
    return False


def lean(rotation: Array) -> tuple[float, float, float]:
    """Roll, pitch and yaw [rad] of a rotation matrix Rz(yaw) Ry(pitch) Rx(roll)."""
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    pitch = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    return float(roll), float(pitch), float(np.arctan2(rotation[1, 0], rotation[0, 0]))


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
