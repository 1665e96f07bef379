"""Looks at a running graph from outside: where the body is by the truth, and everything that is said about faults."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from autodrive.faults.judge import ERROR, ORDER, WARN, Said, Sample
from autodrive.geometry import wrap_angle
from autodrive.sim.touches import Touches
from autodrive.sim.world import Contact, GroundTruth
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.fault_graph import INJECTOR
from autodrive_nodes.stage_node import message_type, qos
from autodrive_nodes.truth import truth_from_json

SPEED_S = 0.8


class FaultWatch:
    """A node of its own in ``domain``, in which the world runs at ``pace``; ``close`` ends it."""

    def __init__(self, domain: int, pace: float, gate: str = "safety_gate") -> None:
        self._pace = pace
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node(
            "fault_campaign", context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.samples: list[Sample] = []
        self.places: list[tuple[float, float]] = []  # of the samples
        self.said: list[Said] = []
        self.truth: GroundTruth | None = None
        self.ended = ""
        self.latched = False
        self.stopped = False  # by the gate
        self.held_s = -1.0  # when it last said so
        self.effect: int | None = None
        self.grounding: dict[str, Any] = {}
        self.aims: set[str] = set()  # what the body was told to go to, and may touch
        self._touches = Touches()
        self._stamp_s, self._stamp_wall_s = 0.0, time.monotonic()
        self._orders = self._publisher(contracts.FAULTS)
        self._instructions = self._publisher(contracts.INSTRUCTION)
        self._operator = self._publisher(contracts.OPERATOR_STOP)
        self._poses = self._publisher(contracts.INITIAL_POSE)
        self._reset: Any = self.node.create_client(Trigger, f"/{gate}/reset")
        self._hear(contracts.TRUTH_EVENTS, self._on_truth)
        self._hear(contracts.SAFETY_STATE, self._on_state)
        self._hear(contracts.DIAGNOSTICS, self._on_diagnostics)
        self._hear(contracts.GROUNDING, self._on_grounding)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def spin(self, seconds: float) -> None:
        """Look for a moment."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    @property
    def now_s(self) -> float:
        """Simulated time, carried on by the wall clock for at most a frame."""
        return self._stamp_s + min((time.monotonic() - self._stamp_wall_s) * self._pace, 0.1)

    @property
    def speed(self) -> float:
        """Mean of the last SPEED_S by the truth, over ground; 0 before there is any."""
        first = next((k for k, s in enumerate(self.samples) if s.at_s > self._stamp_s - SPEED_S - 0.05), None)
        if first is None or first == 0 or first == len(self.samples) - 1:
            return 0.0
        span_s = self.samples[-1].at_s - self.samples[first].at_s
        return math.dist(self.places[first], self.places[-1]) / span_s

    def order(self, kind: str, target: str) -> None:
        """Have the injector make a fault; the kind "" ends it."""
        self._orders.publish(String(data=json.dumps({"kind": kind, "target": target} if kind else {})))

    def injector_listens(self) -> bool:
        """Whether orders reach the injector."""
        return bool(self._orders.get_subscription_count())

    def instruct(self, text: str) -> None:
        """Tell the humanoid something."""
        self._instructions.publish(String(data=text))

    def note(self, who: str, text: str) -> None:
        """Something that was said elsewhere: by the supervisor of the processes."""
        self.said.append(Said(self.now_s, who, ERROR, text))

    def ask_reset(self) -> None:
        """Ask the gate to forgive what has latched; whether it did is in its state."""
        if self._reset.service_is_ready():
            self._reset.call_async(Trigger.Request())

    def tell_pose(self) -> None:
        """What an operator does whose body no longer knows where it is."""
        assert self.truth is not None
        ego = self.truth.ego
        message = PoseWithCovarianceStamped(header=messages.header(round(self.now_s * 1e9), "map"))
        message.pose.pose = messages.to_pose(ego.x, ego.y, 0.0, ego.yaw)
        self._poses.publish(message)

    def intrude(self, topic: Topic, make: Callable[[int], Any]) -> Callable[[], None]:
        """Publish on ``topic`` as one more node would, 20 times a second, until the returned function is called."""
        publisher = self._publisher(topic)
        timer = self.node.create_timer(0.05 / self._pace, lambda: publisher.publish(make(round(self.now_s * 1e9))))

        def end() -> None:
            self.node.destroy_timer(timer)
            self.node.destroy_publisher(publisher)

        return end

    def _publisher(self, topic: Topic) -> Any:
        return self.node.create_publisher(message_type(topic.type), topic.name, qos(topic))

    def _hear(self, topic: Topic, callback: Callable[[Any], None]) -> None:
        self.node.create_subscription(message_type(topic.type), topic.name, callback, qos(topic, 100))

    def _on_truth(self, message: String) -> None:
        event = json.loads(message.data)
        self.truth = truth = truth_from_json(event["truth"])
        self._stamp_s, self._stamp_wall_s = truth.stamp_ns / 1e9, time.monotonic()
        touched = [contact for contact in truth.contacts if contact.name not in self.aims]
        begun = tuple(_place(contact, truth) for contact in self._touches.new(truth.stamp_ns, touched))
        self.samples.append(Sample(self._stamp_s, truth.speed, begun, truth.fallen))
        self.places.append((truth.ego.x, truth.ego.y))
        self.ended = event.get("end", "")

    def _on_state(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.latched = bool(values.get("latched", ""))
            self.stopped = values.get("verdict", status.message) == "stop"
            reasons = values.get("faults", "") or status.message
            level = int.from_bytes(status.level, "little")
            for reason in reasons.split("; ") if level >= WARN and self.stopped else ():
                self.said.append(Said(self.now_s, status.name, level, reason))
            if self.stopped:
                self.held_s = self.now_s
                self.said.append(Said(self.now_s, ORDER, 0, values.get("reaction", "")))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = int.from_bytes(status.level, "little")
            if status.name == INJECTOR and level == 0:
                values = {item.key: int(item.value) for item in status.values}
                self.effect = values["numbers" if status.message.startswith(("nan ", "infinite ")) else "messages"]
            if status.level == DiagnosticStatus.ERROR or (level == WARN and status.name.startswith("camera ")):
                self.said.append(Said(self.now_s, status.name, level, status.message))
                if "by itself" in status.message:  # a bridge whose gate is silent
                    self.said.append(Said(self.now_s, ORDER, 0, "by itself"))

    def _on_grounding(self, message: String) -> None:
        self.grounding = json.loads(message.data)

    def operator_stop(self, stop: bool) -> None:
        """What a person beside the machine does."""
        self._operator.publish(Bool(data=stop))


def _place(contact: Contact, truth: GroundTruth) -> str:
    """What was touched, and on which side of the body its middle is."""
    name = contact.name if contact.name.startswith(contact.kind) else f"{contact.kind} {contact.name}"
    if contact.name not in truth.object_ids:
        return name
    thing = truth.objects[truth.object_ids.index(contact.name)]
    bearing = wrap_angle(math.atan2(thing.y - truth.ego.y, thing.x - truth.ego.x) - truth.ego.yaw)
    side = "ahead" if abs(bearing) < 0.8 else "behind" if abs(bearing) > 2.3 else "left" if bearing > 0 else "right"
    return f"{name} {side}"
