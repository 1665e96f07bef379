"""Inverse kinematics of both arms: palm poses in base_link to arm joint positions, by mink."""

from __future__ import annotations

import mink
import numpy as np

from autodrive.geometry import Array
from autodrive.humanoid.arm_model import ArmModel, PalmPose
from autodrive.humanoid.palms import PALM_SITES

_ORIENTATION_COST = (0.12, 0.12, 0.02)  # where the palm looks matters, how the fingers lie in its plane hardly
_GRIP_ORIENTATION_COST = (0.12, 0.12, 0.12)  # but a held box turns with the fingers
_POSTURE_COST = 4e-3
_DAMPING = 1e-6  # more would keep the elbows from where the posture wants them
_MARGIN_RAD = 0.02  # kept from the joints' ends


class ArmKinematics:
    """Differential IK: the arms move, all other joints stay as they were measured.

    mink's ConfigurationLimit is not used: with frozen joints its QP has no solution once a leg is past its limit. The
    arms are clipped instead.
    """

    def __init__(self, model: ArmModel) -> None:
        self._arms = model
        self._configuration = mink.Configuration(model.model)
        self._hands = [
            mink.FrameTask(site, "site", position_cost=1.0, orientation_cost=_ORIENTATION_COST, lm_damping=1e-3)
            for site in PALM_SITES
        ]
        self._posture = mink.PostureTask(model.model, cost=_POSTURE_COST)
        movable = set(model.arm_dofs.tolist())
        others = [dof for dof in range(model.model.nv) if dof not in movable]
        self._freeze = mink.DofFreezingTask(model.model, others)
        config = model.arms
        self._preferred = np.concatenate([config.posture, config.posture * config.mirror])
        self._low = model.ranges[:, 0] + _MARGIN_RAD
        self._high = model.ranges[:, 1] - _MARGIN_RAD

    def solve(
        self,
        qpos: Array,
        arms: Array,
        targets: tuple[PalmPose | None, PalmPose | None],
        steps: int = 1,
        grip: bool = False,
    ) -> Array:
        """Arm joint positions (A,) nearer to the palm targets than ``arms`` (A,), with the body at ``qpos`` (nq,).

        A palm without a target goes where the preferred posture takes it. One step suffices to follow a target that
        moves a few millimetres; many find a posture from afar. With ``grip`` all of the palms' orientation counts.
        """
        arms_model, configuration = self._arms, self._configuration
        full = qpos.copy()
        full[arms_model.arm_qpos] = self._preferred
        self._posture.set_target(full)
        full[arms_model.arm_qpos] = np.clip(arms, self._low, self._high)
        tasks: list[mink.Task] = [self._posture]
        for task, target in zip(self._hands, targets, strict=True):
            if target is not None:
                rotation = mink.SO3.from_matrix(target.rotation)
                task.set_orientation_cost(_GRIP_ORIENTATION_COST if grip else _ORIENTATION_COST)
                task.set_target(mink.SE3.from_rotation_and_translation(rotation, target.position))
                tasks.append(task)
        for _ in range(steps):
            configuration.update(full)
            velocity = mink.solve_ik(
                configuration, tasks, 1.0, "daqp", damping=_DAMPING, limits=[], constraints=[self._freeze]
            )
            arms = full[arms_model.arm_qpos] + velocity[arms_model.arm_dofs]
            full[arms_model.arm_qpos] = np.clip(arms, self._low, self._high)
        return full[arms_model.arm_qpos].copy()

    def reached(self, qpos: Array, arms: Array) -> tuple[PalmPose, PalmPose]:
        """Where the palms are with the body at ``qpos`` (nq,) and the arms at ``arms`` (A,)."""
        full = qpos.copy()
        full[self._arms.arm_qpos] = arms
        return self._arms.palms_at(full)
