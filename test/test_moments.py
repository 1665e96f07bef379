"""Moments worth keeping: the recorder writes the seconds around a trigger into a bag of its own, over real DDS."""

from __future__ import annotations

from pathlib import Path

from graph_bench import GraphBench
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from autodrive.data.bags import BagReader
from autodrive.geometry import Pose2
from autodrive.scene import Command, EgoState
from autodrive_nodes import contracts, messages
from autodrive_nodes.paths import RIGS
from autodrive_nodes.recorder_node import RecorderNode

TICK_NS = 100_000_000


def recorder(out: Path) -> RecorderNode:
    return RecorderNode("recorder", {"rig": str(RIGS / "car.yaml"), "out": str(out)})


def tick(bench: GraphBench, k: int, speed: float) -> None:
    stamp_ns = k * TICK_NS
    bench.publish(contracts.CLOCK, Clock(clock=messages.to_time(stamp_ns)))
    bench.publish(contracts.ODOMETRY, messages.to_odometry(EgoState(stamp_ns, Pose2(0.1 * k, 0.0, 0.0), speed, 0.0)))
    bench.settle(0.01)


def stamps(bag: Path) -> list[float]:
    with BagReader(bag) as reader:
        found = [m.stamp_ns * 1e-9 for m in reader.messages([contracts.ODOMETRY.name])]
    return [round(stamp, 1) for stamp in found]


def test_hard_braking_keeps_what_was_before_and_what_came_after(tmp_path: Path) -> None:
    with GraphBench() as bench:
        bench.up(recorder(tmp_path))
        for k in range(150):
            tick(bench, k, 8.0 if k < 60 else max(8.0 - 0.6 * (k - 60), 0.0))  # 6 m/s2 from 6 s on
        bench.settle(0.3)
    (moment,) = (tmp_path / "moments").iterdir()
    assert moment.name.startswith("hard_braking_6.")
    kept = stamps(moment)
    assert kept[0] == 0.0 and 11.0 <= kept[-1] <= 11.7, "all before, and five seconds after"
    assert kept == [round(0.1 * k, 1) for k in range(len(kept))], "nothing is missing"
    assert len(stamps(tmp_path / "bag")) == 150, "the recording itself goes on"


def test_what_the_gate_does_not_let_through_is_a_moment(tmp_path: Path) -> None:
    with GraphBench() as bench:
        bench.up(recorder(tmp_path))
        bench.publish(contracts.CLOCK, Clock())
        for k, allowed in enumerate((0.5, 0.5, -3.0, -3.0)):
            bench.publish(contracts.CONTROL, messages.to_control(Command(k * TICK_NS, 0.0, 0.5, 5.0)))
            bench.settle(0.1)
            bench.publish(contracts.COMMAND, messages.to_control(Command(k * TICK_NS, 0.0, allowed, 5.0)))
            bench.settle(0.1)
    (moment,) = (tmp_path / "moments").iterdir()
    assert moment.name.startswith("disagreement_")
    with BagReader(moment) as bag:
        counts = {t.name: t.count for t in bag.topics()}
    assert counts[contracts.COMMAND.name] == 4, "the one that fired and the one after it too"


def test_somebody_asks_for_a_moment(tmp_path: Path) -> None:
    with GraphBench() as bench:
        bench.up(recorder(tmp_path))
        client = bench.node.create_client(Trigger, "/recorder/keep_moment")
        assert client.wait_for_service(5.0)
        for k in range(20):
            tick(bench, k, 5.0)
        answers = []
        for _ in range(2):
            future = client.call_async(Trigger.Request())
            bench.spin(future.done)
            answers.append(future.result().success)
        bench.settle(0.2)
    assert answers == [True, False], "one at a time"
    (moment,) = (tmp_path / "moments").iterdir()
    assert moment.name.startswith("operator_button_1.9")
    assert len(stamps(moment)) == 20
