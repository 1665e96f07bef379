"""Brings the nodes of a system up in order: configures all of them, then activates them one after the other."""

from __future__ import annotations

import sys
import time
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

START_TIMEOUT_S = 60.0
READY = "READY"


class LifecycleManager:
    """Drives the lifecycle of named nodes over their change_state services."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._node = Node("lifecycle_manager", enable_rosout=False, start_parameter_services=False)
        self._clients = {name: self._node.create_client(ChangeState, f"/{name}/change_state") for name in names}

    def run(self) -> int:
        """Bring all up, say READY on standard output, and stay until interrupted; 1 if a node refused."""
        try:
            up = all(self._change(name, Transition.TRANSITION_CONFIGURE, "configured") for name in self._clients)
            up = up and all(self._change(name, Transition.TRANSITION_ACTIVATE, "activated") for name in self._clients)
            if not up:
                return 1
            sys.stdout.write(READY + "\n")
            sys.stdout.flush()
            rclpy.spin(self._node)
        except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
            pass
        finally:
            rclpy.try_shutdown()
        return 0

    def _change(self, name: str, transition: int, done: str) -> bool:
        client = self._clients[name]
        deadline = time.monotonic() + START_TIMEOUT_S
        while not client.wait_for_service(timeout_sec=0.2):
            if time.monotonic() > deadline:
                return self._refuse(f"{name} did not start within {START_TIMEOUT_S:.0f} s")
        request = ChangeState.Request(transition=Transition(id=transition))
        future: Any = client.call_async(request)
        rclpy.spin_until_future_complete(self._node, future, timeout_sec=START_TIMEOUT_S)
        if not future.done():
            return self._refuse(f"{name} was not {done} within {START_TIMEOUT_S:.0f} s")
        return bool(future.result().success) or self._refuse(f"{name} could not be {done}")

    @staticmethod
    def _refuse(text: str) -> bool:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
        return False
