"""The shell of every stage: a lifecycle node that hears topics, brings equal stamps together, steps, and publishes.

A subclass says what it needs in ``setup`` (called by configure; anything that can fail belongs there) and acts in
callbacks that only convert messages and call the library. An expected failure at run time is logged once with its
text, counted and published on /diagnostics; the stage then says nothing for that frame, and the safety gate answers
silence by braking.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from autodrive.errors import AutodriveError
from autodrive.lockstep import StampSynchronizer
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic

FATAL_PREFIX = "FATAL: "
DEPTH = 20


def message_type(name: str) -> Any:
    """The Python class of "package/msg/Name"."""
    package, kind, item = name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), item)


def qos(topic: Topic, depth: int = DEPTH) -> QoSProfile:
    """Reliable; latched topics also reach those who come late."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability
    )


class StageNode(LifecycleNode):
    """Base of all nodes of the graph; ``defaults`` are the node's parameters with their default values."""

    defaults: dict[str, Any] = {}  # noqa: RUF012 (a constant of each subclass)

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        super().__init__(name, parameter_overrides=overrides, enable_rosout=False, start_parameter_services=False)
        for key, value in self.defaults.items():
            self.declare_parameter(key, value)
        self._wanted: list[Callable[[], Subscription]] = []
        self._heard: list[Subscription] = []
        self._said: list[Publisher] = []
        self._failures: dict[str, int] = {}

    def setup(self) -> None:
        """Allocate, load, and register ``hear``, ``hear_together`` and ``say``."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Release what ``setup`` allocated."""

    def started(self) -> None:
        """Called once when the node becomes active."""

    def value(self, parameter: str) -> Any:
        """A parameter's value."""
        return self.get_parameter(parameter).value

    def say(self, topic: Topic, **names: str) -> Publisher:
        """A publisher of ``topic``."""
        publisher = self.create_publisher(message_type(topic.type), topic.name.format(**names), qos(topic))
        self._said.append(publisher)
        return publisher

    def hear(
        self, topic: Topic, callback: Callable[[Any], None], *, depth: int = DEPTH, raw: bool = False, **names: str
    ) -> None:
        """Subscribe to ``topic`` while the node is active."""

        def guarded(message: Any) -> None:
            self.guard(lambda: callback(message))

        name = topic.name.format(**names)
        self._wanted.append(
            lambda: self.create_subscription(message_type(topic.type), name, guarded, qos(topic, depth), raw=raw)
        )

    def hear_together(
        self,
        inputs: dict[str, tuple[Topic, Callable[[Any], Any]]],
        step: Callable[[int, dict[str, Any]], None],
    ) -> StampSynchronizer:
        """Call ``step(stamp, values)`` once per stamp for which every input came, converted by its function."""
        synchronizer = StampSynchronizer(tuple(inputs), depth=DEPTH)

        def receive(name: str, convert: Callable[[Any], Any], message: Any) -> None:
            stamp = message.header.stamp if hasattr(message, "header") else message.stamp
            stamp_ns = messages.stamp_ns(stamp)
            if (values := synchronizer.add(name, stamp_ns, convert(message))) is not None:
                step(stamp_ns, values)

        for name, (topic, convert) in inputs.items():
            self.hear(topic, lambda m, n=name, c=convert: receive(n, c, m))  # type: ignore[misc]
        return synchronizer

    def guard(self, action: Callable[[], None]) -> None:
        """Run ``action``; an AutodriveError is reported, anything else is a defect and ends the process."""
        try:
            action()
        except AutodriveError as error:
            self.report_failure(str(error))

    def report_failure(self, text: str) -> None:
        """Log a failure the first time it happens and count it on /diagnostics."""
        count = self._failures[text] = self._failures.get(text, 0) + 1
        if count == 1:
            self.get_logger().error(text)
        self._diagnostics.publish(
            messages.to_diagnostics(0, self.get_name(), DiagnosticStatus.ERROR, text, {"count": count})
        )

    def diagnose(self, stamp_ns: int, level: bytes, text: str, values: dict[str, Any] | None = None) -> None:
        """Publish one status of this node."""
        self._diagnostics.publish(messages.to_diagnostics(stamp_ns, self.get_name(), level, text, values or {}))

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: ``setup``; a failure is one line that starts with FATAL_PREFIX."""
        self._diagnostics = self.create_publisher(DiagnosticArray, contracts.DIAGNOSTICS.name, DEPTH)
        return self._attempt(self.setup)

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: subscribe."""
        result = super().on_activate(state)
        self._heard = [subscribe() for subscribe in self._wanted]
        return self._attempt(self.started) if result == TransitionCallbackReturn.SUCCESS else result

    def _attempt(self, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except AutodriveError as error:
            self._say_fatal(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            traceback.print_exc()  # rclpy swallows what a transition raises
            self._say_fatal(f"defect: {error!r}")
            raise
        return TransitionCallbackReturn.SUCCESS

    def _say_fatal(self, text: str) -> None:
        sys.stderr.write(f"{FATAL_PREFIX}{self.get_name()}: {text}\n")
        sys.stderr.flush()

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: stop hearing."""
        for subscription in self._heard:
            self.destroy_subscription(subscription)
        self._heard = []
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: release."""
        for publisher in self._said:
            self.destroy_publisher(publisher)
        self._said, self._wanted = [], []
        self.shutdown()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: release whatever state the node is in."""
        self.shutdown()
        return TransitionCallbackReturn.SUCCESS
