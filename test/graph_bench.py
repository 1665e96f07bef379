"""Real nodes in this process over real DDS: bring a stage up, feed it, and spin until something holds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from autodrive_nodes.contracts import Topic
from autodrive_nodes.stage_node import StageNode, message_type, qos


class GraphBench:
    """A context manager with one executor, one feeding node, and the stages under test."""

    def __init__(self, name: str = "bench") -> None:
        self._name = name
        self._stages: list[StageNode] = []
        self._publishers: dict[str, Any] = {}

    def __enter__(self) -> GraphBench:
        rclpy.init()
        self._executor = SingleThreadedExecutor()
        self.node = Node(self._name, enable_rosout=False, start_parameter_services=False)
        self._executor.add_node(self.node)
        return self

    def __exit__(self, *_: object) -> None:
        for stage in self._stages:
            stage.shutdown()
            stage.destroy_node()
        self.node.destroy_node()
        self._executor.shutdown()
        self._stages.clear()
        rclpy.try_shutdown()
        gc.collect()  # a lifecycle node's services live as long as its handle

    def host(self, stage: StageNode) -> None:
        """Serve a stage, whatever state it is in."""
        self._executor.add_node(stage)
        self._stages.append(stage)

    def up(self, stage: StageNode) -> StageNode:
        """Configure and activate a stage."""
        self.host(stage)
        assert stage.trigger_configure().name == "SUCCESS"
        assert stage.trigger_activate().name == "SUCCESS"
        return stage

    def publisher(self, topic: Topic, *, heard: bool = True, **names: str) -> Any:
        """A publisher; once at least one stage hears it, unless that comes later."""
        name = topic.name.format(**names)
        if name not in self._publishers:
            publisher = self.node.create_publisher(message_type(topic.type), name, qos(topic, 200))
            self._publishers[name] = publisher
        if heard:
            self.spin(lambda: self._publishers[name].get_subscription_count() > 0)
        return self._publishers[name]

    def publish(self, topic: Topic, message: Any, **names: str) -> None:
        """Publish once somebody listens."""
        self.publisher(topic, **names).publish(message)

    def listen(self, topic: Topic, **names: str) -> list[Any]:
        """A list that fills with what is said on ``topic``."""
        heard: list[Any] = []
        self.node.create_subscription(
            message_type(topic.type), topic.name.format(**names), heard.append, qos(topic, 200)
        )
        return heard

    def spin(self, until: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Run callbacks until a condition holds; fails when it does not."""
        deadline = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            self._executor.spin_once(timeout_sec=0.05)

    def settle(self, seconds: float = 0.3) -> None:
        """Run callbacks for a while."""
        end = time.monotonic() + seconds
        self.spin(lambda: time.monotonic() > end)
