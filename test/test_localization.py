"""Dead reckoning integrates what a car senses, learns the gyro bias, and refuses nonsense."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.localization.dead_reckoning import DeadReckoning

TICK = 100_000_000
ORIGIN = Pose2(0.0, 0.0, 0.0)


def test_circle_closes() -> None:
    odometry = DeadReckoning(ORIGIN)
    speed, rate, steps = 5.0, 0.25, 2000
    dt_ns = round(2 * math.pi / rate / steps * 1e9)
    steering = math.atan(rate * 2.579 / speed)
    for i in range(steps + 1):
        ego = odometry.update(i * dt_ns, speed, rate, steering)
    assert math.hypot(ego.pose.x, ego.pose.y) < 0.01
    assert abs(ego.pose.yaw) < 1e-3
    assert odometry.health.plausibility > 0.99


@given(st.floats(0.5, 20), st.floats(-0.5, 0.5), st.floats(-3, 3))
def test_half_steps_agree_with_whole_steps(speed: float, rate: float, yaw: float) -> None:
    start = Pose2(3.0, -2.0, yaw)
    coarse, fine = DeadReckoning(start), DeadReckoning(start)
    for i in range(11):
        a = coarse.update(i * TICK, speed, rate, 0.0)
    for i in range(21):
        b = fine.update(i * TICK // 2, speed, rate, 0.0)
    assert math.hypot(a.pose.x - b.pose.x, a.pose.y - b.pose.y) < 0.02
    assert abs(math.remainder(a.pose.yaw - b.pose.yaw, 2 * math.pi)) < 1e-9


def test_gyro_bias_is_learnt_while_standing_and_removed_after() -> None:
    rng = np.random.default_rng(3)
    odometry = DeadReckoning(ORIGIN)
    stamp, bias = 0, 0.01
    for _ in range(150):
        odometry.update(stamp, 0.0, bias + rng.normal(0, 0.002), 0.0)
        stamp += TICK
    assert abs(odometry.health.gyro_bias - bias) < 0.001
    for i in range(300):
        ego = odometry.update(stamp, min(10.0, 0.3 * (i + 1)), bias, 0.0)
        stamp += TICK
    assert abs(ego.pose.yaw) < 0.05  # 0.3 rad without the correction
    assert ego.pose.x > 200


def test_standing_still_does_not_drift() -> None:
    odometry = DeadReckoning(ORIGIN)
    for i in range(600):
        ego = odometry.update(i * TICK, 0.0, 0.02, 0.0)
    assert abs(ego.pose.yaw) < 0.02
    assert ego.yaw_rate == 0.0


def test_first_reading_sits_at_the_start_pose() -> None:
    start = Pose2(5.0, 6.0, 0.7)
    ego = DeadReckoning(start).update(42, 8.0, 0.1, 0.0, 1.5)
    assert (ego.pose.x, ego.pose.y, ego.pose.yaw) == pytest.approx((5.0, 6.0, 0.7))
    assert (ego.stamp_ns, ego.speed, ego.acceleration) == (42, 8.0, 1.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e4])
@pytest.mark.parametrize("field", ["wheel_speed", "yaw_rate", "steering", "acceleration"])
def test_bad_values_are_named_and_change_nothing(field: str, bad: float) -> None:
    odometry, reference = DeadReckoning(ORIGIN), DeadReckoning(ORIGIN)
    good = {"wheel_speed": 5.0, "yaw_rate": 0.1, "steering": 0.05, "acceleration": 0.0}
    for each in (odometry, reference):
        each.update(0, **good)
    with pytest.raises(InputError, match=field):
        odometry.update(TICK, **{**good, field: bad})
    assert odometry.update(TICK, **good) == reference.update(TICK, **good)


@pytest.mark.parametrize("stamp", [TICK, 0, -5])
def test_time_must_go_forward(stamp: int) -> None:
    odometry = DeadReckoning(ORIGIN)
    odometry.update(TICK, 1.0, 0.0, 0.0)
    with pytest.raises(InputError, match="does not come after"):
        odometry.update(stamp, 1.0, 0.0, 0.0)


def test_long_gap_loses_the_pose_until_reset() -> None:
    odometry = DeadReckoning(ORIGIN)
    odometry.update(0, 1.0, 0.0, 0.0)
    with pytest.raises(InputError, match="new initial pose"):
        odometry.update(20 * TICK, 1.0, 0.0, 0.0)
    odometry.reset(Pose2(1.0, 0.0, 0.0))
    assert odometry.update(21 * TICK, 1.0, 0.0, 0.0).pose.x == 1.0


def test_wheel_jump_is_refused_once_but_a_crash_is_believed_soon() -> None:
    odometry = DeadReckoning(ORIGIN)
    odometry.update(0, 10.0, 0.0, 0.0)
    refused = 0
    for i in range(1, 8):
        try:
            ego = odometry.update(i * TICK, 0.0, 0.0, 0.0)
        except InputError:
            refused += 1
    assert 1 <= refused <= 4
    assert ego.speed == 0.0


def test_a_skid_lowers_the_plausibility() -> None:
    odometry = DeadReckoning(ORIGIN)
    for i in range(30):
        odometry.update(i * TICK, 8.0, 1.0, 0.0)
    assert odometry.health.plausibility < 0.2
