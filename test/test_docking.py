"""Docking on a body that only roughly does what it is told (the real walker: test_manipulation.py)."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.geometry import Pose2
from autodrive.humanoid.docking import DockConfig, DockState, dock
from autodrive.safety.envelope import WalkEnvelope, load_envelope
from autodrive.scene import EgoState

FRAME_NS = 100_000_000
ENVELOPES = Path(__file__).resolve().parents[1] / "config" / "envelopes"


class Body:
    """Under-delivers, drifts, sways, coasts when told to stop, and moves a little further with every stop."""

    def __init__(self, gain: tuple[float, float, float], drift: tuple[float, float, float]) -> None:
        self.gain, self.drift = np.array(gain), np.array(drift)
        self.pose, self.velocity, self.stamp_ns = Pose2(0.0, 0.0, 0.0), np.zeros(3), 0

    def ego(self) -> EgoState:
        walking = float(np.abs(self.velocity).max() > 0.01)
        sway = 0.03 * walking * math.sin(2 * math.pi * self.stamp_ns * 1e-9)
        pose = self.pose @ Pose2(0.0, sway, 0.0)
        vx, vy, rate = self.velocity
        return EgoState(self.stamp_ns, pose, float(vx), float(rate), lateral_speed=float(vy))

    def move(self, vx: float, vy: float, rate: float) -> None:
        command = np.array([vx, vy, rate])
        wanted = self.gain * command + self.drift if np.linalg.norm(command) > 0.01 else np.zeros(3)
        self.velocity += (wanted - self.velocity) * 0.25
        x, y, turn = self.velocity * FRAME_NS * 1e-9
        self.pose = self.pose @ Pose2(x, y, turn)
        self.stamp_ns += FRAME_NS


def run(body: Body, goal: Pose2, seconds: float = 90.0) -> DockState:
    state = DockState()
    while body.stamp_ns < seconds * 1e9 and state.phase not in ("done", "failed"):
        command, state = dock(body.ego(), goal, state)
        body.move(command.vx, command.vy, command.yaw_rate)
    return state


@settings(max_examples=25)
@given(
    x=st.floats(-0.8, 0.8),
    y=st.floats(-0.6, 0.6),
    yaw=st.floats(-1, 1),
    gain=st.floats(0.5, 1.0),
    drift=st.floats(-0.05, 0.05),
)
def test_comes_to_stand_at_the_goal(x: float, y: float, yaw: float, gain: float, drift: float) -> None:
    body = Body((gain, 0.7 * gain, gain), (drift, -drift, drift / 2))
    goal = Pose2(x, y, yaw)
    assert run(body, goal).done
    error = goal.inverse() @ body.pose
    assert math.hypot(error.x, error.y) < 0.04
    assert abs(error.yaw) < math.radians(4)


def test_never_faster_than_allowed() -> None:
    body, state, fastest = Body((0.9, 0.6, 1.0), (0.02, 0.0, 0.0)), DockState(), 0.0
    while state.phase not in ("done", "failed"):
        command, state = dock(body.ego(), Pose2(1.0, 0.5, 0.2), state)
        body.move(command.vx, command.vy, command.yaw_rate)
        fastest = max(fastest, float(np.hypot(*body.velocity[:2])))
    assert state.done
    assert fastest < 0.15 + 0.08  # until it has learnt how much further this body goes


def test_stands_while_done_and_docks_again_when_pushed_away() -> None:
    body, goal = Body((0.8, 0.6, 0.9), (0.0, 0.0, 0.0)), Pose2(0.3, 0.0, 0.0)
    state = run(body, goal)
    command, state = dock(body.ego(), goal, state)
    assert (command.vx, command.vy, command.yaw_rate) == (0.0, 0.0, 0.0)
    body.pose = body.pose @ Pose2(-0.1, 0.05, 0.0)
    for _ in range(300):
        command, state = dock(body.ego(), goal, state)
        body.move(command.vx, command.vy, command.yaw_rate)
    assert state.done
    assert math.hypot(body.pose.x - goal.x, body.pose.y) < 0.02


def test_a_body_that_cannot_move_is_given_up() -> None:
    assert run(Body((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), Pose2(0.2, 0.0, 0.0), 300.0).phase == "failed"


def test_same_inputs_same_commands() -> None:
    ego = EgoState(0, Pose2(0.1, 0.2, 0.3), 0.0, 0.0)
    assert dock(ego, Pose2(1.0, 0.0, 0.0), DockState()) == dock(ego, Pose2(1.0, 0.0, 0.0), DockState())
    assert pytest.approx(ego.pose.x) == 0.1


def test_the_gate_lets_every_docking_command_pass() -> None:
    envelope = load_envelope(ENVELOPES / "humanoid.yaml", WalkEnvelope)
    forward, sideways, turn = DockConfig().max_command
    assert forward <= min(envelope.max_forward, envelope.max_backward)
    assert sideways <= envelope.max_sideways and turn <= envelope.max_yaw_rate
