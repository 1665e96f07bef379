"""Recording without ROS: bags that survive kills, full and slow disks; splits; triggers and the seconds before."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from rosbags.rosbag2 import Reader

from autodrive.data.bags import BagReader, typestore
from autodrive.errors import ConfigError, EnvironmentProblem, InputError
from autodrive.recording import bag_writer
from autodrive.recording.bag_writer import BagWriter, Limits, describe, offered_qos
from autodrive.recording.memory import Memory, Ring
from autodrive.recording.salvage import repair
from autodrive.recording.spool import Spool
from autodrive.recording.triggers import TRIGGERS, Observation, make_triggers

KIND = "std_msgs/msg/String"
STORE = typestore()
MS = 1_000_000


def cdr(text: str) -> bytes:
    return bytes(STORE.serialize_cdr(STORE.types[KIND](data=text), KIND))


def texts(bag: Path) -> list[str]:
    with BagReader(bag) as reader:
        return [m.message.data for m in reader.messages()]


def test_a_bag_is_split_by_size_and_time_and_read_as_one(tmp_path: Path) -> None:
    noise = random.Random(1)
    with BagWriter(
        tmp_path / "bag", [("/a", KIND)], STORE, latched={"/a"}, limits=Limits(file_bytes=50_000, file_s=100.0)
    ) as bag:
        for k in range(60):
            bag.write("/a", k * 10**9, cdr(noise.randbytes(2000).hex()))
            bag.flush()
        bag.write("/a", 1000 * 10**9, cdr("much later"))
    files = sorted((tmp_path / "bag").glob("*.mcap"))
    assert len(files) > 2
    with Reader(tmp_path / "bag") as reader:  # as rosbags checks what the metadata says
        assert reader.message_count == 61
        assert reader.start_time == 0 and reader.end_time == 1000 * 10**9 + 1
        (connection,) = reader.connections
        assert connection.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
        assert "string data" in connection.msgdef.data
        assert connection.digest.startswith("RIHS01_")
    found = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert found["relative_file_paths"] == [f"bag_{k}.mcap" for k in range(len(files))]
    assert [f["message_count"] for f in found["files"]][-1] == 1  # what came much later is in a file of its own
    assert sum(f["message_count"] for f in found["files"]) == 61


def test_a_bag_is_split_where_the_recorded_clock_hardly_moves(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", [("/a", KIND)], STORE, limits=Limits(file_chunks=10)) as bag:
        for k in range(25):
            bag.write("/a", k, cdr(f"{k}"))
            bag.flush()
    assert len(list((tmp_path / "bag").glob("*.mcap"))) == 3
    assert texts(tmp_path / "bag") == [f"{k}" for k in range(25)]


WRITER = """
import sys, time
from itertools import count
from pathlib import Path
from autodrive.data.bags import typestore
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.spool import Spool
store, kind = typestore(), "std_msgs/msg/String"
data = bytes(store.serialize_cdr(store.types[kind](data="x" * 3000), kind))

class Telling(BagWriter):
    written = -1

    def write(self, topic, stamp_ns, data):
        super().write(topic, stamp_ns, data)
        self.written = stamp_ns

    def flush(self):
        super().flush()
        print(self.written, flush=True)

spool = Spool(lambda: Telling(Path(sys.argv[1]), [("/a", kind)], store))
for stamp in count():
    spool.put("/a", stamp, data)
    time.sleep(0.002)
"""


def test_killed_at_random_moments_all_that_was_flushed_is_kept(tmp_path: Path) -> None:
    """By the writer's own word: how fast the machine is says nothing of what may be lost."""
    moments = random.Random(5)
    for k in range(20):
        path = tmp_path / f"bag{k}"
        flushes = moments.randrange(3)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(flushes)]
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)  # also what came between
        process.wait()
        process.stdout.close()
        flushed = max((int(line) for line in said if line.endswith("\n")), default=-1)
        assert flushed >= 0 or not flushes
        assert not (path / "metadata.yaml").exists()
        if flushed < 0:  # killed before anything was whole
            continue
        assert repair(path).last_ns >= flushed
        with BagReader(path) as bag:
            stamps = [m.stamp_ns for m in bag.messages()]
        assert stamps == list(range(len(stamps))) and len(stamps) > flushed


class Clock:
    """Every look at it takes a tenth of a second."""

    now_s = 0.0

    def monotonic(self) -> float:
        self.now_s += 0.1
        return self.now_s


def test_what_was_put_is_flushed_more_than_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that the spool sees: a starved machine is slow to look at it."""
    clock, flushed, thrice = Clock(), [0.0], threading.Event()

    class Telling(BagWriter):
        def flush(self) -> None:
            super().flush()
            flushed.append(clock.now_s)
            if len(flushed) > 3:
                thrice.set()

    monkeypatch.setattr("autodrive.recording.spool.time", clock)
    writer = Spool(lambda: Telling(tmp_path / "bag", [("/a", KIND)], STORE))
    assert thrice.wait(60)
    writer.close()
    assert all(later - earlier < 0.7 for earlier, later in itertools.pairwise(flushed))


def test_of_a_bag_cut_or_spoilt_anywhere_no_wrong_message_is_read(tmp_path: Path) -> None:
    noise = random.Random(2)
    with BagWriter(tmp_path / "bag", [("/a", KIND)], STORE) as bag:
        for k in range(30):
            bag.write("/a", k, cdr(f"{k} {noise.randbytes(500).hex()}"))
            bag.flush()
    whole = texts(tmp_path / "bag")
    data = (tmp_path / "bag" / "bag_0.mcap").read_bytes()
    for k in range(25):
        broken = tmp_path / f"broken{k}"
        broken.mkdir()
        at = noise.randrange(1500, len(data))
        spoilt = data[:at] if k % 2 else data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        (broken / "broken_0.mcap").write_bytes(spoilt)
        repair(broken)
        found = texts(broken)
        missing = [text for text in whole[: len(found) + 1] if text not in found]
        assert set(found) <= set(whole) and found == sorted(found, key=whole.index)
        assert len(missing) <= 1  # a spoilt record's name skips one chunk, else nothing behind the damage is believed
        assert len(found) >= min(at // 700, 30) - 3 or k % 2 == 0


def test_nothing_to_repair_is_said_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(InputError, match=r"no \.mcap"):
        repair(tmp_path / "bag")
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"not a bag at all")
    with pytest.raises(InputError, match="no MCAP"):
        repair(tmp_path / "bag")
    assert (tmp_path / "bag" / "bag_0.mcap").read_bytes() == b"not a bag at all"


def test_a_bag_that_was_interrupted_is_kept_when_its_recorder_begins_again(tmp_path: Path) -> None:
    first = BagWriter(tmp_path / "bag", [("/a", "std_msgs/msg/String")], typestore())
    first.write("/a", 1, b"\0\1\0\0\2\0\0\0a\0")
    first.flush()  # and then it is killed
    for _ in range(2):
        with BagWriter(tmp_path / "bag", [("/a", "std_msgs/msg/String")], typestore()):
            pass
    assert repair(tmp_path / "bag_interrupted_1").messages == 1
    assert not (tmp_path / "bag_interrupted_2").exists(), "a finished one is replaced"


def test_a_disk_that_fills_up_ends_the_bag_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = BagWriter(tmp_path / "bag", [("/a", KIND)], STORE)
    bag.write("/a", 1, cdr("before"))
    monkeypatch.setattr(bag_writer, "_free_bytes", lambda path: 10)
    with pytest.raises(EnvironmentProblem, match="64 MiB"):
        bag.flush()
    assert (tmp_path / "bag" / "metadata.yaml").exists()
    assert texts(tmp_path / "bag") == ["before"]


def test_a_write_that_fails_leaves_what_was_flushed(tmp_path: Path) -> None:
    """A limit on the size of files makes the kernel itself refuse, as a quota would."""
    script = (
        "import resource, signal, sys, random; from pathlib import Path\n"
        "from autodrive.data.bags import typestore; from autodrive.recording.bag_writer import BagWriter\n"
        "from autodrive.errors import EnvironmentProblem\n"
        "store, kind = typestore(), 'std_msgs/msg/String'\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "bag = BagWriter(Path(sys.argv[1]), [('/a', kind)], store)\n"
        "noise = random.Random(1)\n"
        "try:\n"
        "    for k in range(1000):\n"
        "        text = noise.randbytes(2000).hex()\n"
        "        bag.write('/a', k, bytes(store.serialize_cdr(store.types[kind](data=text), kind))); bag.flush()\n"
        "except EnvironmentProblem as error:\n"
        "    print(k, error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bag")], capture_output=True, text=True, check=True
    )
    count, _, message = result.stdout.partition(" ")
    assert "File too large" in message and "autodrive bag repair" in message
    assert repair(tmp_path / "bag").messages == int(count) > 20


class SlowBag(BagWriter):
    """A disk that stands still until ``go``."""

    go = threading.Event()

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        self.go.wait(20)
        super().write(topic, stamp_ns, data)


def test_a_slow_disk_loses_messages_by_number_and_stalls_nobody(tmp_path: Path) -> None:
    spool = Spool(lambda: SlowBag(tmp_path / "bag", [("/a", KIND), ("/b", KIND)], STORE), budget_bytes=5000)
    started = time.monotonic()
    for k in range(100):
        spool.put("/a" if k < 50 else "/b", k, cdr("y" * 192))  # 200 bytes each, and a few of head
    assert time.monotonic() - started < 2.0
    SlowBag.go.set()
    spool.close()
    kept = len(texts(tmp_path / "bag"))
    assert 15 <= kept <= 25
    assert spool.lost.total() + kept == 100
    assert spool.lost["/b"] == 50
    assert spool.problem == ""


def test_a_disk_that_fails_is_said_and_later_messages_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(lambda: BagWriter(tmp_path / "bag", [("/a", KIND)], STORE))
    monkeypatch.setattr(bag_writer, "_free_bytes", lambda path: 10)
    deadline = time.monotonic() + 10
    while not spool.problem and time.monotonic() < deadline:
        spool.put("/a", 1, cdr("z"))
        time.sleep(0.02)
    spool.put("/a", 2, cdr("z"))
    assert "MiB of the disk" in spool.problem and spool.lost["/a"] >= 1
    spool.close()


def test_what_is_in_memory_anyway_is_never_lost_to_the_budget(tmp_path: Path) -> None:
    head = [("/a", k, cdr("h" * 192)) for k in range(100)]  # four times the budget
    spool = Spool(lambda: BagWriter(tmp_path / "bag", [("/a", KIND)], STORE), budget_bytes=5000, head=head)
    spool.put("/a", 100, cdr("after"))
    spool.close()
    assert texts(tmp_path / "bag") == ["h" * 192] * 100 + ["after"]
    assert not spool.lost and not spool.problem and spool.done


def test_a_bag_that_cannot_be_begun_is_said_and_all_is_counted(tmp_path: Path) -> None:
    def refused() -> BagWriter:
        raise EnvironmentProblem("cannot record to there")

    spool = Spool(refused, head=[("/a", 0, b"x")])
    while not spool.done:
        time.sleep(0.01)
    spool.put("/b", 1, b"y")
    assert spool.problem == "cannot record to there" and spool.lost == {"/a": 1, "/b": 1}


def test_what_a_failing_disk_takes_with_it_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = BagWriter(tmp_path / "bag", [("/a", KIND)], STORE)
    bag.write("/a", 1, cdr("safe"))
    bag.flush()
    monkeypatch.setattr(bag_writer, "_flush", _no_space)
    spool = Spool(lambda: bag, head=[("/a", 2, cdr("written, not on the disk"))])
    deadline = time.monotonic() + 20
    while not spool.done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "No space" in spool.problem and spool.lost == {"/a": 1}
    monkeypatch.undo()
    repair(tmp_path / "bag")
    assert texts(tmp_path / "bag") == ["safe"]


def test_of_what_was_in_memory_all_that_a_failing_disk_does_not_take_is_counted(tmp_path: Path) -> None:
    class Full(BagWriter):
        def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
            if stamp_ns == 1:
                raise EnvironmentProblem("no room")
            super().write(topic, stamp_ns, data)

    head = ((topic, k, cdr("x")) for k, topic in enumerate(("/a", "/b", "/a")))
    spool = Spool(lambda: Full(tmp_path / "bag", [("/a", KIND), ("/b", KIND)], STORE), head=head)
    while not spool.done:
        time.sleep(0.01)
    assert spool.problem == "no room" and spool.lost == {"/a": 2, "/b": 1}


def _no_space(storage: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_topic_may_come_later_in_every_file_of_a_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", [("/a", KIND)], STORE, limits=Limits(file_s=100.0)) as bag:
        bag.write("/a", 0, cdr("first"))
        bag.declare(describe("/b", "std_msgs/msg/Bool", STORE, offered_qos(False, reliable=False)))
        bag.declare(describe("/a", KIND, STORE, offered_qos(False)))  # known already
        true = STORE.types["std_msgs/msg/Bool"](data=True)
        for k in range(2):
            bag.write("/b", k * 1000 * 10**9, bytes(STORE.serialize_cdr(true, "std_msgs/msg/Bool")))
    assert len(list((tmp_path / "bag").glob("*.mcap"))) == 2
    with Reader(tmp_path / "bag") as reader:
        assert {c.topic: c.msgcount for c in reader.connections} == {"/a": 1, "/b": 2}
        offered = {c.topic: c.ext.offered_qos_profiles[0].reliability.name for c in reader.connections}
    assert offered == {"/a": "RELIABLE", "/b": "BEST_EFFORT"}
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert repair(tmp_path / "bag").messages == 3


def test_the_ring_keeps_the_last_seconds_within_its_budget() -> None:
    ring = Ring(span_ns=10, budget_bytes=100)
    for k in range(50):
        ring.put("/a", k, b"x" * 4)
    assert [stamp for _, stamp, _ in ring.all()] == list(range(39, 50))
    ring.clear()
    assert ring.all() == []
    for k in range(5):
        ring.put("/a", k, b"x" * 40)
    assert [stamp for _, stamp, _ in ring.all()] == [3, 4]


def test_images_do_not_push_the_rest_out_of_the_memory() -> None:
    image = b"i" * 200_000
    memory = Memory(span_ns=30 * 10**9, image_bytes=10 * len(image), rest_bytes=1000)
    for k in range(30):
        memory.put("/image", k * 10**9, image)
        memory.put("/speed", k * 10**9, b"s" * 10)
    kept = list(memory.all())
    assert [stamp // 10**9 for topic, stamp, _ in kept if topic == "/speed"] == list(range(30))
    assert [stamp // 10**9 for topic, stamp, _ in kept if topic == "/image"] == list(range(20, 30))
    assert [stamp for _, stamp, _ in kept] == sorted(stamp for _, stamp, _ in kept)
    memory.put("/speed", 2, b"x")  # time jumped back
    assert list(memory.all()) == [("/speed", 2, b"x")]


def test_what_is_no_image_is_remembered_compressed_and_given_out_as_it_came() -> None:
    messages = [("/plan", k, f"{k} {'straight on ' * 100}".encode()) for k in range(100)]
    memory = Memory(rest_bytes=sum(len(data) for _, _, data in messages) // 10)
    for message in messages:
        memory.put(*message)
    remembered = memory.all()
    memory.put("/plan", 100, b"later")
    assert list(remembered) == messages


BEFORE_AFTER = {
    "disengagement": (Observation(0, engaged=True), Observation(1, engaged=False)),
    "planner_fallback": (Observation(0, fallback=False), Observation(1, fallback=True)),
    "low_confidence": (Observation(0, best_score=0.8), Observation(1, best_score=0.2)),
    "disagreement": (
        Observation(0, wanted_mps2=1.0, allowed_mps2=0.5),
        Observation(1, wanted_mps2=1.0, allowed_mps2=float("nan")),
    ),
    "operator_button": (Observation(0, pressed=False), Observation(1, pressed=True)),
}


@pytest.mark.parametrize("name", BEFORE_AFTER)
def test_a_trigger_fires_once_when_its_condition_begins(name: str) -> None:
    (trigger,) = make_triggers([name])
    calm, alarm = BEFORE_AFTER[name]
    fired = [trigger.fires(seen) for seen in (calm, alarm, alarm, Observation(2), calm, alarm)]
    assert fired == [False, True, False, False, False, True]


@pytest.mark.parametrize(("slope_mps2", "fires"), [(-6.0, 1), (-3.5, 0), (6.0, 0)])
def test_hard_braking_is_told_from_gentle(slope_mps2: float, fires: int) -> None:
    (trigger,) = make_triggers(["hard_braking"])
    seen = [Observation(k * 100 * MS, speed_mps=max(12.0 + slope_mps2 * k * 0.1, 0.0)) for k in range(15)]
    assert sum(trigger.fires(s) for s in seen) == fires


def test_one_spike_of_a_wheel_sensor_is_no_hard_braking() -> None:
    (trigger,) = make_triggers(["hard_braking"])
    speeds = [8.0, 8.0, 8.0, 7.5, 8.0, 8.0]
    assert not any(trigger.fires(Observation(k * 100 * MS, speed_mps=v)) for k, v in enumerate(speeds))


def test_a_body_that_is_told_speeds_disagrees_by_speed() -> None:
    (trigger,) = make_triggers(["disagreement"])
    seen = [Observation(k, wanted_mps=0.5, allowed_mps=allowed) for k, allowed in enumerate((0.4, 0.1, 0.0))]
    assert [trigger.fires(s) for s in seen] == [False, True, False]


def test_every_trigger_is_in_the_table_and_unknown_ones_are_refused() -> None:
    assert {kind.name for kind in TRIGGERS} == {"hard_braking", *BEFORE_AFTER}
    with pytest.raises(ConfigError, match="'earthquake' is unknown"):
        make_triggers(["earthquake"])
