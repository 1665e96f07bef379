"""The walking policies in physics: velocities, standing, steps, pushes, arms that something else moves; both robots."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from body_sim import NO_ARMS, BodySim, Command, random_commands

from autodrive.body import ArmCommand, WalkCommand
from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.robot import Robot, load_robot
from autodrive.humanoid.walker import Walker

STAND = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def g1() -> Robot:
    return load_robot("g1")


@pytest.fixture(scope="module")
def t1() -> Robot:
    return load_robot("t1")


@pytest.mark.parametrize("command", [(0.5, 0.0, 0.0), (-0.25, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.6)])
@pytest.mark.parametrize("name", ["g1", "t1"])
def test_it_walks_as_asked_but_for_what_the_controllers_make_up(name: str, command: Command) -> None:
    sim = BodySim(load_robot(name))
    sim.walk(command, 3.0)
    reached = sim.walk(command, 4.0)
    asked = np.array(command)
    axis = int(np.abs(asked).argmax())
    assert 0.4 < reached[axis] / asked[axis] < 1.1
    np.testing.assert_allclose(np.delete(reached, axis), 0.0, atol=0.12)
    assert not sim.body.fallen


@pytest.mark.parametrize("name", ["g1", "t1"])
def test_it_stands_where_it_is(name: str) -> None:
    sim = BodySim(load_robot(name), start=Pose2(1.0, -2.0, 0.8))
    sim.walk(STAND, 5.0)
    here = sim.body.pose
    assert math.hypot(here.x - 1.0, here.y + 2.0) < 0.05
    assert abs(here.yaw - 0.8) < 0.08


def test_a_command_that_flickers_carries_it_no_further_sideways_than_a_steady_one(g1: Robot) -> None:
    def sideways(stands: Callable[[int], bool]) -> float:
        sim = BodySim(g1)
        for tick in range(250):
            sim.step(STAND if stands(tick // 5) else (0.15, 0.0, 0.0))
        return sim.body.pose.y

    assert sideways(lambda frame: frame % 9 == 8) == pytest.approx(sideways(lambda _: False), abs=0.06)


@pytest.mark.parametrize("name", ["g1", "t1"])
def test_random_commands_do_not_make_it_fall(name: str) -> None:
    sim, command = BodySim(load_robot(name), seed=3), random_commands(3, every_s=1.0)
    for tick in range(1000):
        sim.step(command(tick))
    assert not sim.body.fallen


def test_it_climbs_a_step_of_five_centimetres(g1: Robot) -> None:
    def platform(spec: mujoco.MjSpec) -> None:
        spec.worldbody.add_geom(
            name="step/0", type=mujoco.mjtGeom.mjGEOM_BOX, size=(1.0, 1.5, 0.025), pos=(1.8, 0.0, 0.025)
        )

    sim = BodySim(g1, furnish=platform)
    sim.walk((0.5, 0.0, 0.0), 4.0)
    assert 0.9 < sim.body.pose.x < 2.7
    assert sim.body.torso_matrix()[2, 3] > sim.body.mount_height + 0.035
    assert abs(sim.ego.rise) < 0.04, "height above the ground that it stands on"
    sim.walk((0.5, 0.0, 0.0), 5.0)
    assert sim.body.pose.x > 3.0 and not sim.body.fallen


def test_a_push_does_not_throw_it(g1: Robot) -> None:
    sim = BodySim(g1)
    torso = sim.model.body(g1.torso).id
    for force in ((0.0, 100.0), (-100.0, 0.0)):
        sim.walk((0.3, 0.0, 0.0), 2.0)
        sim.data.xfrc_applied[torso, :2] = force
        sim.walk((0.3, 0.0, 0.0), 0.2)
        sim.data.xfrc_applied[torso, :2] = 0.0
    sim.walk(STAND, 3.0)
    assert not sim.body.fallen


def test_arms_that_something_else_moves_leave_the_stance_alone(g1: Robot) -> None:
    sim = BodySim(g1)
    names = g1.arms.joints
    rest = np.array([g1.nominal[g1.joints.index(name)] for name in names])
    reach = rest.copy()
    for joint in ("left_shoulder_pitch_joint", "right_shoulder_pitch_joint"):
        reach[names.index(joint)] = -1.0
    for tick in range(400):
        target = rest + (reach - rest) * min(1.0, tick / 100)
        sim.step(STAND, ArmCommand(sim.stamp_ns, names, target, np.zeros(len(names))))
    here = sim.body.pose
    assert math.hypot(here.x, here.y) < 0.1 and not sim.body.fallen
    position = np.array([sim.sensed.position[g1.joints.index(name)] for name in names])
    assert np.abs(position - reach).max() < 0.35, "springs without gravity compensation sag"
    assert abs(position[0] + 1.0) < 0.35


def test_commands_are_the_same_every_time(g1: Robot) -> None:
    sim = BodySim(g1)
    one, other = Walker(g1), Walker(g1)
    walk = WalkCommand(0, 0.3, 0.1, -0.2)
    for _ in range(3):
        a, b = (walker.step(sim.sensed, walk, NO_ARMS) for walker in (one, other))
        assert a.names == b.names == g1.joints and a.position.tobytes() == b.position.tobytes()


def test_what_makes_no_sense_is_refused(g1: Robot) -> None:
    sim, walk = BodySim(g1), WalkCommand(0, 0.3, 0.0, 0.0)
    walker = Walker(g1)
    for body in (
        replace(sim.sensed, position=np.full(len(g1.joints), np.nan)),
        replace(sim.sensed, gyro=np.array([0.0, np.inf, 0.0])),
        replace(sim.sensed, names=sim.sensed.names[::-1]),
    ):
        with pytest.raises(InputError, match="walking"):
            walker.step(body, walk, NO_ARMS)
    with pytest.raises(InputError, match="walking"):
        walker.step(sim.sensed, replace(walk, vx=math.nan), NO_ARMS)
    leg = ArmCommand(0, ("left_knee_joint",), np.zeros(1), np.zeros(1))
    with pytest.raises(InputError, match="left_knee_joint"):
        walker.step(sim.sensed, walk, leg)
    assert np.isfinite(walker.step(sim.sensed, walk, NO_ARMS).position).all(), "nothing stuck"
