"""A recorded drive played into the real stages over real DDS: the same bytes again, and what moved is named."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from graph_run import REPOSITORY, Run

from autodrive.data.bags import BagBytes, typestore
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.compare import compare
from autodrive.recording.frames import gather
from autodrive_nodes.graph import Options

KIND = "std_msgs/msg/Float64MultiArray"
STORE = typestore()


def arrays(path: Path, values: list[list[float]]) -> Path:
    layout = STORE.types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    with BagWriter(path, [("/a", KIND)], STORE) as bag:
        for k, data in enumerate(values):
            message = STORE.types[KIND](layout=layout, data=np.array(data, np.float64))
            bag.write("/a", k, bytes(STORE.serialize_cdr(message, KIND)))
    return path


def replay(bag: Path, out: Path, code: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autodrive_nodes.cli", "replay", str(bag), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    return subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=200)


def test_a_drive_replays_to_the_byte(tmp_path: Path) -> None:
    options = Options(town="brook", seed=3, duration_s=2.0, out=str(tmp_path / "drive"))
    with Run(options) as run:
        run.result()
    same = replay(tmp_path / "drive" / "bag", tmp_path / "same", REPOSITORY)
    assert same.returncode == 0 and "identical" in same.stdout, same.stdout + same.stderr
    assert "/planning/trajectory" in same.stdout and "/control/command/control_cmd" in same.stdout


def test_the_greatest_change_is_named_with_its_amount(tmp_path: Path) -> None:
    old = arrays(tmp_path / "old", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0]])
    new = arrays(tmp_path / "new", [[1.0, 2.0], [3.0, 4.5], [5.25, 6.0], [7.0]])
    found = compare(old, new, ["/a"])
    assert not found.equal
    assert found.same == {"/a": 2}
    (change,) = found.changes
    assert (change.topic, change.field, change.values, change.worst) == ("/a", "data[1]", 2, 0.5)
    assert compare(old, new, ["/a"], {"/a:data*": 0.5}).equal
    assert not compare(old, new, ["/a"], {"/a:data*": 0.3}).equal
    assert compare(old, old, ["/a"]).equal


@pytest.mark.parametrize("spoilt", [[math.nan], [math.inf], [1.0, 2.0]])
def test_no_tolerance_covers_what_is_no_number_or_of_another_length(tmp_path: Path, spoilt: list[float]) -> None:
    old, new = arrays(tmp_path / "old", [[1.0]]), arrays(tmp_path / "new", [spoilt])
    assert not compare(old, new, ["/a"], {"*": 1e9}).equal


def test_a_message_that_is_missing_or_more_is_said(tmp_path: Path) -> None:
    old, new = arrays(tmp_path / "old", [[1.0], [2.0]]), arrays(tmp_path / "new", [[1.0]])
    assert compare(old, new, ["/a"]).missing
    assert compare(new, old, ["/a"]).extra


def test_frames_are_in_order_of_their_stamps_whatever_the_order_in_the_bag() -> None:
    def item(topic: str, stamp_s: int, logged: int) -> BagBytes:
        data = b"\0\1\0\0" + stamp_s.to_bytes(4, "little") + bytes(4)
        return BagBytes(topic, logged, "sensor_msgs/msg/Imu", data)

    items = [item("/b", 3, 1), item("/a", 1, 2), item("/said", 1, 3), item("/a", 2, 4), item("/map", 0, 5)]
    frames = list(gather(items, {"/said"}, {"/map"}, 10**9, 2 * 10**9))
    assert [f.stamp_ns for f in frames] == [10**9, 2 * 10**9]
    assert [i.topic for i in frames[0].inputs] == ["/map", "/a"]
    assert [i.topic for i in frames[0].answers] == ["/said"]
