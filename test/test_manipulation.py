"""Arms in real physics, with the walking policy in the loop, noisy sensors and the odometry of the legs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from manipulation_sim import Bench, Fetch, cargo

from autodrive.humanoid.arm_task import ArmStatus, ArmTask, BoxPose

FAR_AWAY = cargo(x=3.0, surface=0.4)  # nothing is in the way of the hands
BACK = (-0.15, 0.0, 0.0)


def ended(status: ArmStatus) -> bool:
    return status.done or bool(status.failed)


def pick(box: BoxPose, task_id: int = 1) -> ArmTask:
    return ArmTask("pick", task_id, box=box, docked=True)


def test_fetch_jobs() -> None:
    """Lift, carry back 1 m, turn round, place. The rate over 30 is in docs/manipulation.md."""
    outcomes = [Fetch(seed).run() for seed in range(6)]
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    assert len(failures) <= 1, failures
    assert all(outcome.lift_m > 0.08 for outcome in outcomes if not outcome.failure)


def test_fingertips_come_to_a_point() -> None:
    bench = Bench(FAR_AWAY)
    points = [(0.40, 0.05, 0.78), (0.42, -0.2, 0.95), (0.34, -0.1, 1.12)]
    for task_id, point in enumerate(points):
        task = ArmTask("reach", task_id, point=point, frame="base_link", docked=True)
        assert bench.run(task, 10.0, ended).done
        bench.run(task, 1.0)
        where = bench.true_pose.apply(np.array(point[:2]))
        tip = bench.fingertips(0 if point[1] > 0 else 1)
        assert np.linalg.norm(tip - (*where, point[2])) < 0.015


def test_a_point_out_of_reach_is_waited_for() -> None:
    status = Bench(FAR_AWAY).run(ArmTask("touch", 1, point=(2.0, 0.0, 0.9)), 3.0)
    assert (status.phase, status.done) == ("waiting", False)
    assert "out of reach" in status.note


@pytest.mark.parametrize(("offset", "y"), [(0.03, 0.1), (-0.03, -0.05)])
def test_touch_stops_at_contact(offset: float, y: float) -> None:
    item = replace(cargo(x=0.38, y=y), mass=0.2)
    bench = Bench(item)
    point = (item.box.x - item.box.length / 2 + offset, y, item.box.z)
    task = ArmTask("touch", 1, point=point, docked=True)
    status = bench.run(task, 15.0, ended)
    assert status.done and status.phase == "touching"
    bench.run(task, 1.0)
    assert np.linalg.norm((bench.box - (item.box.x, item.box.y, item.box.z))[:2]) < 0.02
    gap = item.box.x - item.box.length / 2 - bench.true_pose.inverse().apply(bench.fingertips(0 if y > 0 else 1)[:2])[0]
    assert abs(gap) < 0.02


def test_touching_nothing_is_said() -> None:
    status = Bench(FAR_AWAY).run(ArmTask("touch", 1, point=(0.38, 0.1, 0.95), docked=True), 15.0, ended)
    assert status.failed == "nothing there to touch"


@pytest.mark.parametrize("phase", ["over", "close", "squeeze", "lift"])
def test_stop_in_any_phase_is_safe(phase: str) -> None:
    item = cargo()
    bench = Bench(item)
    bench.run(pick(item.box), 20.0, lambda status: status.phase == phase)
    bench.run(pick(item.box), 0.2)
    frozen = bench.step(ArmTask("stop", 2))
    before = bench.state.position[-7:].copy()
    status = bench.run(ArmTask("stop", 2), 3.0)
    assert status.phase == "stopped" and status.holding == frozen.holding
    assert np.abs(bench.state.position[-7:] - before).max() < 0.15
    after = ArmTask("hold", 3) if status.holding else ArmTask("rest", 3)
    assert not bench.run(after, 4.0, walk=BACK).failed


def test_held_box_and_its_loss() -> None:
    item = cargo()
    bench = Bench(item)
    status = bench.run(pick(item.box), 20.0, ended)
    assert status.done and status.holding
    assert bench.box[2] - item.box.z > 0.08
    assert status.load_n == pytest.approx(9.81 * item.mass, abs=1.5)
    hold = ArmTask("hold", 2)
    bench.run(hold, 3.0)
    assert bench.run(ArmTask("rest", 3), 0.5).failed == "a box is held: place it first"
    status = bench.run(hold, 3.0, walk=(-0.2, 0.0, 0.0))
    assert status.holding and not status.failed
    bench.take_box_away()
    status = bench.run(hold, 1.0, ended)
    bench.run(hold, 0.2)
    status = bench.run(hold, 1.0, lambda s: s.failed)
    assert not status.holding
    assert status.failed == "the box is no longer between the hands"
    assert bench.run(ArmTask("rest", 4), 8.0, lambda s: s.done, walk=BACK).done


def test_a_carried_box_stays_where_it_was_gripped() -> None:
    item = cargo(x=0.36)
    bench, hold = Bench(item), ArmTask("hold", 2)
    assert bench.run(pick(replace(item.box, x=item.box.x - 0.03)), 20.0, ended).holding  # not in its middle
    bench.run(hold, 6.0, walk=(-0.25, 0.0, 0.0))
    gripped = bench.box_in_hands
    for turn in (0.4, -0.4):
        assert bench.run(hold, 10.0, walk=(0.35, 0.0, turn)).holding
    assert np.linalg.norm(bench.box_in_hands - gripped) < 0.02


def test_a_box_that_is_not_there() -> None:
    bench = Bench(FAR_AWAY)
    status = bench.run(pick(cargo().box), 20.0, ended)
    assert status.failed == "no box between the palms"
    assert not status.holding
    assert bench.run(ArmTask("place", 2, box=cargo().box, surface=0.7), 0.1).failed == "nothing is held"


def test_rest_gives_the_arms_back_without_a_jolt() -> None:
    bench = Bench(FAR_AWAY)
    bench.run(ArmTask("ready", 1), 3.0, lambda status: status.done)
    assert bench.run(ArmTask("rest", 2), 8.0, lambda status: status.done).done
    command, _ = bench.arms.step(bench.state, bench.ego, ArmTask("rest", 2))
    assert command.names == () and command.position.shape == (0,)
    speed = 0.0
    for _ in range(50):
        bench.step(ArmTask("rest", 2))
        speed = max(speed, float(np.abs(bench.state.velocity[-14:]).max()))
    assert speed < 2.0
    bench.run(ArmTask("rest", 2), 3.0, walk=(0.4, 0.0, 0.3))
    bench.run(ArmTask("rest", 2), 2.0)


def test_same_seed_same_bytes() -> None:
    def final() -> bytes:
        item = cargo()
        bench = Bench(item, seed=3)
        bench.run(pick(item.box), 2.0)
        return bench.data.qpos.tobytes()

    assert final() == final()
