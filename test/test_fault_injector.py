"""The fault injector over real DDS: what it lets through, what it breaks, and that a broken camera is named."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from graph_bench import GraphBench
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from autodrive.errors import ConfigError
from autodrive.faults.campaign import CAMERA, KINDS
from autodrive.geometry import Pose2
from autodrive.scene import EgoState
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.camera_ingestion_node import CameraIngestionNode
from autodrive_nodes.contracts import Topic
from autodrive_nodes.fault_graph import UNFAULTED
from autodrive_nodes.fault_injector_node import FaultInjectorNode
from autodrive_nodes.graph import Options, build

NAMES = ("front", "left", "rear", "right")
WIDTH, HEIGHT, PERIOD = 320, 160, 100_000_000


class Bench(GraphBench):
    """An injector in front of odometry, clock and four cameras, and ingestion behind it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        cameras = [
            {"name": n, "width": WIDTH, "height": HEIGHT, "hfov_deg": 80, "position": [0, 0, 1], "rpy": [0, 0, 0]}
            for n in NAMES
        ]
        self.rig = folder / "rig.yaml"
        self.rig.write_text(yaml.safe_dump({"name": "four", "extent": [-8, 8, -8, 8], "cameras": cameras}))
        self.frame = 0

    def begin(self) -> None:
        shm = [contracts.IMAGE_SHM.name.format(camera=name) for name in NAMES]
        topics = [contracts.ODOMETRY.name, contracts.CLOCK.name, *shm]
        common = {"rig": str(self.rig), "mode": "realtime"}
        self.up(FaultInjectorNode("fault_injector", {**common, "topics": topics}))
        self.up(CameraIngestionNode("camera_ingestion", common))
        self.rings = {name: RingWriter(f"test_{name}", WIDTH * HEIGHT * 3) for name in NAMES}
        self.told = self.listen(contracts.DIAGNOSTICS)

    def feed(self, topic: Topic, message: Any, **names: str) -> None:
        self.publish(replace(topic, name=UNFAULTED + topic.name), message, **names)

    def order(self, kind: str, target: str) -> None:
        text = json.dumps({"kind": kind, "target": target} if kind else {})
        self.publish(contracts.FAULTS, String(data=text))
        self.settle(0.1)

    def look(self, frames: int) -> None:
        """All cameras expose."""
        for _ in range(frames):
            self.frame += 1
            for at, name in enumerate(NAMES):
                image = np.random.default_rng(at).integers(40, 200, (10, 20, 3)).astype(np.uint8)
                image = np.kron(image, np.ones((16, 16, 1), np.uint8))
                image[:, 8 * self.frame % 300 :][:, :20] = 250
                message = messages.to_shared_image(self.frame * PERIOD, name, self.rings[name].write(image))
                self.feed(contracts.IMAGE_SHM, message, camera=name)
            self.settle(0.03)

    def errors(self) -> list[str]:
        """What ingestion complained of."""
        return [s.message for m in self.told for s in m.status if s.name == "camera_ingestion" and s.level == b"\x02"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as one:
        one.begin()
        yield one
        for ring in one.rings.values():
            ring.close()


def odometry(stamp_ns: int) -> Any:
    return messages.to_odometry(EgoState(stamp_ns, Pose2(1.0, 2.0, 0.5), 3.0, 0.1))


def test_numbers_streams_and_clocks(bench: Bench) -> None:
    heard, clocks = bench.listen(contracts.ODOMETRY), bench.listen(contracts.CLOCK)
    bench.feed(contracts.ODOMETRY, odometry(1))
    bench.spin(lambda: len(heard) == 1)
    assert heard[0] == odometry(1)  # nothing is broken yet

    bench.order("nan", contracts.ODOMETRY.name)
    bench.feed(contracts.ODOMETRY, odometry(2))
    bench.spin(lambda: len(heard) == 2)
    assert math.isnan(heard[1].pose.pose.position.x) and messages.stamp_of(heard[1]) == 2

    bench.order("duplicated", contracts.ODOMETRY.name)
    bench.feed(contracts.ODOMETRY, odometry(3))
    bench.spin(lambda: len(heard) == 5)

    bench.order("flood", contracts.ODOMETRY.name)
    bench.feed(contracts.ODOMETRY, odometry(4))
    began = time.monotonic()
    bench.spin(lambda: len(heard) > 105)
    assert time.monotonic() - began < 10.0

    bench.order("clock_back", contracts.CLOCK.name)
    bench.feed(contracts.CLOCK, Clock(clock=messages.to_time(30_000_000_000)))
    bench.spin(lambda: len(clocks) == 1)
    assert messages.stamp_ns(clocks[0].clock) == 25_000_000_000

    bench.order("", "")
    effects = [s.message for m in bench.told for s in m.status if s.name == "fault_injector"]
    assert effects[0] == "nan /localization/kinematic_state: 1 messages, 85 numbers" and len(effects) == 4
    bench.feed(contracts.ODOMETRY, odometry(5))
    bench.spin(lambda: messages.stamp_of(heard[-1]) == 5)


@pytest.mark.parametrize("kind", [kind for kind, on in KINDS.items() if on == CAMERA])
def test_a_broken_camera_is_named_and_ends_the_frame_sets_until_it_is_whole(bench: Bench, kind: str) -> None:
    sets = bench.listen(contracts.FRAME_SET)
    bench.feed(contracts.ODOMETRY, odometry(1))
    bench.look(4)
    bench.spin(lambda: len(sets) == 4)
    assert bench.errors() == []

    bench.order(kind, "left")
    bench.look(8)
    bench.spin(lambda: len(bench.errors()) >= 1)
    # rear is what left is exchanged with
    assert all("left" in text or "rear" in text for text in bench.errors()), (
        bench.errors()
    )  # rear: it is exchanged with
    assert len(sets) <= 6  # the first of a frozen camera are not known to be

    bench.order("", "")
    before = len(sets)
    bench.look(6)
    bench.spin(lambda: len(sets) >= before + 3)


def test_an_order_that_cannot_be_carried_out_is_refused(bench: Bench) -> None:
    bench.order("nan", "/planning/trajectory")
    told = [s.message for m in bench.told for s in m.status if s.name == "fault_injector"]
    assert len(told) == 1 and told[0].startswith("the injector cannot do 'nan' to '/planning/trajectory'")


def test_only_owners_of_faulted_topics_call_them_otherwise() -> None:
    topics = [contracts.ODOMETRY.name, "/camera/front/image_raw/shm", contracts.COMMAND.name]
    system = build(Options(mode="realtime", isolated=True, faults=json.dumps(topics)))
    remapped = {node.name: node.remappings for nodes in system.groups.values() for node in nodes if node.remappings}
    assert remapped == {
        "localization": ((topics[0], UNFAULTED + topics[0]),),
        "world_bridge": ((topics[1], UNFAULTED + topics[1]),),
        "safety_gate": ((topics[2], UNFAULTED + topics[2]),),
    }
    assert system.order[0] == "fault_injector" and system.groups["faults"][0].parameters["topics"] == topics


@pytest.mark.parametrize("faults", ["{", "3", '["/nobody"]', '["/joint_states"]'])
def test_what_nobody_publishes_cannot_be_faulted(faults: str) -> None:
    with pytest.raises(ConfigError, match="faults"):
        build(Options(faults=faults))
