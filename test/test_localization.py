"""Dead reckoning integrates what a car senses, learns the gyro bias, and refuses nonsense."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.localization.dead_reckoning import DeadReckoning
from autodrive.localization.lane_alignment import LaneAligner, LateralCorrection
from autodrive.localization.route_line import RouteLine
from autodrive.scene import EgoState, GridExtent, GroundClass, GroundGrid, GroundMarkings, Route

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


# --- lane alignment -------------------------------------------------------------------------------------------------

STREET = Route(np.array([[0.0, 0.0], [400.0, 0.0]]), ORIGIN, 13.9)
NO_PAINT = GroundMarkings(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
HALF_LANE = 1.65


def see(
    true_pose: Pose2, rng: np.random.Generator, left: float = HALF_LANE, right: float = -HALF_LANE
) -> tuple[GroundGrid, GroundMarkings]:
    """A noisy 1 m grid and centre-line points of a street along x, as seen from ``true_pose``."""
    extent = GridExtent(-32.0, 32.0, -32.0, 32.0)
    centres = np.arange(-31.5, 32.0)
    local = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1)
    y = true_pose.apply(local)[..., 1]
    free = 1 / (1 + np.exp(-(y - right) / 0.25)) * (y < left + 3.4) + rng.normal(0, 0.05, y.shape)
    x = true_pose.x + rng.uniform(-15, 25, 60)
    x = x[(x % 9.0) < 4.0]  # dashes
    points = np.column_stack([x, left + rng.normal(0, 0.15, len(x))])
    clutter = np.column_stack([true_pose.x + rng.uniform(-15, 25, 6), rng.uniform(-6, 6, 6)])
    points = true_pose.inverse().apply(np.vstack([points, clutter]))
    kind = np.full(len(points), int(GroundClass.LANE_MARKING))
    grid = GroundGrid(extent, np.clip(free, 0, 1)[None].astype(np.float32))
    return grid, GroundMarkings(points, kind, np.full(len(points), 0.8))


def drive(
    error: Pose2, *, frames: int = 200, yaw_rate: float = 0.0, left: float = HALF_LANE, right: float = -HALF_LANE
) -> tuple[list[LateralCorrection], list[Pose2], list[Pose2]]:
    """Drive along the street while dead reckoning is off by ``error`` (in the body's axes)."""
    rng, aligner = np.random.default_rng(0), LaneAligner()
    shown, true, believed = [], [], []
    for i in range(frames):
        true_pose = Pose2(20.0 + 0.7 * i, 0.1 * math.sin(i / 20), 0.0)
        wrong = true_pose @ error
        ego = EgoState(i * TICK, wrong, 7.0, yaw_rate)
        shown.append(aligner.update(ego, STREET, *see(true_pose, rng, left, right)))
        true.append(true_pose)
        believed.append(wrong)
    return shown, true, believed


@pytest.mark.parametrize("offset", [-0.6, -0.3, 0.0, 0.3, 0.6])
def test_offset_is_found(offset: float) -> None:
    shown, true, believed = drive(Pose2(0.0, offset, 0.0))
    assert shown[-1].offset_m == pytest.approx(-offset, abs=0.2)
    assert shown[-1].apply(believed[-1]).y == pytest.approx(true[-1].y, abs=0.2)
    assert abs(shown[-1].yaw_rad) < 0.02
    assert shown[-1].confidence > 0.5
    assert np.abs(np.diff([c.offset_m for c in shown])).max() <= 0.03  # 0.15 m/s and what the yaw adds


def test_paint_beside_a_parking_strip_serves_as_the_right_boundary() -> None:
    rng, aligner = np.random.default_rng(5), LaneAligner()
    for i in range(150):
        true_pose = Pose2(20.0 + 0.7 * i, 0.0, 0.0)
        free, paint = see(true_pose, rng, right=-HALF_LANE - 1.6)
        x = true_pose.x + rng.uniform(-5, 20, 40)
        strip = true_pose.inverse().apply(np.column_stack([x, -HALF_LANE + rng.normal(0, 0.15, 40)]))
        points = np.vstack([paint.points, strip])
        paint = GroundMarkings(points, np.ones(len(points), np.int64), np.ones(len(points)))
        wrong = Pose2(true_pose.x, 0.4, 0.0)
        correction = aligner.update(EgoState(i * TICK, wrong, 7.0, 0.0), STREET, free, paint)
    assert correction.apply(wrong).y == pytest.approx(0.0, abs=0.15)


def test_slow_drift_is_followed_beyond_half_a_lane() -> None:
    rng, aligner = np.random.default_rng(1), LaneAligner()
    for i in range(500):
        true_pose = Pose2(20.0 + 0.7 * i, 0.0, 0.0)
        wrong = Pose2(true_pose.x, 0.003 * 0.7 * i, 0.003)  # the gyro lied by 0.003 rad
        correction = aligner.update(EgoState(i * TICK, wrong, 7.0, 0.0), STREET, *see(true_pose, rng))
    assert correction.apply(wrong).y == pytest.approx(0.0, abs=0.3)
    assert correction.apply(wrong).yaw == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("left", "right"),
    [(40.0, -HALF_LANE), (HALF_LANE, -40.0), (2.8, -2.8), (1.0, -1.0)],
    ids=["no centre line", "no edge", "too wide", "too narrow"],
)
def test_doubtful_streets_give_no_correction(left: float, right: float) -> None:
    shown, _, _ = drive(Pose2(0.0, 0.3, 0.0), frames=60, left=left, right=right)
    assert all(c == LateralCorrection() for c in shown)


def test_nothing_is_learnt_while_turning() -> None:
    shown, _, _ = drive(Pose2(0.0, 0.4, 0.0), frames=60, yaw_rate=0.2)
    assert all(c == LateralCorrection() for c in shown)


def test_a_bend_ahead_stops_learning() -> None:
    bend = Route(np.array([[0.0, 0.0], [28.0, 0.0], [28.0, 60.0]]), ORIGIN, 13.9)
    rng, aligner = np.random.default_rng(0), LaneAligner()
    for i in range(30):
        pose = Pose2(20.0 + 0.05 * i, 0.0, 0.0)
        out = aligner.update(EgoState(i * TICK, Pose2(pose.x, 0.4, 0.0), 2.0, 0.0), bend, *see(pose, rng))
    assert out == LateralCorrection()


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_noise_never_drives_it_out_of_bounds(seed: int) -> None:
    rng, aligner = np.random.default_rng(seed), LaneAligner()
    for i in range(40):
        grid = GroundGrid(GridExtent(-32, 32, -32, 32), rng.random((1, 64, 64), dtype=np.float32))
        paint = GroundMarkings(rng.uniform(-20, 20, (80, 2)), np.full(80, 1), rng.random(80))
        pose = Pose2(20.0 + i, rng.normal(0, 0.3), rng.normal(0, 0.05))
        out = aligner.update(EgoState(i * TICK, pose, 8.0, 0.0), STREET, grid, paint)
        assert abs(out.offset_m) <= 0.3


def test_alignment_refuses_bad_ego_states() -> None:
    aligner, grid = LaneAligner(), GroundGrid(GridExtent(-32, 32, -32, 32), np.zeros((1, 64, 64), np.float32))
    aligner.update(EgoState(TICK, ORIGIN, 1.0, 0.0), STREET, grid, NO_PAINT)
    with pytest.raises(InputError, match="come after"):
        aligner.update(EgoState(TICK, ORIGIN, 1.0, 0.0), STREET, grid, NO_PAINT)
    with pytest.raises(InputError, match="not finite"):
        aligner.update(EgoState(2 * TICK, Pose2(0.0, math.nan, 0.0), 1.0, 0.0), STREET, grid, NO_PAINT)


def test_what_one_street_taught_serves_on_the_next() -> None:
    """East, then north: the error across the first street lies along the second, and is still known there."""
    arc = np.linspace(0, np.pi / 2, 20)
    corner = np.stack([200 + 12 * np.sin(arc), 12 - 12 * np.cos(arc)], axis=1)
    route = Route(np.vstack([[[0.0, 0.0]], corner, [[212.0, 200.0]]]), ORIGIN, 13.9)
    line, rng, aligner = RouteLine(route), np.random.default_rng(2), LaneAligner()
    raw = DeadReckoning(Pose2(20.0, 0.0, 0.0))
    errors, before = [], 0.0
    for i in range(480):
        x, y, yaw = line.sample(np.array(20.0 + 0.7 * i))
        rate, before = (0.0 if i == 0 else (yaw - before) * 10), float(yaw)
        ego = raw.update(i * TICK, 7.0 * 1.004, rate + 0.0003, 0.0)  # worn tyres, a gyro with a bias
        street = (
            see(Pose2(float(x), float(y), 0.0), rng) if yaw < 0.1 else see_north(Pose2(float(x), float(y), yaw), rng)
        )
        pose = aligner.update(ego, route, *street).apply(ego.pose)
        errors.append((pose.x - x, pose.y - y, ego.pose.x - x, ego.pose.y - y))
    assert abs(errors[250][1]) < 0.2 < 0.5 < abs(errors[250][3])  # east: held across the street
    assert abs(errors[-1][0]) < 0.2 < 0.5 < abs(errors[-1][2])  # north: held across that one
    assert abs(errors[-1][1]) < abs(errors[-1][3]) - 0.2  # what the first street taught


def see_north(true_pose: Pose2, rng: np.random.Generator) -> tuple[GroundGrid, GroundMarkings]:
    """The street of ``see``, but running north at x = 212."""
    street_from_map = Pose2(212.0, 0.0, math.pi / 2).inverse()
    return see(street_from_map @ true_pose, rng)
