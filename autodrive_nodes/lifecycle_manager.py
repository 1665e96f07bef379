"""Brings the nodes of a system up: configures all of them at once, then activates them one after the other.

One that may ``revive`` also looks after them: a node whose process was started again is brought up as before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node

from autodrive.errors import AutodriveError, EnvironmentProblem

START_TIMEOUT_S = 60.0
PATIENCE_S = 3.0
REVIVE_PERIOD_S = 1.0
READY = "READY"
# the states in which a transition has nothing to do: a manager that was started again finds its nodes at work
_GOALS = {
    Transition.TRANSITION_CONFIGURE: ((State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE), "configured"),
    Transition.TRANSITION_ACTIVATE: ((State.PRIMARY_STATE_ACTIVE,), "activated"),
}
SpinOnce = Callable[[float], bool]


class LifecycleManager(Node):
    """Drives the lifecycle of named nodes over their services."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("lifecycle_manager", enable_rosout=False, start_parameter_services=False)
        self._clients_of: dict[str, tuple[Any, Any]] = {
            name: (
                self.create_client(ChangeState, f"/{name}/change_state"),
                self.create_client(GetState, f"/{name}/get_state"),
            )
            for name in names
        }
        self._asked: dict[str, tuple[Any, float]] = {}

    def run(self, spin_once: SpinOnce, *, revive: bool = False) -> int:
        """Bring all up, say READY on standard output, stay until ``spin_once`` says to end; 1 if a node refused."""
        names = tuple(self._clients_of)
        try:
            self._change(names, Transition.TRANSITION_CONFIGURE, spin_once)
            for name in names:
                self._change((name,), Transition.TRANSITION_ACTIVATE, spin_once)
        except AutodriveError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        sys.stdout.write(READY + "\n")
        sys.stdout.flush()
        looked = time.monotonic()
        while spin_once(REVIVE_PERIOD_S):
            if revive and time.monotonic() - looked >= REVIVE_PERIOD_S:  # an answer wakes us too
                looked = time.monotonic()
                self._revive(spin_once)
        return 0

    def _revive(self, spin_once: SpinOnce) -> None:
        """A node that refuses says itself why; its process may come back and be asked again."""
        for name in [name for name, get in self._states().items() if get == State.PRIMARY_STATE_UNCONFIGURED]:
            try:
                self._change((name,), Transition.TRANSITION_CONFIGURE, spin_once)
                self._change((name,), Transition.TRANSITION_ACTIVATE, spin_once)
            except AutodriveError as error:
                self.get_logger().error(str(error))
            self._asked.pop(name, None)  # what it answers to a question from before says nothing any more

    def _states(self) -> dict[str, int]:
        """What the nodes answered that were asked last time; asks those again that have answered or take too long."""
        known = {name: get.result().current_state.id for name, (get, _) in self._asked.items() if get.done()}
        for name in known:
            del self._asked[name]
        now = time.monotonic()
        for name, (_, get) in self._clients_of.items():
            waiting = self._asked.get(name)
            if waiting is not None and now - waiting[1] < PATIENCE_S:
                continue
            if get.service_is_ready():
                self._asked[name] = (get.call_async(GetState.Request()), now)
        return known

    def _change(self, names: tuple[str, ...], transition: int, spin_once: SpinOnce) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        requests = [_Request(name, *self._clients_of[name], transition) for name in names]
        while waiting := [request for request in requests if not request.is_done()]:
            what = f"{', '.join(request.name for request in waiting)} could not be {_GOALS[transition][1]}"
            if time.monotonic() > deadline:
                raise EnvironmentProblem(f"{what} within {START_TIMEOUT_S:.0f} s")
            if not spin_once(0.02):
                raise AutodriveError(f"interrupted: {what}")


class _Request:
    """One transition of one node. DDS may lose the answer to a client that it has just met: ask for what is late."""

    def __init__(self, name: str, change: Any, get: Any, transition: int) -> None:
        self.name = name
        self._change, self._get, self._transition = change, get, transition
        self._answer: Any = None
        self._state: Any = None
        self._asked = 0.0

    def is_done(self) -> bool:
        """Whether the node is where it should be; raises AutodriveError if it refused."""
        if self._answer is None:
            self._send()
        elif self._answer.done() and self._answer.result().success:
            return True
        elif self._state is not None and self._state.done():
            return self._judge(self._state.result().current_state.id)
        elif self._answer.done() or time.monotonic() - self._asked > PATIENCE_S:
            self._ask_state()
        return False

    def _send(self) -> None:
        if self._change.service_is_ready():
            self._answer = self._change.call_async(ChangeState.Request(transition=Transition(id=self._transition)))
            self._asked = time.monotonic()

    def _ask_state(self) -> None:
        late = time.monotonic() - self._asked > PATIENCE_S
        if self._get.service_is_ready() and (self._state is None or late):
            self._state = self._get.call_async(GetState.Request())
            self._asked = time.monotonic()

    def _judge(self, state: int) -> bool:
        goals, done = _GOALS[self._transition]
        if state in goals:
            return True
        if self._answer.done():
            raise AutodriveError(f"{self.name} could not be {done}")
        self._answer = self._state = None  # the request itself was lost
        return False
