"""Leg odometry against the physics' truth: drift, gyro bias, lean of the cameras, steps, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from body_sim import BodySim, Command, random_commands

from autodrive.body import BodyState
from autodrive.errors import InputError
from autodrive.geometry import IDENTITY, Pose2
from autodrive.humanoid.robot import Robot, load_robot
from autodrive.localization.leg_odometry import LegOdometry
from autodrive.rig import load_rig, rotation_from_rpy, tilted
from autodrive.scene import EgoState
from autodrive.sim.humanoid_body import TICK_S, BodyNoise, HumanoidBody

RIGS = Path(__file__).resolve().parents[1] / "config" / "rigs"
POOR = BodyNoise(
    encoder=0.002, gyro=0.01, gyro_bias=0.002, attitude=math.radians(0.3), attitude_bias=0.0
)  # worse than the simulator's own sensors
EXACT = BodyNoise(encoder=0.0, encoder_rate=0.0, gyro=0.0, gyro_bias=0.0, attitude=0.0, attitude_bias=0.0)
STAND = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def g1() -> Robot:
    return load_robot("g1")


def sim_with(robot: Robot, noise: BodyNoise, seed: int, start: Pose2 = IDENTITY) -> BodySim:
    """A simulation whose sensors have this noise."""
    sim = BodySim(robot, seed, start)
    sim.body = HumanoidBody(robot, sim.model, sim.data, noise)
    sim.body.reset(start, seed)
    sim.sensed, sim.odometry = sim.body.read(0), LegOdometry(robot, start)
    sim.ego = sim.odometry.update(sim.sensed)
    return sim


def path_length(sim: BodySim, command: Command, ticks: int) -> float:
    """Steps so often; returns the way gone, without the sway of single steps."""
    start = sim.body.pose
    for _ in range(ticks):
        sim.step(command)
    return math.hypot(sim.body.pose.x - start.x, sim.body.pose.y - start.y)


# ten seconds of standing leave 0.5 mrad/s (one sigma) of the poor gyro's bias: 1.7 degrees per minute
@pytest.mark.parametrize(
    ("name", "noise", "degrees_per_minute"),
    [("g1", BodyNoise(), 2.0), ("t1", BodyNoise(), 2.0), ("g1", POOR, 5.0), ("t1", POOR, 5.0)],
)
def test_drift(name: str, noise: BodyNoise, degrees_per_minute: float) -> None:
    sim = sim_with(load_robot(name), noise, 1, Pose2(3.0, -1.0, 2.0))
    sim.walk(STAND, 10.0)
    way, command, seconds = 0.0, random_commands(1, every_s=3.0), 30
    for tick in range(0, 50 * seconds, 25):
        way += path_length(sim, command(tick), 25)
    distance, turn = sim.odometry_error()
    assert way > 5.0
    assert distance < 0.03 * way
    assert turn < math.radians(degrees_per_minute) * seconds / 60


def test_the_gyro_bias_is_found_while_standing(g1: Robot) -> None:
    sim = sim_with(g1, EXACT, 0)
    gyro = np.array([0.002, -0.002, 0.004])
    odometry = LegOdometry(g1, IDENTITY)
    state = odometry.update(sim.sensed)
    for _ in range(400):
        sim.step(STAND)
        state = odometry.update(replace(sim.sensed, gyro=sim.sensed.gyro + gyro))
    assert odometry.gyro_bias == pytest.approx(0.004, abs=0.0008)
    odometry.reset(Pose2(1.0, 2.0, 0.5))
    state = odometry.update(replace(sim.sensed, gyro=sim.sensed.gyro + gyro))
    assert odometry.gyro_bias == pytest.approx(0.004, abs=0.0008), "a new pose is no new gyro"
    assert (state.pose.x, state.pose.y, state.pose.yaw) == pytest.approx((1.0, 2.0, 0.5))


@pytest.mark.parametrize(("name", "rig_file"), [("g1", "humanoid.yaml"), ("t1", "t1.yaml")])
def test_the_lean_puts_the_cameras_where_they_are(name: str, rig_file: str) -> None:
    sim, rig = sim_with(load_robot(name), EXACT, 5), load_rig(RIGS / rig_file)
    command, worst_place, worst_angle = random_commands(5), 0.0, 0.0
    for tick in range(500):
        sim.step(command(tick) if tick > 50 else STAND)
        torso, yaw = sim.body.torso_matrix(), sim.body.pose.yaw
        level = rotation_from_rpy(0.0, 0.0, yaw).T
        lean = tilted(rig, sim.ego.roll, sim.ego.pitch, sim.ego.rise)
        for told, camera in zip(lean.cameras, rig.cameras, strict=True):
            arm = camera.position - [0.0, 0.0, rig.mount_height]
            place = level @ torso[:3, :3] @ arm + [0.0, 0.0, torso[2, 3]]
            turn = (level @ torso[:3, :3] @ camera.rotation).T @ told.rotation
            angle = math.acos(min(1.0, (float(np.trace(turn)) - 1.0) / 2.0))
            if tick > 25:  # set down on the floor, the feet still sink or spring a little
                worst_place = max(worst_place, float(np.linalg.norm(place - told.position)))
            worst_angle = max(worst_angle, angle)
    assert worst_place < 0.01
    assert worst_angle < math.radians(0.5)


def test_velocity_has_little_of_the_gait_in_it(g1: Robot) -> None:
    sim = sim_with(g1, POOR, 2)
    sim.walk((0.4, 0.0, 0.0), 4.0)
    told, before = [], sim.body.pose
    for _ in range(200):
        sim.step((0.4, 0.0, 0.0))
        told.append((sim.ego.speed, sim.ego.lateral_speed, sim.ego.yaw_rate))
    mean, sway = np.mean(told, axis=0), np.std(told, axis=0)
    moved = before.inverse() @ sim.body.pose
    np.testing.assert_allclose(mean, np.array([moved.x, moved.y, moved.yaw]) / (200 * TICK_S), atol=0.05)
    assert sway[0] < 0.06 and sway[1] < 0.08 and sway[2] < 0.1


def test_a_step_changes_the_ground_only(g1: Robot) -> None:
    def platform(spec: mujoco.MjSpec) -> None:
        spec.worldbody.add_geom(
            name="step/0", type=mujoco.mjtGeom.mjGEOM_BOX, size=(2.0, 2.0, 0.025), pos=(2.6, 0.0, 0.025)
        )

    sim = BodySim(g1, furnish=platform)
    sim.walk((0.4, 0.0, 0.0), 5.0)
    assert sim.body.pose.x > 1.2
    above = sim.body.torso_matrix()[2, 3] - 0.05 - sim.odometry.nominal_height
    assert sim.ego.rise == pytest.approx(above, abs=0.01)
    assert sim.odometry_error()[0] < 0.08


def test_the_yaw_of_the_imu_is_not_used(g1: Robot) -> None:
    sim = BodySim(g1)
    one, other = LegOdometry(g1, IDENTITY), LegOdometry(g1, IDENTITY)
    for tick in range(60):
        sim.step((0.3, 0.0, 0.2))
        turn, turned = np.array([math.cos(tick / 9), 0.0, 0.0, math.sin(tick / 9)]), np.zeros(4)
        mujoco.mju_mulQuat(turned, turn, sim.sensed.quaternion)
        a, b = one.update(sim.sensed), other.update(replace(sim.sensed, quaternion=turned))
        assert values(a) == pytest.approx(values(b), abs=1e-9)


def test_what_makes_no_sense_is_refused_and_changes_nothing(g1: Robot) -> None:
    sim = BodySim(g1)
    first = sim.sensed
    one, other = LegOdometry(g1, IDENTITY), LegOdometry(g1, IDENTITY)
    one.update(first)
    other.update(first)
    sim.step((0.3, 0.0, 0.0))
    for spoilt in spoilt_states(sim.sensed):
        with pytest.raises(InputError, match="leg odometry"):
            other.update(spoilt)
    assert one.update(sim.sensed) == other.update(sim.sensed)


def spoilt_states(body: BodyState) -> list[BodyState]:
    """Body states that no odometry may believe."""
    return [
        replace(body, position=np.full(len(body.names), np.nan)),
        replace(body, gyro=np.array([0.0, 0.0, np.inf])),
        replace(body, quaternion=np.zeros(4)),
        replace(body, names=body.names[::-1]),
        replace(body, position=body.position[:-1]),
        replace(body, stamp_ns=0),
        replace(body, stamp_ns=10_000_000_000),
    ]


def values(state: EgoState) -> list[float]:
    """The numbers of a state."""
    pose = state.pose
    return [pose.x, pose.y, pose.yaw, state.speed, state.lateral_speed, state.yaw_rate, state.roll, state.pitch]
