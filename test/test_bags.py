"""Bags written by us are read back to the byte, and the odd ones of rosbag2's own tests end in a clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodrive.data.bags import BagReader, typestore
from autodrive.errors import InputError
from autodrive.recording.bag_writer import BagWriter

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "rosbag2_samples"


def string_cdr(store, text: str) -> bytes:
    message = store.types["std_msgs/msg/String"](data=text)
    return bytes(store.serialize_cdr(message, "std_msgs/msg/String"))


def test_round_trip(tmp_path: Path) -> None:
    store = typestore()
    with BagWriter(tmp_path / "bag", [("/a", "std_msgs/msg/String"), ("/b", "std_msgs/msg/String")], store) as writer:
        for k in range(20):
            writer.write("/a" if k % 2 else "/b", k * 10, string_cdr(store, f"message {k}"))
    with BagReader(tmp_path / "bag") as reader:
        assert [(t.name, t.count) for t in reader.topics()] == [("/a", 10), ("/b", 10)]
        assert [(m.stamp_ns, m.message.data) for m in reader.messages()] == [
            (k * 10, f"message {k}") for k in range(20)
        ]
        assert [m.message.data for m in reader.messages(["/a"])] == [f"message {k}" for k in range(1, 20, 2)]
    assert {file.name for file in (tmp_path / "bag").iterdir()} == {"bag_0.mcap", "metadata.yaml"}


def test_own_messages_are_registered(tmp_path: Path) -> None:
    package = tmp_path / "thing_msgs"
    (package / "msg").mkdir(parents=True)
    (package / "msg" / "Thing.msg").write_text("std_msgs/Header header\nfloat64 size\n")
    store = typestore([package])
    with BagWriter(tmp_path / "bag", [("/thing", "thing_msgs/msg/Thing")], store) as writer:
        header = store.types["std_msgs/msg/Header"](
            stamp=store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=2), frame_id="map"
        )
        thing = store.types["thing_msgs/msg/Thing"](header=header, size=3.5)
        writer.write("/thing", 5, bytes(store.serialize_cdr(thing, "thing_msgs/msg/Thing")))
    with BagReader(tmp_path / "bag") as reader:  # the reader learns the type from the bag alone
        (message,) = list(reader.messages())
        assert message.message.size == 3.5
        assert message.message.header.frame_id == "map"


@pytest.mark.parametrize("content", [b"", b"not a bag at all", b"\x89MCAP0\r\n" + b"\0" * 50])
def test_garbage_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.mcap"):
        BagReader(path)


def test_missing_bag_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        BagReader(tmp_path / "nothing")


@pytest.mark.skipif(not SAMPLES.exists(), reason="../shared/data/rosbag2_samples is not here")
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(("bag", "topic"), [("talker", "/topic"), ("wbag", None)])
def test_nothing_of_a_rosbag2_sample_is_lost(storage: str, bag: str, topic: str | None) -> None:
    with BagReader(SAMPLES / "rosbag2_py" / "test" / "resources" / storage / bag) as reader:
        wanted = [t for t in reader.topics() if topic in (None, t.name)]
        got = [m for m in reader.messages([t.name for t in wanted])]
    assert len(got) == sum(t.count for t in wanted) > 0
    assert [m.stamp_ns for m in got] == sorted(m.stamp_ns for m in got)
