"""The arms' model and inverse kinematics on every robot that is shipped."""

from __future__ import annotations

import numpy as np
import pytest

from autodrive.body import BodyState
from autodrive.errors import InputError
from autodrive.geometry import Array
from autodrive.humanoid.arm_model import ArmModel
from autodrive.humanoid.kinematics import ArmKinematics
from autodrive.humanoid.motion import SIDE_SIGN, ready_palms, upright_palm
from autodrive.humanoid.robot import Robot, load_robot


def standing(robot: Robot, yaw: float = 0.0, position: Array | None = None) -> BodyState:
    joints = robot.nominal if position is None else position
    attitude = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
    return BodyState(0, robot.joints, joints, np.zeros(len(joints)), attitude, np.zeros(3), np.zeros(3))


@pytest.fixture(scope="module", params=["g1", "t1"])
def robot(request: pytest.FixtureRequest) -> Robot:
    return load_robot(request.param)


@pytest.fixture(scope="module")
def model(robot: Robot) -> ArmModel:
    return ArmModel(robot.floating_spec(), robot.arms)


def test_hands_reach_where_boxes_are_taken(robot: Robot, model: ArmModel) -> None:
    arms, kinematics = robot.arms, ArmKinematics(model)
    posture = model.update(standing(robot))
    places = [(arms.stand_off, height) for height in (0.8, 0.9, 1.0)] + [(arms.carry[0], arms.carry[1])]
    targets = [ready_palms(arms)]
    for x, z in places:
        pair = [upright_palm(k, np.array([x, SIDE_SIGN[k] * 0.09, z]), 0.0) for k in (0, 1)]
        targets.append((pair[0], pair[1]))
    for target in targets:
        joints = kinematics.solve(posture.qpos, posture.position, target, steps=60)
        assert ((joints > model.ranges[:, 0]) & (joints < model.ranges[:, 1])).all()
        for palm, goal in zip(kinematics.reached(posture.qpos, joints), target, strict=True):
            assert np.linalg.norm(palm.position - goal.position) < 0.015, goal.position
            assert palm.normal @ goal.normal > 0.97


def test_the_posture_is_in_base_link(robot: Robot, model: ArmModel) -> None:
    """Neither the pelvis's heading nor where it is matters; left and right mirror each other."""
    straight, turned = (model.update(standing(robot, yaw)) for yaw in (0.0, 2.0))
    for one, other in zip(straight.palms, turned.palms, strict=True):
        assert np.allclose(one.position, other.position, atol=1e-6)
    left, right = straight.palms
    assert np.allclose(left.position * (1, -1, 1), right.position, atol=5e-3)
    assert np.allclose(straight.gravity, turned.gravity, atol=1e-6)


def test_gravity_and_touch_are_told_apart(robot: Robot, model: ArmModel) -> None:
    posture = model.update(standing(robot))
    assert np.abs(model.wrench(posture, posture.gravity)).max() < 1e-6
    # motors that press along the palm's normal feel the world press back
    kinematics = ArmKinematics(model)
    goal = tuple(upright_palm(k, np.array([robot.arms.stand_off, SIDE_SIGN[k] * 0.1, 0.9]), 0.0) for k in (0, 1))
    position = robot.nominal.copy()
    order = [robot.joints.index(name) for name in robot.arms.joints]
    position[order] = kinematics.solve(posture.qpos, posture.position, (goal[0], goal[1]), steps=60)
    posture = model.update(standing(robot, position=position))
    press = [
        jacobian[:3].T @ (10.0 * palm.normal) for jacobian, palm in zip(posture.jacobians, posture.palms, strict=True)
    ]
    wrench = model.wrench(posture, posture.gravity + np.concatenate(press))
    for side, palm in enumerate(posture.palms):
        assert wrench[side, :3] @ palm.normal == pytest.approx(-10.0, abs=0.7)


def test_bad_states_are_refused(robot: Robot, model: ArmModel) -> None:
    position = robot.nominal.copy()
    position[3] = np.nan
    with pytest.raises(InputError, match="not a finite number"):
        model.update(standing(robot, position=position))
    good = standing(robot)
    short = BodyState(0, good.names[:5], good.position[:5], good.velocity[:5], good.quaternion, good.gyro, good.gyro)
    with pytest.raises(InputError, match="lacks the arm joints"):
        model.update(short)
