"""The shell of every stage: a lifecycle node that hears topics, brings equal stamps together, steps, and publishes.

A subclass says what it needs in ``setup`` (called by configure; anything that can fail belongs there) and acts in
callbacks that only convert messages and call the library. An expected failure at run time is logged once with its
text, counted and published on /diagnostics with the stamp of the frame; the stage then says nothing for that frame,
and the safety gate answers silence by braking.
"""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from autodrive.errors import AutodriveError, ConfigError, EnvironmentProblem
from autodrive.lockstep import StampSynchronizer
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic

FATAL_PREFIX = "FATAL: "
DEPTH = 20
OUTBOX_DEPTH = 1000  # a reader that falls behind, as a recorder may for seconds, loses nothing
LOCKSTEP, REALTIME = "lockstep", "realtime"
MATCH_TIMEOUT_S = 40.0
ROS_PARAMETERS = {"use_sim_time", "start_type_description_service"}


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
    """Base of all nodes of the graph; ``defaults`` are the node's parameters with their default values.

    Every node has ``mode``: in lockstep nothing is lost and every stage acts once per frame; in realtime stages act on
    the newest frame and let late ones go.
    """

    defaults: dict[str, Any] = {}  # noqa: RUF012 (a constant of each subclass)

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        super().__init__(name, parameter_overrides=overrides, enable_rosout=False, start_parameter_services=False)
        self._declare({"mode": LOCKSTEP, **self.defaults})
        self.handled = 0  # messages
        self._handling_ns = 0
        self._required: set[str] = set()
        self._wanted: list[Callable[[], Subscription]] = []
        self._heard: list[Subscription] = []
        self._active = False
        self._said: list[Any] = []  # LifecyclePublisher
        self._ticking: list[Timer] = []
        self._failures: dict[str, int] = {}

    def _declare(self, defaults: dict[str, Any]) -> None:
        for key, value in defaults.items():
            try:
                self.declare_parameter(key, value)
            except InvalidParameterTypeException as error:
                raise ConfigError(f"parameter {key} of {self.get_name()}: {error}") from error
        # rclpy ignores what nobody declares, so that a misspelt parameter would silently keep its default
        unknown = self._parameter_overrides.keys() - defaults.keys() - ROS_PARAMETERS
        if unknown:
            raise ConfigError(f"{self.get_name()} has no parameter {sorted(unknown)}; it has {sorted(defaults)}")

    def setup(self) -> None:
        """Allocate, load, and register ``hear``, ``hear_together`` and ``say``."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Release what ``setup`` allocated, however far it came; may be called more than once."""

    def started(self) -> None:
        """Called once when the node becomes active."""

    def value(self, parameter: str) -> Any:
        """A parameter's value."""
        return self.get_parameter(parameter).value

    @property
    def lockstep(self) -> bool:
        """Whether every stage acts exactly once per frame, however long that takes."""
        return bool(self.value("mode") == LOCKSTEP)

    def say(self, topic: Topic, **names: str) -> Publisher:
        """A publisher of ``topic``."""
        profile = qos(topic) if topic.latched else qos(topic, OUTBOX_DEPTH)
        publisher = self.create_publisher(message_type(topic.type), topic.name.format(**names), profile)
        self._said.append(publisher)
        return publisher

    def hear(
        self,
        topic: Topic,
        callback: Callable[[Any], None],
        *,
        depth: int = DEPTH,
        raw: bool = False,
        required: bool = False,
        reliable: bool = True,
        **names: str,
    ) -> None:
        """Subscribe to ``topic`` while the node is active; in lockstep, a ``required`` one must have a publisher then.

        A node that is active already subscribes at once. Publishers that are not reliable are heard if we need not be.
        ``raw`` hands out the serialized bytes. (Message infos are not offered: Kilted's events executor fails on them.)
        """

        def guarded(message: Any) -> None:
            self.handled += 1
            self._handling_ns = messages.stamp_of(message)
            self.guard(lambda: callback(message))

        name = topic.name.format(**names)
        if required:
            self._required.add(name)
        profile = qos(topic, depth)
        profile.reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT

        def subscribe() -> Subscription:
            return self.create_subscription(message_type(topic.type), name, guarded, profile, raw=raw)

        self._wanted.append(subscribe)
        if self._active:
            self._heard.append(subscribe())

    def hear_together(
        self,
        inputs: dict[str, tuple[Topic, Callable[[Any], Any]]],
        step: Callable[[int, dict[str, Any]], None],
    ) -> StampSynchronizer:
        """Call ``step(stamp, values)`` once per stamp for which every input came, converted by its function.

        In realtime only the newest message of the first input is kept: a stage that is too slow skips frames. Functions
        marked by ``messages.serialized`` get bytes.
        """
        synchronizer = StampSynchronizer(tuple(inputs), depth=DEPTH)

        def receive(name: str, convert: Callable[[Any], Any], message: Any) -> None:
            stamp_ns = messages.stamp_of(message)
            if (values := synchronizer.add(name, stamp_ns, convert(message))) is not None:
                step(stamp_ns, values)

        for position, (name, (topic, convert)) in enumerate(inputs.items()):
            depth = DEPTH if self.lockstep or position else 1
            raw = messages.takes_bytes(convert)
            self.hear(topic, partial(receive, name, convert), depth=depth, raw=raw, required=True)
        return synchronizer

    def every(self, period_s: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` periodically, by the wall clock, until ``stop`` or the node falls silent."""

        def guarded() -> None:
            self._handling_ns = 0
            self.guard(action)

        timer = self.create_timer(period_s, guarded)
        self._ticking.append(timer)
        return timer

    def stop(self, timer: Timer) -> None:
        """End a timer of ``every``."""
        self._ticking.remove(timer)
        self.destroy_timer(timer)

    def rivals(self, topic: Topic) -> str:
        """That more than one publishes what only one may, "" if not; whoever acts on such a topic had better stop.

        A process that was killed counts until the middleware notices it, which takes some 20 seconds.
        """
        count = int(self.count_publishers(topic.name))
        return f"{count} publish {topic.name}, only {topic.owner} may" if count > 1 else ""

    def guard(self, action: Callable[[], None]) -> None:
        """Run ``action``; an AutodriveError is reported, anything else is a defect and ends the process."""
        try:
            action()
        except AutodriveError as error:
            self.report_failure(str(error))

    def report_failure(self, text: str, stamp_ns: int | None = None) -> None:
        """Log a failure the first time it happens, and say on /diagnostics which frame it spoilt."""
        count = self._failures[text] = self._failures.get(text, 0) + 1
        if count == 1:
            self.get_logger().error(text)
        stamp = self._handling_ns if stamp_ns is None else stamp_ns
        self.diagnose(stamp, DiagnosticStatus.ERROR, text, {"count": count})

    def diagnose(self, stamp_ns: int, level: bytes, text: str, values: dict[str, Any] | None = None) -> None:
        """Publish one status of this node."""
        self._diagnostics.publish(messages.to_diagnostics(stamp_ns, self.get_name(), level, text, values or {}))

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: ``setup``; a failure is one line that starts with FATAL_PREFIX."""
        self._diagnostics = self.create_publisher(DiagnosticArray, contracts.DIAGNOSTICS.name, DEPTH)
        self._said.append(self._diagnostics)
        return self._attempt(self.setup, self._release)

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: subscribe, and in lockstep wait for the publishers: what they say before is lost."""
        result = super().on_activate(state)
        return self._attempt(self._start, self._fall_silent) if result == TransitionCallbackReturn.SUCCESS else result

    def _start(self) -> None:
        self._active, self._heard = True, [subscribe() for subscribe in self._wanted]
        if self.lockstep:
            self._wait_for_publishers()
        self.started()

    def _wait_for_publishers(self) -> None:
        """Discovery runs in the middleware's own threads meanwhile."""
        deadline = time.monotonic() + MATCH_TIMEOUT_S
        required = [s for s in self._heard if s.topic_name in self._required]
        while missing := [s.topic_name for s in required if not self._count_publishers(s)]:
            if time.monotonic() > deadline:
                raise EnvironmentProblem(f"nobody publishes {', '.join(missing)} (waited {MATCH_TIMEOUT_S:.0f} s)")
            time.sleep(0.01)

    def _count_publishers(self, subscription: Subscription) -> int:
        if hasattr(subscription, "get_publisher_count"):
            return int(subscription.get_publisher_count())
        return int(self.count_publishers(subscription.topic_name))  # Humble knows only who was discovered, not matched

    def _attempt(self, action: Callable[[], None], undo: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except AutodriveError as error:
            self.say_fatal(f"{self.get_name()}: {error}")
            undo()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            traceback.print_exc()  # rclpy swallows what a transition raises
            self.say_fatal(f"{self.get_name()}: defect: {error!r}")
            raise
        return TransitionCallbackReturn.SUCCESS

    def say_fatal(self, text: str) -> None:
        """End the whole system: whoever started it shows this line to the user."""
        sys.stderr.write(f"{FATAL_PREFIX}{text}\n")
        sys.stderr.flush()

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: stop hearing."""
        self._fall_silent()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: release."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Lifecycle: release whatever state the node is in."""
        self._fall_silent()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _fall_silent(self) -> None:
        self._active = False
        for timer in list(self._ticking):
            self.stop(timer)
        for subscription in self._heard:
            self.destroy_subscription(subscription)
        self._heard = []

    def _release(self) -> None:
        for publisher in self._said:
            self.destroy_lifecycle_publisher(publisher)
        self._said, self._wanted, self._required = [], [], set()
        self.shutdown()
