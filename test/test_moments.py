"""Moments worth keeping: the recorder writes the seconds around a trigger into a bag of its own, over real DDS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from graph_bench import GraphBench
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from autodrive.body import WalkCommand
from autodrive.data.bags import BagReader
from autodrive.errors import EnvironmentProblem
from autodrive.geometry import Pose2
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.triggers import make_triggers
from autodrive.rig import load_rig
from autodrive.scene import Command, EgoState, ObjectClass, TrackedObject
from autodrive_nodes import contracts, messages
from autodrive_nodes.moments import Moments
from autodrive_nodes.paths import RIGS
from autodrive_nodes.recorded_topics import open_bag, recorded_topics
from autodrive_nodes.recorder_node import RecorderNode
from autodrive_nodes.trigger_inputs import TriggerInputs
from optimus_nodes.body_messages import to_twist

TICK_NS = 100_000_000


def track(score: float) -> TrackedObject:
    return TrackedObject(1, ObjectClass.CAR, score, 10.0, 2.0, 0.8, 0.1, 4.2, 1.8, 1.5, 3.0, 0.0, 0.0, 1.0)


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


TOPICS = recorded_topics(load_rig(RIGS / "car.yaml"))
STATE = contracts.SAFETY_STATE.name


def moments(out: Path, *names: str) -> Moments:
    return Moments(out, make_triggers(names or ["operator_button"]), lambda path: open_bag(path, TOPICS))


def said(name: str, level: bytes, **values: object) -> bytes:
    return serialize_message(messages.to_diagnostics(0, name, level, "text", values))


def drive(kept: Moments, first_s: float, last_s: float) -> None:
    for k in range(round(first_s * 10), round(last_s * 10)):
        kept.put(STATE, k * TICK_NS, said("safety_gate", DiagnosticStatus.OK, by_hand=False))


def test_the_seconds_before_a_second_moment_are_those_of_the_first_too(tmp_path: Path) -> None:
    kept = moments(tmp_path)
    drive(kept, 0, 20)
    assert kept.press(20 * 10**9) == "operator_button"
    drive(kept, 20, 26)
    assert kept.press(26 * 10**9) == "operator_button", "the first one has ended"
    drive(kept, 26, 32)
    kept.close()
    first, second = sorted(tmp_path.iterdir())
    with BagReader(second) as bag:
        stamps = [m.stamp_ns for m in bag.serialized()]
    assert stamps == [k * TICK_NS for k in range(312)], "nothing that was said while the first was kept is missing"
    with BagReader(first) as bag:
        assert len(list(bag.serialized())) == 252


def test_a_second_trigger_lengthens_the_moment(tmp_path: Path) -> None:
    kept = moments(tmp_path)
    drive(kept, 0, 2)
    assert [kept.press(2 * 10**9), kept.press(2 * 10**9)] == ["operator_button", ""]
    drive(kept, 2, 6)
    assert kept.press(6 * 10**9) == ""
    drive(kept, 6, 20)
    kept.close()
    (moment,) = tmp_path.iterdir()
    with BagReader(moment) as bag:
        assert max(m.stamp_ns for m in bag.serialized()) == 111 * TICK_NS


def test_what_a_moment_lacks_is_said_and_finished_ones_are_forgotten(tmp_path: Path) -> None:
    def refused(path: Path) -> BagWriter:
        raise EnvironmentProblem(f"cannot record to {path}: No space left on device")

    kept = Moments(tmp_path, make_triggers(["operator_button"]), refused)
    for k in range(3):
        drive(kept, 10 * k, 10 * k + 1)
        kept.press((10 * k + 1) * 10**9)
        drive(kept, 10 * k + 1, 10 * k + 8)
        deadline = time.monotonic() + 10
        while len(kept.problems) <= k and time.monotonic() < deadline:
            kept.look_after()
            time.sleep(0.01)
    names = [problem.split(":")[0] for problem in kept.problems]
    assert names == [f"moment operator_button_{stamp}s" for stamp in ("1.0", "11.0", "21.0")]
    assert kept.lost[STATE] > 150
    assert not kept._ending


def test_opening_the_bag_of_a_moment_stalls_nobody(tmp_path: Path) -> None:
    def slow(path: Path) -> BagWriter:
        time.sleep(1.0)
        return open_bag(path, TOPICS)

    kept = Moments(tmp_path, make_triggers(["operator_button"]), slow)
    drive(kept, 0, 1)
    began = time.monotonic()
    kept.press(10**9)
    drive(kept, 1, 2)
    assert time.monotonic() - began < 0.5
    kept.close()
    (moment,) = tmp_path.iterdir()
    with BagReader(moment) as bag:
        assert len(list(bag.serialized())) == 20


def test_a_clock_that_jumps_back_ends_a_moment(tmp_path: Path) -> None:
    kept = moments(tmp_path)
    drive(kept, 10, 12)
    kept.press(12 * 10**9)
    drive(kept, 0, 1)
    assert kept.press(10**9) == "operator_button"
    kept.close()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("trigger", "topic", "calm", "alarm"),
    [
        (
            "disengagement",
            STATE,
            said("safety_gate", DiagnosticStatus.OK, by_hand=False),
            said("safety_gate", DiagnosticStatus.OK, by_hand=True),
        ),
        *(
            (
                "planner_fallback",
                contracts.DIAGNOSTICS.name,
                said(name, DiagnosticStatus.OK),
                said(name, DiagnosticStatus.WARN),
            )
            for name in ("planning", "walk_planning")
        ),
        (
            "operator_button",
            contracts.MOMENT_BUTTON.name,
            serialize_message(Bool(data=False)),
            serialize_message(Bool(data=True)),
        ),
        (
            "low_confidence",
            contracts.TRACKS.name,
            serialize_message(messages.to_tracks(0, [])),
            serialize_message(messages.to_tracks(0, [track(0.1)])),
        ),
    ],
    ids=["disengagement", "planning", "walk_planning", "operator_button", "low_confidence"],
)
def test_triggers_hear_what_the_graph_says(trigger: str, topic: str, calm: bytes, alarm: bytes) -> None:
    (one,), inputs = make_triggers([trigger]), TriggerInputs()
    seen = [inputs.observe(topic, k, data) for k, data in enumerate((calm, alarm, alarm))]
    assert [one.fires(s) for s in seen if s is not None] == [False, True, False]


def test_a_walking_body_disagrees_too() -> None:
    inputs = TriggerInputs()
    (one,) = make_triggers(["disagreement"])
    wanted, halted = (serialize_message(to_twist(WalkCommand(1, v, 0.0, 0.0))) for v in (0.5, 0.0))
    assert inputs.observe(contracts.WALK.name, 1, wanted) is None
    seen = inputs.observe(contracts.CMD_VEL.name, 1, halted)
    assert seen is not None and one.fires(seen)


def test_other_diagnostics_tell_nothing() -> None:
    assert TriggerInputs().observe(contracts.DIAGNOSTICS.name, 0, said("perception", DiagnosticStatus.WARN)) is None


KEEPER = """
import os, random, sys, threading, time
from pathlib import Path
import psutil
from autodrive.data.bags import typestore
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.triggers import make_triggers
from autodrive_nodes import container
from autodrive_nodes.graph import Options
from autodrive_nodes.moments import AFTER_NS, Moments

KIND, STORE = "std_msgs/msg/String", typestore()
out = Path(sys.argv[1])

def hold(taken):  # a thread has an arena from the first time that it allocates
    block = bytearray(4096)
    taken.release()
    threading.Event().wait()

def keep(*_):
    taken = threading.Semaphore(0)
    for _ in range(8 * os.cpu_count()):
        threading.Thread(target=hold, args=(taken,), daemon=True).start()
        taken.acquire()
    moments = Moments(out, make_triggers(["operator_button"]), lambda path: BagWriter(path, [("/a", KIND)], STORE))
    noise = random.Random(1).randbytes(100_000)
    for k in range(20):
        stamp_ns = 10 * k * AFTER_NS
        for _ in range(15):
            moments.put("/a", stamp_ns, noise)
        assert moments.press(stamp_ns)
        moments.put("/a", stamp_ns + AFTER_NS + 1, b"after")
        while len(list(out.glob("*/metadata.yaml"))) <= k:
            time.sleep(0.01)
        moments.look_after()
        memory = psutil.Process().memory_info()
        print(memory.rss - memory.shared, flush=True)
    return 0

container._host = keep
sys.exit(container.main(["--group", "recording", "--options", Options(out=str(out)).to_json()]))
"""


def test_memory_does_not_grow_with_every_moment_that_is_kept(tmp_path: Path) -> None:
    """Each is written by a thread of its own: what one has freed must serve the next."""
    # as drawing a video leaves the allocator: it gives no memory back
    allocator = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "67108864"}
    done = subprocess.run(
        [sys.executable, "-c", KEEPER, str(tmp_path)],
        env={**os.environ, **allocator}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    memory = [int(line) / 2**20 for line in done.stdout.split()]
    assert memory[-1] - memory[4] < 3.0
