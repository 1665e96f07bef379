"""The car's graph over real DDS with the real world and the real network, in processes of its own.

Three short lockstep runs and one in realtime serve all tests of this file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import rclpy
from graph_run import Run
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from autodrive.report import COMMON
from autodrive.report_car import REQUIRED
from autodrive_nodes import contracts
from autodrive_nodes.graph import Options, build
from autodrive_nodes.stage_node import message_type, qos

SIMULATED_S = 2.0
JUDGES = {"scorer", "recorder"}
SIMULATION = [topic.name for topic in contracts.TOPICS if topic.name.startswith("/simulation/")]


def options(seed: int, out: Path, *, mode: str = "lockstep", duration_s: float = SIMULATED_S) -> Options:
    return Options(town="brook", seed=seed, duration_s=duration_s, mode=mode, out=str(out), record=False)


def known(endpoints: list[Any]) -> set[str]:
    """Names of nodes; an endpoint may be discovered a moment before the node that it belongs to."""
    return {endpoint.node_name for endpoint in endpoints} - {"_NODE_NAME_UNKNOWN_"}


class Probe:
    """A stranger in the graph: looks on while a run goes, and subscribes to one plain image topic."""

    def __init__(self) -> None:
        rclpy.init()
        self._node = Node("stranger")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self.listeners: dict[str, set[str]] = {topic: set() for topic in SIMULATION}
        self.names: set[str] = set()
        self.publishers: dict[str, set[str]] = {}
        self.images: list[Image] = []
        self.commands: list[Any] = []
        topic = contracts.IMAGE.name.format(camera="front")
        self._node.create_subscription(Image, topic, self.images.append, 50)
        command = contracts.COMMAND
        self._node.create_subscription(message_type(command.type), command.name, self.commands.append, qos(command, 99))

    def look(self, running: Callable[[], bool]) -> None:
        """Spin until the run is over, noting who listens to whom."""
        noted = 0.0
        while running():
            self._executor.spin_once(timeout_sec=0.1)
            if time.monotonic() - noted > 0.5:
                noted = time.monotonic()
                self._note()

    def _note(self) -> None:
        self.names |= set(self._node.get_node_names())
        for topic, names in self.listeners.items():
            names |= known(self._node.get_subscriptions_info_by_topic(topic))
        for topic, _ in self._node.get_topic_names_and_types():
            self.publishers.setdefault(topic, set()).update(known(self._node.get_publishers_info_by_topic(topic)))

    def close(self) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Probe, dict[str, Any]]]:
    """A run of seed 2 with a stranger who watches."""
    probe = Probe()
    with Run(options(2, tmp_path_factory.mktemp("watched"))) as run, ThreadPoolExecutor(1) as pool:
        result = pool.submit(run.result)
        probe.look(lambda: not result.done())
        yield probe, result.result()
    probe.close()


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """Runs of seeds 2 and 3 at the same time, each in a domain that the supervisor finds free."""
    seeds = (2, 3)
    runs = [Run(options(seed, tmp_path_factory.mktemp(f"seed{seed}")), ROS_DOMAIN_ID=None) for seed in seeds]
    with runs[0], runs[1]:
        return {seed: run.result() for seed, run in zip(seeds, runs, strict=True)}


def test_a_run_reports_everything_and_answers_every_frame(watched: tuple[Probe, dict[str, Any]]) -> None:
    _, result = watched
    assert {*REQUIRED, *COMMON} <= result.keys()
    assert result["end"] == "time is over"
    assert result["sim_seconds"] == SIMULATED_S
    assert result["frames"] == 19  # stamps 0.1 s to 1.9 s; the frame at 2.0 s ends the run
    assert result["frames_dropped"] == 0
    assert result["distance_m"] > 0.5
    assert all(0 < stage["p50"] <= stage["p99"] for stage in result["latency_ms"].values())


def test_every_frame_gets_one_command_with_its_stamp(watched: tuple[Probe, dict[str, Any]]) -> None:
    probe, _ = watched
    stamps = [round(message.stamp.sec * 10 + message.stamp.nanosec / 1e8) for message in probe.commands]
    assert stamps == list(range(1, 20))


def test_only_judges_hear_what_the_simulator_knows(watched: tuple[Probe, dict[str, Any]]) -> None:
    probe, _ = watched
    assert probe.listeners[contracts.TRUTH_EVENTS.name] >= {"scorer"}
    for topic, names in probe.listeners.items():
        assert names <= JUDGES, topic


def test_the_graph_is_the_one_in_graph_and_contracts(watched: tuple[Probe, dict[str, Any]], tmp_path: Path) -> None:
    probe, _ = watched
    assert set(build(options(2, tmp_path)).order) <= probe.names
    for topic in (contracts.COMMAND, contracts.TRACKS, contracts.TRAJECTORY, contracts.ODOMETRY, contracts.CLOCK):
        assert probe.publishers[topic.name] == {topic.owner}, topic.name
    known = {topic.name for topic in contracts.TOPICS if "{" not in topic.name}
    ours = {topic for topic, names in probe.publishers.items() if names & set(build(options(2, tmp_path)).order)}
    unknown = {topic for topic in ours - known if not topic.startswith("/camera/") and "transition_event" not in topic}
    assert unknown - {"/parameter_events"} == set()


def test_a_plain_image_arrives_for_a_stranger_who_subscribes(watched: tuple[Probe, dict[str, Any]]) -> None:
    probe, _ = watched
    assert probe.images
    image = probe.images[-1]
    assert (image.width, image.height, image.encoding, image.step) == (320, 160, "rgb8", 960)
    assert image.header.frame_id == "camera/front_optical"
    assert len(set(image.data)) > 20  # a picture, not a blank


def test_the_same_seed_is_the_same_drive_to_the_byte(
    watched: tuple[Probe, dict[str, Any]], again: dict[int, dict[str, Any]]
) -> None:
    _, result = watched
    repeated = again[2]
    assert repeated["state_sha256"] == result["state_sha256"]
    for key in result.keys() - {"latency_ms"}:
        assert repeated[key] == result[key], key


def test_another_seed_is_another_drive(again: dict[int, dict[str, Any]]) -> None:
    assert again[2]["state_sha256"] != again[3]["state_sha256"]


def test_realtime_runs_at_the_pace_of_the_clock_and_counts_what_it_drops(tmp_path: Path) -> None:
    with Run(options(2, tmp_path, mode="realtime", duration_s=3.0)) as run:
        result = run.result()
    assert result["sim_seconds"] == 3.0
    assert result["frames"] == 29
    assert 0 <= result["frames_dropped"] <= 29
