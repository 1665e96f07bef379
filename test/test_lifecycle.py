"""A stage goes through its lifecycle over its services, as a manager drives it: up, down, clean, and up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_bench import GraphBench
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.parameter import Parameter

from autodrive.geometry import Pose2
from autodrive.scene import EgoState, Trajectory
from autodrive_nodes import contracts, messages
from autodrive_nodes.control_node import ControlNode
from autodrive_nodes.paths import ENVELOPES
from autodrive_nodes.safety_gate_node import SafetyGateNode
from autodrive_nodes.stage_node import FATAL_PREFIX, StageNode

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


class Manager:
    """Asks one stage for transitions."""

    def __init__(self, bench: GraphBench, stage: StageNode) -> None:
        self._bench = bench
        bench.host(stage)
        self._change = bench.node.create_client(ChangeState, f"/{stage.get_name()}/change_state")
        self._state = bench.node.create_client(GetState, f"/{stage.get_name()}/get_state")
        bench.spin(lambda: self._change.service_is_ready() and self._state.service_is_ready())

    def ask(self, transition: int) -> bool:
        return bool(self._call(self._change, ChangeState.Request(transition=Transition(id=transition))).success)

    def state(self) -> str:
        return str(self._call(self._state, GetState.Request()).current_state.label)

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._bench.spin(future.done)
        return future.result()


def feed(bench: GraphBench, stamp_ns: int) -> None:
    """One frame of what control needs."""
    t = np.arange(20) * 0.1
    zero = np.zeros(20)
    bench.publish(contracts.TRAJECTORY, messages.to_trajectory(Trajectory(stamp_ns, t, t, zero, zero, t, t, zero)))
    bench.publish(contracts.ODOMETRY, messages.to_odometry(EgoState(stamp_ns, Pose2(0, 0, 0), 1.0, 0.0)))


def test_a_stage_acts_only_while_it_is_active_and_can_come_back() -> None:
    with GraphBench() as bench:
        bench.publisher(contracts.TRAJECTORY, heard=False), bench.publisher(contracts.ODOMETRY, heard=False)
        heard = bench.listen(contracts.CONTROL)
        stage = Manager(bench, ControlNode("control", {}))
        assert stage.state() == "unconfigured"
        for turn in (1, 2):
            assert stage.ask(CONFIGURE)
            assert stage.state() == "inactive"
            assert stage.ask(ACTIVATE)
            assert stage.state() == "active"
            feed(bench, turn * 1_000_000_000)
            bench.spin(lambda turn=turn: len(heard) == turn)  # type: ignore[misc]
            assert messages.stamp_ns(heard[-1].stamp) == turn * 1_000_000_000
            assert stage.ask(DEACTIVATE)
            assert bench.publisher(contracts.TRAJECTORY, heard=False).get_subscription_count() == 0
            assert stage.ask(CLEANUP)
            assert bench.node.count_publishers(contracts.CONTROL.name) == 0
        assert len(heard) == 2


def test_a_transition_that_is_not_possible_changes_nothing() -> None:
    with GraphBench() as bench:
        stage = Manager(bench, ControlNode("control", {}))
        assert not stage.ask(ACTIVATE)
        assert stage.state() == "unconfigured"


def test_a_failed_configuration_is_said_in_one_line_and_can_be_repeated(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "envelope.yaml"
    wrong.write_text("max_speed: fast\n")
    with GraphBench() as bench:
        node = SafetyGateNode("safety_gate", {"envelope": str(wrong), "mode": "realtime"})
        stage = Manager(bench, node)
        assert not stage.ask(CONFIGURE)
        assert stage.state() == "unconfigured"
        said = capfd.readouterr().err
        assert said.count("\n") == 1 and said.startswith(f"{FATAL_PREFIX}safety_gate: ") and str(wrong) in said
        assert bench.node.count_publishers(contracts.COMMAND.name) == 0  # nothing half-made is left
        node.set_parameters([Parameter("envelope", value=str(ENVELOPES / "car.yaml"))])
        assert stage.ask(CONFIGURE) and stage.ask(ACTIVATE)
        assert stage.state() == "active"


def test_in_lockstep_a_stage_whose_input_nobody_publishes_says_so(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autodrive_nodes.stage_node.MATCH_TIMEOUT_S", 0.2)
    with GraphBench() as bench:
        stage = Manager(bench, ControlNode("control", {}))
        assert stage.ask(CONFIGURE)
        assert not stage.ask(ACTIVATE)
        said = capfd.readouterr().err
        assert contracts.TRAJECTORY.name in said and contracts.ODOMETRY.name in said
        assert stage.state() == "inactive"


def test_a_defect_in_setup_is_shown_and_not_swallowed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlNode, "setup", lambda self: [][0])
    with GraphBench() as bench:
        assert not Manager(bench, ControlNode("control", {})).ask(CONFIGURE)
    said = capfd.readouterr().err
    assert f"{FATAL_PREFIX}control: defect: IndexError" in said and "Traceback" in said
