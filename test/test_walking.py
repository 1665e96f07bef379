"""Walking in the kinematic bench: goals in halls among people, manoeuvres, following, bad input."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from walking_halls import random_hall
from walking_sim import Log, Perception, Person, Scene, run

from autodrive.control.walking import WalkingController
from autodrive.errors import InputError
from autodrive.forecast import forecast
from autodrive.geometry import Pose2, wrap_angle
from autodrive.planning.goal_planner import GoalPlanner
from autodrive.planning.manoeuvres import ManoeuvreLimits, stand, step_to, turn
from autodrive.scene import DetectedObject, EgoState, ObjectClass, TrackedObject, Trajectory
from autodrive.sim.hall import Block, Hall

LIMITS = ManoeuvreLimits()
MAN = (0.5, 0.55, 1.75)


def thing(label: ObjectClass, x: float, y: float, length: float, width: float, yaw: float = 0.0) -> DetectedObject:
    return DetectedObject(label, 1.0, x, y, 0.5, yaw, length, width, 1.0)


def hall(*things: DetectedObject, walls: tuple[Block, ...] = (), steps: tuple[Block, ...] = ()) -> Hall:
    outer = tuple(
        Block(x, y, yaw, 12.4, 0.2, 3.0)
        for x, y, yaw in ((0, 5.1, 0.0), (0, -5.1, 0.0), (6.1, 0, math.pi / 2), (-6.1, 0, math.pi / 2))
    )
    return Hall(0, 12.0, 10.0, 3.0, outer + walls, steps, (), things, ())


def safe(log: Log) -> None:
    assert log.contact == ""
    assert log.intrusion == ""


def ego(**changes: float) -> EgoState:
    return replace(EgoState(10**9, Pose2(0.0, 0.0, 0.0), 0.0, 0.0), **changes)


# ---- in closed loop


@pytest.mark.parametrize("seed", [3, 5, 14, 22])
def test_reaches_goals_in_random_halls(seed: int) -> None:
    log = run(random_hall(seed), seed)
    safe(log)
    assert log.reached


def test_walks_around_a_shelf() -> None:
    shelf = thing(ObjectClass.SHELF, 0.0, 0.0, 0.6, 4.0)
    log = run(Scene(hall(shelf), [], Pose2(-3.0, 0.0, 0.0), Pose2(3.0, 0.0, 0.0), 40.0), 1)
    safe(log)
    assert log.reached
    assert max(abs(p.y) for p in log.pose) > 2.2


def test_walks_through_a_doorway() -> None:
    walls = (Block(0.0, 3.4, math.pi / 2, 3.6, 0.2, 3.0), Block(0.0, -2.6, math.pi / 2, 5.2, 0.2, 3.0))
    log = run(Scene(hall(walls=walls), [], Pose2(-3.0, -2.0, 0.0), Pose2(3.0, -2.0, 1.0), 60.0), 2)
    safe(log)
    assert log.reached


def test_turns_on_the_spot_when_the_goal_is_behind() -> None:
    log = run(Scene(hall(), [], Pose2(2.0, 0.0, 0.0), Pose2(-2.0, 0.0, math.pi), 30.0), 3)
    safe(log)
    assert log.reached
    turning = [p for p, reason in zip(log.pose, log.reason, strict=True) if reason == "turn to the route"]
    assert len(turning) > 20
    assert max(math.hypot(p.x - 2.0, p.y) for p in turning) < 0.25


def test_a_goal_at_its_place_is_only_turned_to() -> None:
    log = run(Scene(hall(), [], Pose2(0.0, 0.0, 0.0), Pose2(0.05, 0.0, -2.5), 15.0), 4)
    assert log.reached
    assert log.length < 0.6


@pytest.mark.parametrize(("height", "over"), [(0.03, True), (0.10, False)])
def test_steps_above_five_centimetres_are_walked_around(height: float, over: bool) -> None:
    step = Block(0.0, 0.0, 0.0, 1.0, 2.4, height)
    log = run(Scene(hall(steps=(step,)), [], Pose2(-3.0, 0.0, 0.0), Pose2(3.0, 0.0, 0.0), 40.0), 5)
    safe(log)
    assert log.reached
    assert (max(abs(p.y) for p in log.pose) < 1.0) == over


def test_stands_when_boxed_in_and_says_why() -> None:
    ring = [thing(ObjectClass.BARRIER, 1.3 * x, 1.3 * y, 3.0, 0.4, yaw) for x, y, yaw in RING]
    log = run(Scene(hall(*ring), [], Pose2(0.0, 0.0, 0.0), Pose2(4.0, 0.0, 0.0), 12.0), 6)
    safe(log)
    assert not log.reached
    assert max(log.speed[20:]) < 0.05
    assert "no route" in log.reason[-1]


RING = ((1, 0, math.pi / 2), (-1, 0, math.pi / 2), (0, 1, 0.0), (0, -1, 0.0))


def test_a_goal_without_room_for_the_last_steps_is_faced_from_beside_it() -> None:
    goal, planner = Pose2(-0.3, 0.0, math.pi), GoalPlanner()
    size = {"length": 0.3, "width": 0.6, "height": 0.8, "vx": 0.0, "vy": 0.0, "yaw_rate": 0.0, "age_s": 5.0}
    tracks = [TrackedObject(k, ObjectClass.BARRIER, 0.9, x, 0.0, 0.4, 0.0, **size) for k, x in ((1, -0.5), (2, 0.55))]
    for k in range(8):
        state = ego(pose=Pose2(0.0, 0.0, 0.0), stamp_ns=(10 + k) * 10**8)
        plan = planner.plan(state, forecast(tuple(tracks), state, None, None), None, goal)
    assert plan.reason == "turn beside the goal"
    facing = replace(state, pose=Pose2(0.0, 0.0, math.pi), stamp_ns=2 * 10**9)
    assert planner.plan(facing, forecast(tuple(tracks), facing, None, None), None, goal).speed.max() < 0.05


def test_lets_somebody_pass_in_a_doorway() -> None:
    walls = (Block(0.0, 2.9, math.pi / 2, 4.2, 0.2, 3.0), Block(0.0, -2.9, math.pi / 2, 4.2, 0.2, 3.0))
    walker = Person(2.5, 0.0, MAN, [(-4.0, 0.3), (-4.0, 3.0)], 0.9, math.pi)
    log = run(Scene(hall(walls=walls), [walker], Pose2(-2.5, 0.0, 0.0), Pose2(3.0, 1.0, 0.0), 90.0), 7)
    safe(log)
    assert log.reached


def test_walks_around_somebody_who_stands_at_a_distance() -> None:
    someone = Person(0.0, 0.0, MAN, [], 0.0)
    log = run(Scene(hall(), [someone], Pose2(-3.0, 0.0, 0.0), Pose2(3.0, 0.0, 0.0), 60.0), 8)
    safe(log)
    assert log.reached
    assert log.least_gap > 0.35


def test_without_a_goal_it_stands() -> None:
    log = run(Scene(hall(), [], Pose2(0.0, 0.0, 0.0), None, 3.0), 9)
    assert log.reason[-1] == "no goal"
    assert max(log.speed) == 0.0


def test_walks_slower_while_carrying() -> None:
    held = thing(ObjectClass.BOX, -1.65, 0.0, 0.3, 0.3)
    scene = Scene(hall(), [], Pose2(-2.0, 0.0, 0.0), Pose2(2.0, 0.0, 0.0), 40.0, carrying=True)
    log = run(scene, 10)
    assert log.reached
    assert max(log.speed) < 0.42
    # the box in its hands, right before it, is no obstacle
    planner = GoalPlanner()
    state = ego(pose=Pose2(-2.0, 0.0, 0.0))
    boxed = Perception(replace(scene, hall=hall(held)), 0, 0.0)
    for _ in range(4):
        tracks = boxed.tracks(state.pose)
    assert len(tracks) == 1
    plan = planner.plan(state, forecast(tracks, state, None, None), boxed.free(state.pose), scene.goal, carrying=True)
    assert plan.x[-1] > -1.7


def test_docks_straight_at_a_table_and_backs_away_from_it() -> None:
    table = thing(ObjectClass.TABLE, 0.0, 2.0, 1.6, 0.8)
    # the body's front is 9 cm from the edge
    dock = Pose2(0.0, 2.0 - 0.4 - 0.32, math.pi / 2)
    log = run(Scene(hall(table), [], Pose2(-2.0, -1.0, 0.0), dock, 50.0, frozenset({0})), 11)
    safe(log)
    assert log.reached
    close = [abs(wrap_angle(p.yaw - dock.yaw)) for p in log.pose if p.y > 1.1]
    assert max(close) < 0.35
    away = run(Scene(hall(table), [], dock, Pose2(-2.0, -1.0, 0.0), 50.0, frozenset({0})), 12)
    safe(away)
    assert away.reached
    assert "step back" in away.reason


def test_the_same_seed_gives_the_same_walk() -> None:
    logs = [run(replace(random_hall(1), duration_s=6.0), 1) for _ in range(2)]
    assert logs[0].pose == logs[1].pose
    assert logs[0].reason == logs[1].reason


def test_a_plan_costs_little() -> None:
    scene = random_hall(5)
    planner, perception, state = GoalPlanner(), Perception(scene, 0, 1.0), ego(pose=scene.start)
    spent = 0.0
    for k in range(30):
        state = replace(state, stamp_ns=(k + 1) * 10**8)
        free = perception.free(state.pose)
        forecasts = forecast(perception.tracks(state.pose), state, None, free)
        start = time.process_time()
        planner.plan(state, forecasts, free, scene.goal)
        spent += time.process_time() - start
    assert spent / 30 < 0.030  # some 6 ms on a quiet core


@pytest.mark.parametrize(
    ("state", "goal", "word"),
    [
        (ego(speed=math.nan), Pose2(1.0, 0.0, 0.0), "odometry"),
        (ego(lateral_speed=math.inf), Pose2(1.0, 0.0, 0.0), "odometry"),
        (ego(), Pose2(math.nan, 0.0, 0.0), "goal"),
    ],
)
def test_bad_input_is_named(state: EgoState, goal: Pose2, word: str) -> None:
    with pytest.raises(InputError, match=word):
        GoalPlanner().plan(state, (), None, goal)


# ---- manoeuvres


def test_standing_is_standing() -> None:
    plan = stand(ego(), "why")
    assert (plan.x == 0.0).all()
    assert (plan.yaw == 0.0).all()
    assert (plan.speed == 0.0).all()
    assert plan.reason == "why"


@pytest.mark.parametrize("yaw", [2.0, -0.4, 3.1])
def test_a_turn_stays_in_place_and_inside_its_limits(yaw: float) -> None:
    plan = turn(ego(), yaw, LIMITS, "turn")
    rate = np.diff(plan.yaw) / np.diff(plan.t)
    assert (plan.x == 0.0).all()
    assert np.abs(rate).max() <= LIMITS.yaw_rate + 1e-6
    assert np.abs(np.diff(rate)).max() / 0.1 <= LIMITS.yaw_acceleration + 1e-6
    assert (np.sign(rate[np.abs(rate) > 1e-9]) == np.sign(yaw)).all()
    assert plan.yaw[-1] == pytest.approx(yaw, abs=0.01) or abs(yaw) > 2.4


def test_steps_lead_straight_to_a_point_at_the_side() -> None:
    plan = step_to(ego(), Pose2(0.1, -0.3, 0.2), LIMITS, "steps")
    assert (plan.x[-1], plan.y[-1], plan.yaw[-1]) == pytest.approx((0.1, -0.3, 0.2), abs=0.01)
    assert plan.speed.max() <= LIMITS.step_speed
    assert np.allclose(plan.y, -3 * plan.x, atol=1e-9)


# ---- following


def straight(speed: float = 0.4, stamp: int = 10**9) -> Trajectory:
    t = np.arange(21) * 0.2
    zero = np.zeros(21)
    return Trajectory(stamp, t, speed * t, zero, zero, np.full(21, speed), zero, zero)


def settle(trajectory: Trajectory, state: EgoState, steps: int = 15) -> tuple[float, float, float]:
    controller = WalkingController()
    for k in range(steps):
        stamp = state.stamp_ns + k * 10**8
        command = controller.step(replace(trajectory, stamp_ns=stamp), replace(state, stamp_ns=stamp))
    return command.vx, command.vy, command.yaw_rate


def test_feeds_the_planned_velocity_forward_in_body_axes() -> None:
    assert settle(straight(), ego(speed=0.4)) == pytest.approx((0.4, 0.0, 0.0), abs=0.02)
    vx, vy, yaw_rate = settle(straight(0.2), ego(pose=Pose2(0.0, 0.0, 0.5), speed=0.2 * math.cos(0.5)))
    assert vx > 0.1
    assert vy < -0.05
    assert yaw_rate < -0.3


def test_asks_for_more_where_less_is_delivered() -> None:
    assert settle(straight(0.4), ego(speed=0.28))[0] > 0.45


def test_accelerations_and_speeds_are_limited() -> None:
    controller, last = WalkingController(), np.zeros(3)
    plan = straight(1.5)
    plan = replace(plan, y=plan.x, yaw=np.linspace(0.0, 9.0, 21))
    for k in range(20):
        stamp = 10**9 + k * 10**8
        command = controller.step(replace(plan, stamp_ns=stamp), ego(stamp_ns=stamp))
        now = np.array([command.vx, command.vy, command.yaw_rate])
        assert (np.abs(now - last) <= np.array([0.08, 0.08, 0.2]) + 1e-9).all()
        assert abs(now[0]) <= 0.6
        assert abs(now[1]) <= 0.25
        assert abs(now[2]) <= 0.8
        last = now


@pytest.mark.parametrize(
    "trajectory",
    [
        None,
        straight(stamp=4 * 10**8),
        straight(stamp=2 * 10**9),
        replace(straight(), x=np.full(21, np.nan)),
        replace(straight(), x=np.zeros(3)),
        replace(straight(), t=np.zeros(21)),
        stand(ego(), "stand"),
    ],
)
def test_what_is_stale_or_malformed_or_stands_is_exactly_zero(trajectory: Trajectory | None) -> None:
    controller = WalkingController()
    for k in range(5):
        stamp = 5 * 10**8 + k * 10**8
        controller.step(replace(straight(), stamp_ns=stamp), ego(stamp_ns=stamp))
    command = controller.step(trajectory, ego())
    assert (command.vx, command.vy, command.yaw_rate) == (0.0, 0.0, 0.0)
