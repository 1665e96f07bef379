"""The controller: tracking in the bench, stopping and holding, and safe stops for bad input."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from driving_sim import Ego, Scenario, run, straight, with_turn
from hypothesis import given
from hypothesis import strategies as st

from autodrive.control.controller import Controller, ControllerConfig
from autodrive.geometry import Pose2
from autodrive.scene import EgoState, Trajectory

STAMP = 1_000_000_000


def line(pace: float = 5.0, **changes: object) -> Trajectory:
    t = np.arange(26) * 0.2
    zero = np.zeros(26)
    plan = Trajectory(STAMP, t, pace * t, zero, zero, np.full(26, pace), zero, zero)
    return dataclasses.replace(plan, **changes)  # type: ignore[arg-type]


def ego(speed: float = 5.0, y: float = 0.0, yaw: float = 0.0, stamp: int = STAMP) -> EgoState:
    return EgoState(stamp, Pose2(0.0, y, yaw), speed, 0.0)


@pytest.mark.parametrize("left", [True, False])
def test_tracks_a_tight_turn_within_0_3_m(left: bool) -> None:
    route = with_turn(30.0, 9.0, 30.0, left=left)
    log = run(Scenario(route, corridors=[(route, 4.0)]), noise=0.0)
    assert max(log.lateral_error) < 0.3
    assert log.completion > 0.99
    assert log.final_speed < 0.05


def test_an_offset_and_a_heading_error_decay_without_overshoot() -> None:
    body, controller = Ego(Pose2(0.0, 0.8, 0.05), 7.0), Controller()
    offsets = []
    t = np.arange(26) * 0.2
    zero = np.zeros(26)
    for k in range(50):
        stamp = STAMP + k * 100_000_000
        start = body.pose.x
        plan = Trajectory(stamp, t, start + 7.0 * t, zero, zero, np.full(26, 7.0), zero, zero)
        body.step(controller.step(plan, body.state(stamp)))
        offsets.append(body.pose.y)
    assert abs(offsets[-1]) < 0.05
    assert min(offsets) > -0.15


def test_stops_at_the_goal_and_holds() -> None:
    log = run(Scenario(straight(40.0), corridors=[(straight(70.0), 3.0)]), noise=0.0)
    assert log.completion > 0.99
    assert abs(log.pose[-1].x - 40.0) < 0.6
    assert max(log.speed[-15:]) < 0.02


def test_holds_the_brake_while_the_plan_stands() -> None:
    standing = line(0.0)
    command = Controller().step(standing, ego(0.0))
    assert command.acceleration == ControllerConfig().hold_acceleration
    assert command.speed == 0.0


def test_feed_forward_and_feedback_have_the_right_sign() -> None:
    assert Controller().step(line(5.0), ego(4.0)).acceleration > 0
    assert Controller().step(line(5.0), ego(6.0)).acceleration < 0
    controller = Controller()
    controller.step(line(), ego(y=0.5))
    later = controller.step(line(stamp_ns=STAMP + 100_000_000), ego(y=0.5, stamp=STAMP + 100_000_000))
    assert later.steering < 0


def test_steering_rate_is_limited() -> None:
    controller = Controller()
    controller.step(line(), ego(yaw=-0.5))
    command = controller.step(line(stamp_ns=STAMP + 100_000_000), ego(yaw=-0.5, stamp=STAMP + 100_000_000))
    assert 0 < command.steering <= 0.06 + 1e-9


BAD = {
    "missing": None,
    "empty": line(t=np.zeros(0), x=np.zeros(0), y=np.zeros(0), yaw=np.zeros(0), speed=np.zeros(0),
                  acceleration=np.zeros(0), curvature=np.zeros(0)),
    "nan": line(x=np.full(26, np.nan)),
    "lengths": line(speed=np.zeros(5)),
    "time runs back": line(t=np.zeros(26)),
    "old": line(stamp_ns=STAMP - 600_000_000),
    "from the future": line(stamp_ns=STAMP + 200_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_trajectory_is_a_safe_stop(name: str) -> None:
    controller = Controller()
    controller.step(line(), ego(y=0.3))
    before = controller.step(line(), ego(y=0.3)).steering
    command = controller.step(BAD[name], ego())
    assert command.acceleration == -ControllerConfig().safe_stop_deceleration
    assert command.speed == 0.0
    assert command.steering == before


def test_odometry_that_is_not_finite_is_a_safe_stop() -> None:
    command = Controller().step(line(), ego(speed=math.nan))
    assert command.acceleration < 0
    assert math.isfinite(command.steering)


number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-50, 50)


@given(x=number, y=number, yaw=number, speed=number, rate=number, value=number, stamp=st.integers(0, 3 * STAMP))
def test_never_says_nan(x: float, y: float, yaw: float, speed: float, rate: float, value: float, stamp: int) -> None:
    controller = Controller()
    state = EgoState(stamp, Pose2(x, y, yaw), speed, rate)
    plan = line(curvature=np.full(26, value), acceleration=np.full(26, value))
    for plan_now in (plan, line(), None):
        command = controller.step(plan_now, state)
        assert all(math.isfinite(v) for v in (command.steering, command.acceleration, command.speed))
        assert abs(command.steering) <= ControllerConfig().max_steering


def test_hard_braking_is_marked_as_an_emergency() -> None:
    hard = Controller().step(line(acceleration=np.full(26, -6.0)), ego())
    soft = Controller().step(line(acceleration=np.full(26, -3.0)), ego())
    assert (hard.emergency, soft.emergency) == (True, False)
