"""The robot alone, as its own sensors know it: where the palms are, what gravity and touch do to the arm joints.

Everything is in base_link: joint angles and the IMU's roll and pitch give the posture, the lowest foot gives the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from autodrive.body import BodyState
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Array
from autodrive.humanoid.arm_config import ArmsConfig
from autodrive.humanoid.palms import PALM_SITES, add_palms

_MOMENT_SCALE_M = 0.05  # a moment at the palm counts as a force at this lever when the two are told apart
_DAMPING = 1e-4  # of the wrench estimate near singular postures


@dataclass(frozen=True, slots=True)
class PalmPose:
    """A palm's face: centre ``position`` (3,) and axes ``rotation`` (3, 3), columns fingers, across, normal."""

    position: Array
    rotation: Array

    @property
    def fingers(self) -> Array:
        """Unit vector (3,) along the fingers."""
        return self.rotation[:, 0]

    @property
    def normal(self) -> Array:
        """Unit vector (3,) out of the palm."""
        return self.rotation[:, 2]


@dataclass(frozen=True, slots=True)
class Posture:
    """The measured posture in base_link. A = number of arm joints, left arm first.

    ``qpos`` (nq,) of the robot-only model, ``position`` and ``velocity`` (A,), ``gravity`` (A,) [Nm] that holds the
    arms still, ``palms`` left and right, ``jacobians`` (6, A/2) of each palm's velocity (linear, angular).
    """

    qpos: Array
    position: Array
    velocity: Array
    gravity: Array
    palms: tuple[PalmPose, PalmPose]
    jacobians: tuple[Array, Array]


class ArmModel:
    """Kinematics and statics of the arms on a robot-only MuJoCo model.

    ``spec`` is the robot with a free root joint whose orientation the IMU measures, without palms; it is compiled here.
    """

    def __init__(self, spec: mujoco.MjSpec, arms: ArmsConfig) -> None:
        add_palms(spec, arms)
        self.model = spec.compile()
        self.arms = arms
        model = self.model
        if model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            raise ConfigError(f"arms of {arms.robot}: the model's first joint must be the free root joint")
        self._data = mujoco.MjData(model)
        names = {model.joint(k).name: k for k in range(model.njnt)}
        if missing := [name for name in arms.joints if name not in names]:
            raise ConfigError(f"arms of {arms.robot}: the model lacks the joints {missing}")
        joints = [names[name] for name in arms.joints]
        self.arm_qpos = model.jnt_qposadr[joints]
        self.arm_dofs = model.jnt_dofadr[joints]
        self.ranges = model.jnt_range[joints].copy()
        self.torque_limit = _torque_limits(model, joints)
        self._qpos_of = {name: int(model.jnt_qposadr[k]) for name, k in names.items()}
        self._order: tuple[tuple[str, ...], Array, Array] | None = None
        self._torso = model.body(arms.torso).id
        self._sites = [model.site(name).id for name in PALM_SITES]
        feet = {model.body(name).id for name in arms.feet}
        self._foot_geoms = [k for k in range(model.ngeom) if model.geom_bodyid[k] in feet and model.geom_contype[k]]
        if not self._foot_geoms:
            self._foot_geoms = [k for k in range(model.ngeom) if model.geom_bodyid[k] in feet]

    def update(self, body: BodyState) -> Posture:
        """The posture of one body state."""
        model, data = self.model, self._data
        qpos_index, arm_index = self._indices(body.names)
        if not (np.isfinite(body.position).all() and np.isfinite(body.quaternion).all()):
            raise InputError("body state: a joint position or the orientation is not a finite number")
        data.qpos[:3] = 0.0
        data.qpos[3:7] = body.quaternion / np.linalg.norm(body.quaternion)
        data.qpos[qpos_index] = body.position
        mujoco.mj_kinematics(model, data)
        self._stand_in_base()
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        gravity = np.zeros(model.nv)
        data.qvel[:] = 0.0
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 0, gravity)
        palms, jacobians = zip(*(self._palm(side) for side in (0, 1)), strict=True)
        return Posture(
            qpos=data.qpos.copy(),
            position=body.position[arm_index],
            velocity=body.velocity[arm_index],
            gravity=gravity[self.arm_dofs],
            palms=palms,
            jacobians=jacobians,
        )

    def palms_at(self, qpos: Array) -> tuple[PalmPose, PalmPose]:
        """Where the palms would be at ``qpos`` (nq,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._data)
        left, right = (self._pose(side) for side in (0, 1))
        return left, right

    def wrench(self, posture: Posture, torque: Array) -> Array:
        """Force and moment (2, 6) [N, Nm] that the world exerts on each palm, given the motor torques (A,).

        Quasi-static: valid while the arms move slowly, because inertia is left out.
        """
        half = len(torque) // 2
        excess = posture.gravity - torque
        scale = np.array([1.0, 1.0, 1.0, *(_MOMENT_SCALE_M,) * 3])
        wrenches = []
        for side, jacobian in enumerate(posture.jacobians):
            scaled = jacobian * scale[:, None]  # (6, n)
            normal = scaled @ scaled.T + _DAMPING * np.eye(6)
            solution = np.linalg.solve(normal, scaled @ excess[side * half : (side + 1) * half])
            wrenches.append(solution * scale)
        return np.array(wrenches)

    def _indices(self, names: tuple[str, ...]) -> tuple[Array, Array]:
        if self._order is None or self._order[0] != names:
            if missing := [name for name in self.arms.joints if name not in names]:
                raise InputError(f"body state lacks the arm joints {missing}")
            if unknown := [name for name in names if name not in self._qpos_of]:
                raise InputError(f"body state has joints that the model of {self.arms.robot} lacks: {unknown}")
            qpos_index = np.array([self._qpos_of[name] for name in names])
            self._order = (names, qpos_index, np.array([names.index(name) for name in self.arms.joints]))
        return self._order[1], self._order[2]

    def _stand_in_base(self) -> None:
        """Move the root so that the torso is above the origin, looks along x, and the lowest foot is on the floor."""
        data = self._data
        torso = data.xmat[self._torso].reshape(3, 3)
        yaw = np.arctan2(torso[1, 0], torso[0, 0])
        c, s = np.cos(-yaw), np.sin(-yaw)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        position = turn @ -data.xpos[self._torso]
        position[2] = -min(self._lowest(geom) for geom in self._foot_geoms)
        quaternion = np.zeros(4)
        mujoco.mju_mulQuat(quaternion, np.array([np.cos(-yaw / 2), 0.0, 0.0, np.sin(-yaw / 2)]), data.qpos[3:7])
        data.qpos[:3] = position
        data.qpos[3:7] = quaternion

    def _lowest(self, geom: int) -> float:
        """Height of the lowest point of a foot's collider."""
        model, data = self.model, self._data
        size, up = model.geom_size[geom], data.geom_xmat[geom].reshape(3, 3)[2]
        kind = model.geom_type[geom]
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            drop = size[0]
        elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            drop = size[0] + size[1] * abs(up[2])
        else:
            drop = float(np.abs(up) @ size) if kind == mujoco.mjtGeom.mjGEOM_BOX else model.geom_rbound[geom]
        return float(data.geom_xpos[geom, 2] - drop)

    def _pose(self, side: int) -> PalmPose:
        site = self._sites[side]
        return PalmPose(self._data.site_xpos[site].copy(), self._data.site_xmat[site].reshape(3, 3).copy())

    def _palm(self, side: int) -> tuple[PalmPose, Array]:
        jacobian = np.zeros((6, self.model.nv))
        mujoco.mj_jacSite(self.model, self._data, jacobian[:3], jacobian[3:], self._sites[side])
        half = len(self.arm_dofs) // 2
        return self._pose(side), jacobian[:, self.arm_dofs[side * half : (side + 1) * half]]


def _torque_limits(model: mujoco.MjModel, joints: list[int]) -> Array:
    """Torque limit (A,) of the motors that drive the joints."""
    limits = np.full(len(joints), np.inf)
    for k, joint in enumerate(joints):
        if model.jnt_actfrclimited[joint]:
            limits[k] = min(limits[k], model.jnt_actfrcrange[joint, 1])
        for actuator in range(model.nu):
            if model.actuator_trnid[actuator, 0] == joint and model.actuator_ctrllimited[actuator]:
                limits[k] = min(limits[k], model.actuator_ctrlrange[actuator, 1])
    return limits
