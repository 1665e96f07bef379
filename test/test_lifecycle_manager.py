"""The manager brings nodes up although DDS may lose what is sent to one who was just discovered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from rclpy.executors import SingleThreadedExecutor

from autodrive.errors import AutodriveError
from autodrive_nodes import lifecycle_manager
from autodrive_nodes.control_node import ControlNode
from autodrive_nodes.lifecycle_manager import LifecycleManager, _Request

CONFIGURE = Transition.TRANSITION_CONFIGURE


class Future:
    def __init__(self, result: Any) -> None:
        self._result = result

    def done(self) -> bool:
        return self._result is not None

    def result(self) -> Any:
        return self._result


class Client:
    """Answers one call after the other; None is lost."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.calls = 0

    def service_is_ready(self) -> bool:
        return True

    def call_async(self, request: Any) -> Future:
        self.calls += 1
        return Future(self._answers.pop(0))


def changed(success: bool) -> Any:
    return SimpleNamespace(success=success)


def state(number: int) -> Any:
    return SimpleNamespace(current_state=SimpleNamespace(id=number))


INACTIVE, UNCONFIGURED = state(State.PRIMARY_STATE_INACTIVE), state(State.PRIMARY_STATE_UNCONFIGURED)


def rounds_until_done(request: _Request) -> int:
    for number in range(1, 20):
        if request.is_done():
            return number
    pytest.fail("never done")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_manager, "PATIENCE_S", -1.0)


def test_an_answer_ends_it() -> None:
    change = Client(changed(True))
    assert rounds_until_done(_Request("a", change, Client(), CONFIGURE)) == 2
    assert change.calls == 1


def test_a_lost_answer_is_found_in_the_state() -> None:
    change = Client(None)
    rounds_until_done(_Request("a", change, Client(None, INACTIVE), CONFIGURE))
    assert change.calls == 1


def test_a_lost_request_is_sent_again() -> None:
    change = Client(None, changed(True))
    rounds_until_done(_Request("a", change, Client(UNCONFIGURED), CONFIGURE))
    assert change.calls == 2


def test_a_request_that_came_twice_is_no_refusal() -> None:
    change = Client(None, changed(False))
    rounds_until_done(_Request("a", change, Client(UNCONFIGURED, INACTIVE), CONFIGURE))
    assert change.calls == 2


def test_a_refusal_is_named() -> None:
    with pytest.raises(AutodriveError, match="planning could not be configured"):
        rounds_until_done(_Request("planning", Client(changed(False)), Client(UNCONFIGURED), CONFIGURE))


def test_real_nodes_come_up_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    rclpy.init()
    executor = SingleThreadedExecutor()
    nodes = [ControlNode(name, {"mode": "realtime"}) for name in ("first", "second")]
    manager = LifecycleManager(("first", "second"))
    for node in (*nodes, manager):
        executor.add_node(node)
    said: list[str] = []

    def spin_once(timeout_s: float) -> bool:
        executor.spin_once(timeout_sec=timeout_s)
        said.append(capfd.readouterr().out)
        return "READY\n" not in said

    assert manager.run(spin_once) == 0
    assert [node._state_machine.current_state[1] for node in nodes] == ["active", "active"]
    for node in (*nodes, manager):
        node.destroy_node()
    rclpy.try_shutdown()
