"""Brings the nodes of a system up: configures all of them at once, then activates them one after the other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

from autodrive.errors import AutodriveError, EnvironmentProblem

START_TIMEOUT_S = 60.0
READY = "READY"
SpinOnce = Callable[[float], bool]


class LifecycleManager(Node):
    """Drives the lifecycle of named nodes over their change_state services."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("lifecycle_manager", enable_rosout=False, start_parameter_services=False)
        self._of: dict[str, Any] = {name: self.create_client(ChangeState, f"/{name}/change_state") for name in names}

    def run(self, spin_once: SpinOnce) -> int:
        """Bring all up, say READY on standard output, stay until ``spin_once`` says to end; 1 if a node refused."""
        names = tuple(self._of)
        try:
            self._change(names, Transition.TRANSITION_CONFIGURE, "configured", spin_once)
            for name in names:
                self._change((name,), Transition.TRANSITION_ACTIVATE, "activated", spin_once)
        except AutodriveError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        sys.stdout.write(READY + "\n")
        sys.stdout.flush()
        while spin_once(1.0):
            pass
        return 0

    def _change(self, names: tuple[str, ...], transition: int, done: str, spin_once: SpinOnce) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        request = ChangeState.Request(transition=Transition(id=transition))
        answers: dict[str, Any] = {}
        while True:
            for name in names:
                if name not in answers and self._of[name].service_is_ready():
                    answers[name] = self._of[name].call_async(request)
            refused = [n for n, answer in answers.items() if answer.done() and not answer.result().success]
            if refused:
                raise AutodriveError(f"{', '.join(refused)} could not be {done}")
            missing = [n for n in names if n not in answers or not answers[n].done()]
            if not missing:
                return
            if time.monotonic() > deadline:
                raise EnvironmentProblem(f"{', '.join(missing)} could not be {done} within {START_TIMEOUT_S:.0f} s")
            if not spin_once(0.02):
                raise AutodriveError(f"interrupted before {', '.join(missing)} could be {done}")
