"""The gate's supervisor over real DDS: stages that fall silent, an operator's stop, hand and reset, and an impostor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from graph_bench import GraphBench
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from autodrive.geometry import Pose2
from autodrive.safety.stage_watch import FAILURES, StageWatch
from autodrive.safety.supervision import distance_to_plan
from autodrive.scene import Command, EgoState, Trajectory
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.paths import ENVELOPES
from autodrive_nodes.safety_gate_node import SafetyGateNode
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes, trajectory_to_bytes

TICK = 100_000_000
STAGES = ["perception", "localization", "planning", "control"]


def plan(stamp_ns: int, *points: tuple[float, float]) -> Trajectory:
    x, y = (np.array(values, dtype=float) for values in zip(*points, strict=True))
    zero, t = np.zeros(len(x)), np.arange(len(x)) * 0.1
    return Trajectory(stamp_ns, t, x, y, zero, zero, zero, zero)


class Driven:
    """A gate in realtime, and all that it hears."""

    def __init__(self, bench: GraphBench) -> None:
        self.bench, self.now, self.speed = bench, 10 * TICK, 0.0
        self.commands, self.states = bench.listen(contracts.COMMAND), bench.listen(contracts.SAFETY_STATE)
        parameters = {"envelope": str(ENVELOPES / "car.yaml"), "mode": "realtime", "stages": STAGES}
        bench.up(SafetyGateNode("safety_gate", parameters))
        self._plans = bench.node.create_publisher(trajectory_type(), contracts.TRAJECTORY.name, 20)
        bench.spin(lambda: self._plans.get_subscription_count() > 0)
        self._reset = bench.node.create_client(Trigger, "/safety_gate/reset")
        bench.spin(self._reset.service_is_ready)

    def drive(self, ticks: int, *, dead: str = "") -> None:
        """So many frames of a car that drives straight on, one stage of which may be silent."""
        for _ in range(ticks):
            self.now += TICK
            said = len(self.commands)
            self.say(contracts.CLOCK, Clock(clock=messages.to_time(self.now)))
            self.say(contracts.ODOMETRY, messages.to_odometry(EgoState(self.now, Pose2(0, 0, 0), self.speed, 0.0)))
            if dead != "perception":
                self.say(contracts.TRACKS, messages.to_tracks(self.now, ()))
            if dead != "planning":
                self._plans.publish(trajectory_to_bytes(plan(self.now, (0, 0), (5, 0))))
            if dead != "control":
                self.say(contracts.CONTROL, messages.to_control(Command(self.now, 0.0, 0.5, 8.0)))
            self.bench.spin(lambda said=said: len(self.commands) > said or dead == "control")  # type: ignore[misc]
            self.bench.settle(0.03)

    def say(self, topic: Topic, message: Any) -> None:
        self.bench.publish(topic, message)

    def state(self) -> dict[str, str]:
        status = self.states[-1].status[0]
        return {"verdict": status.message, **{pair.key: pair.value for pair in status.values}}

    def reset(self) -> tuple[bool, str]:
        future = self._reset.call_async(Trigger.Request())
        self.bench.spin(future.done)
        return future.result().success, future.result().message


def trajectory_type() -> Any:
    from autodrive_nodes.stage_node import message_type

    return message_type(contracts.TRAJECTORY.type)


@pytest.fixture
def driven() -> Iterator[Driven]:
    with GraphBench() as bench:
        car = Driven(bench)
        car.drive(12)
        assert car.state() == {"verdict": "pass"} | {
            "reaction": "none",
            "by_hand": "False",
            "armed": "True",
            "latched": "",
            "faults": "",
        }
        yield car


def braking(command: Any) -> bool:
    return bool(command.longitudinal.velocity == 0.0)


@pytest.mark.parametrize("stage", ["perception", "planning", "control"])
def test_a_silent_stage_stops_the_car_and_latches_until_the_operator_resets_it(driven: Driven, stage: str) -> None:
    driven.drive(7, dead=stage)
    assert braking(driven.commands[-1])
    assert driven.state()["reaction"] == "comfort" and stage in driven.state()["faults"]
    driven.drive(3)
    assert not braking(driven.commands[-1]), "what passes within the time of the envelope is forgiven"
    driven.drive(40, dead=stage)
    driven.drive(12)
    assert driven.state()["latched"] == f"{stage} silent"
    assert braking(driven.commands[-1])
    assert driven.reset() == (True, "all is well")
    driven.drive(3)
    assert not braking(driven.commands[-1])


def test_a_reset_while_the_fault_lasts_or_the_car_rolls_changes_nothing(driven: Driven) -> None:
    driven.drive(40, dead="planning")
    success, message = driven.reset()
    assert not success and "planning is silent" in message
    driven.speed = 2.0
    driven.drive(12)
    assert not driven.reset()[0]
    assert driven.state()["latched"] == "planning silent"


def test_the_operators_stop_latches(driven: Driven) -> None:
    driven.say(contracts.OPERATOR_STOP, Bool(data=True))
    driven.bench.settle()
    assert braking(driven.commands[-1]) and "operator" in driven.state()["faults"]
    driven.say(contracts.OPERATOR_STOP, Bool(data=False))
    driven.drive(3)
    assert braking(driven.commands[-1]) and driven.state()["latched"] == "operator"
    assert driven.reset()[0]


def test_an_operator_drives_by_hand_inside_the_envelope_though_stages_are_dead(driven: Driven) -> None:
    driven.drive(8, dead="perception")
    assert braking(driven.commands[-1])
    for _ in range(10):
        driven.say(contracts.OPERATOR_CONTROL, messages.to_control(Command(driven.now, 0.3, 1.0, 3.0)))
        driven.drive(1, dead="perception")
    last = driven.commands[-1]
    assert driven.state()["by_hand"] == "True"
    assert last.longitudinal.velocity == pytest.approx(3.0) and 0.1 < last.lateral.steering_tire_angle < 0.301
    driven.drive(8)
    assert braking(driven.commands[-1]), "the hand is taken away: nobody drives until a reset"
    assert "operator" in driven.state()["latched"]


def test_two_publishers_of_commands_are_one_too_many(driven: Driven) -> None:
    other = driven.bench.node.create_publisher(type(driven.commands[-1]), contracts.COMMAND.name, 10)
    driven.bench.settle(0.5)
    driven.drive(2)
    assert braking(driven.commands[-1]) and "2 publish /control/command" in driven.state()["faults"]
    driven.bench.node.destroy_publisher(other)
    driven.bench.settle(0.5)
    driven.drive(2)
    assert not braking(driven.commands[-1])


def test_the_clock_must_neither_jump_nor_stand_still(driven: Driven) -> None:
    driven.now += 50 * TICK
    driven.drive(2)
    assert driven.state()["reaction"] == "emergency" and driven.state()["latched"].startswith("clock")
    driven.drive(12)
    assert driven.reset()[0]
    driven.bench.settle(2.6)
    assert braking(driven.commands[-1]) and "clock stands still" in driven.state()["faults"]


def test_the_plan_arrives_as_it_was_sent_and_is_measured_to_its_nearest_point() -> None:
    path = trajectory_from_bytes(trajectory_to_bytes(plan(TICK, (0, 0), (10, 0), (10, 10))))
    cases = {(5, 3): 3.0, (12, 5): 2.0, (-3, -4): 5.0, (10, 0): 0.0}
    for (x, y), distance in cases.items():
        assert distance_to_plan(EgoState(TICK, Pose2(x, y, 0.0), 1.0, 0.0), path) == pytest.approx(distance)
    here = EgoState(TICK, Pose2(3, 4, 0.0), 1.0, 0.0)
    assert distance_to_plan(here, plan(TICK, (0, 0))) == pytest.approx(5.0)
    assert math.isclose(distance_to_plan(here, plan(TICK, (0, 0), (0, 0))), 5.0)


def test_failures_count_in_a_row_and_an_answer_makes_up_for_them() -> None:
    watch = StageWatch(["perception"])
    for k in range(FAILURES - 1):
        watch.complain("perception", k, "dark")
        watch.complain("perception", k, "dark")  # said twice of one frame
    watch.complain("stranger", 9, "never heard of")
    assert watch.errors == {}
    watch.complain("perception", FAILURES, "darker")
    assert watch.errors == {"perception": "darker"}
    watch.beat("perception", FAILURES - 1)
    assert watch.stamps == {"perception": FAILURES - 1} and watch.errors == {}
