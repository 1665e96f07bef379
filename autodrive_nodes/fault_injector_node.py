"""Stands between topics and their readers, and makes one fault at a time when it is told to; never part of a product.

What nobody broke passes as bytes, unread. An order is JSON on /faults/order: ``{"kind": ..., "target": ...}``, or
``{}`` to end the fault, after which /diagnostics says how much was faulted.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.timer import Timer
from std_msgs.msg import String

from autodrive.errors import InputError
from autodrive.faults.campaign import INJECTED
from autodrive.faults.numbers import spoil
from autodrive.faults.streams import Delayed, Duplicated, Flood, Reordered, Silent, Stream
from autodrive.rig import load_rig
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.fault_graph import UNFAULTED, topics_by_name
from autodrive_nodes.faulty_camera import FaultyCamera
from autodrive_nodes.stage_node import StageNode, message_type

PUMP_S = 0.005
DELAY_S = 1.0
CLOCK_JUMP_S = 5.0
STREAMS: dict[str, Callable[[], Stream[bytes]]] = {
    "silent": Silent,
    "camera_dead": Silent,
    "duplicated": Duplicated,
    "reordered": Reordered,
    "delayed": lambda: Delayed(DELAY_S),
    "flood": Flood,
}
NUMBERS = {"nan": math.nan, "infinite": math.inf}
JUMPS = {"clock_forward": CLOCK_JUMP_S, "clock_back": -CLOCK_JUMP_S}


class FaultInjectorNode(StageNode):
    """/unfaulted/TOPIC -> TOPIC, for each of ``topics``; delays and rates are of a world that runs at ``pace``."""

    defaults = {"rig": "", "topics": [""], "seed": 1, "pace": 1.0}  # noqa: RUF012

    def setup(self) -> None:
        """A way through for each topic."""
        rig = load_rig(Path(self.value("rig")))
        self._cameras = tuple(camera.name for camera in rig.cameras)
        known = topics_by_name(self._cameras)
        self._topics: dict[str, Topic] = {name: known[name] for name in self.value("topics")}
        self._out = {name: self.say(topic) for name, topic in self._topics.items()}
        self._camera = FaultyCamera(rig, np.random.default_rng(self.value("seed")))
        self._pump: Timer | None = None
        self._stream: Stream[bytes] | None = None
        self._end_fault()
        self.hear(contracts.FAULTS, self._on_order)
        for name, topic in self._topics.items():
            self.hear(replace(topic, name=UNFAULTED + name), partial(self._pass, name), depth=100, raw=True)

    def shutdown(self) -> None:
        """Remove the rings of faulty images."""
        if (camera := getattr(self, "_camera", None)) is not None:
            camera.close()

    def _on_order(self, message: String) -> None:
        if self._kind:
            text = f"{self._kind} {self._target}: {self._faulted} messages, {self._spoilt} numbers"
            self.diagnose(0, DiagnosticStatus.OK, text, {"messages": self._faulted, "numbers": self._spoilt})
        self._end_fault()
        order = json.loads(message.data)
        if order:
            self._begin_fault(str(order["kind"]), str(order["target"]))

    def _begin_fault(self, kind: str, target: str) -> None:
        topic = contracts.IMAGE_SHM.name.format(camera=target) if target in self._cameras else target
        if kind not in INJECTED or topic not in self._topics:
            raise InputError(f"the injector cannot do {kind!r} to {target!r}; it stands in {list(self._topics)}")
        self._kind, self._target, self._topic = kind, target, topic
        self._stream = STREAMS[kind]() if kind in STREAMS else None
        if kind in ("delayed", "flood"):
            self._pump = self.every(PUMP_S, self._publish_due)

    def _end_fault(self) -> None:
        if self._pump is not None:
            self.stop(self._pump)
            self._pump = None
        self._kind = self._target = self._topic = ""
        self._stream = None
        self._faulted = self._spoilt = 0
        self._camera.forget()

    def _partner(self) -> str:
        """The camera whose cable is exchanged with the target's: the next one of the rig."""
        at = self._cameras.index(self._target)
        return contracts.IMAGE_SHM.name.format(camera=self._cameras[(at + 1) % len(self._cameras)])

    def _pass(self, name: str, data: bytes) -> None:
        if self._kind == "camera_swapped" and name in (self._topic, self._partner()):
            self._faulted += 1
            self._out[self._partner() if name == self._topic else self._topic].publish(data)
        elif name != self._topic:
            self._out[name].publish(data)
        elif self._stream is not None:
            self._faulted += 1
            self._publish(self._stream.push(data, self._now_s()))
        else:
            self._faulted += 1
            self._publish([self._changed(data)])

    def _changed(self, data: bytes) -> bytes:
        kind = message_type(self._topics[self._topic].type)
        message: Any = deserialize_message(data, kind)
        if self._kind in NUMBERS:
            self._spoilt += spoil(message, NUMBERS[self._kind])
        elif self._kind in JUMPS:
            stamp_ns = messages.stamp_ns(message.clock) + round(JUMPS[self._kind] * 1e9)
            message.clock = messages.to_time(max(stamp_ns, 0))
        else:
            message = self._camera.spoil(self._kind, message)
        return bytes(serialize_message(message))

    def _now_s(self) -> float:
        return time.monotonic() * float(self.value("pace"))

    def _publish_due(self) -> None:
        if self._stream is not None:
            self._publish(self._stream.due(self._now_s()))

    def _publish(self, data: list[bytes]) -> None:
        for one in data:
            self._out[self._topic].publish(one)
