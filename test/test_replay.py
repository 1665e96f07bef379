"""A recorded drive played into the real stages over real DDS: the same bytes again, and what moved is named."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from graph_run import REPOSITORY, Run

from autodrive.data.bags import BagBytes, typestore
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.compare import compare, differences
from autodrive.recording.frames import ImageStream, gather, stamp_in, stamp_of
from autodrive_nodes import contracts
from autodrive_nodes.graph import Options
from autodrive_nodes.replay_topics import STAGES, body_of, images_of, topics_of, with_ingestion

KIND = "std_msgs/msg/Float64MultiArray"
STORE = typestore()


def arrays(path: Path, values: list[list[float]]) -> Path:
    layout = STORE.types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    with BagWriter(path, [("/a", KIND)], STORE) as bag:
        for k, data in enumerate(values):
            message = STORE.types[KIND](layout=layout, data=np.array(data, np.float64))
            bag.write("/a", k, bytes(STORE.serialize_cdr(message, KIND)))
    return path


def replay(bag: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autodrive_nodes.cli", "replay", str(bag), "--out", str(out), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=200)


def test_what_another_processor_rounds_otherwise_has_not_moved() -> None:
    old = {"goal": [0.1 + 0.2, 1e9], "phase": "walk", "dock": None}
    same, moved = {**old, "goal": [0.3, 1e9 + 1e-7]}, {**old, "goal": [0.31, 1e9], "dock": [1.0]}
    assert not [d for d in differences(json.dumps(old), json.dumps(same), "data") if d[3] > 1e-9 * max(1.0, d[1])]
    names = {name for name, *_ in differences(json.dumps(old), json.dumps(moved), "data")}
    assert names == {"data.goal[0]", "data.dock"}
    assert [d[3] for d in differences("walk", "stand", "data")] == [math.inf]


def test_a_drive_replays_to_the_byte_also_from_its_images_on(tmp_path: Path) -> None:
    options = Options(town="brook", seed=3, duration_s=2.0, out=str(tmp_path / "drive"), record_images="raw")
    with Run(options) as run:
        run.result()
    same = replay(tmp_path / "drive" / "bag", tmp_path / "same", "--all")
    assert same.returncode == 0 and "identical" in same.stdout, same.stdout + same.stderr
    assert "live they took" in same.stdout
    for topic in (contracts.DETECTIONS, contracts.TRACKS, contracts.TRAJECTORY, contracts.COMMAND):
        assert topic.name in same.stdout
    few = replay(tmp_path / "drive" / "bag", tmp_path / "few", "--only", "planning", "--to", "1")
    assert few.returncode == 0 and "/control/" not in few.stdout, few.stdout + few.stderr


def test_vision_cannot_be_replayed_without_images(tmp_path: Path) -> None:
    reference = REPOSITORY / "test" / "references" / "brook-3"
    done = replay(reference, tmp_path, "--only", "perception")
    assert done.returncode == 1 and "--record-images" in done.stderr


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


TEXT = "std_msgs/msg/String"


def text(words: str) -> BagBytes:
    data = STORE.serialize_cdr(STORE.types[TEXT](data=words), TEXT)
    return BagBytes("/said", 7, TEXT, bytes(data))


def test_stamps_of_text_are_those_of_its_json() -> None:
    assert stamp_in(text(json.dumps({"stamp_ns": 12_000_000_001, "state": "idle"}))) == 12_000_000_001
    assert stamp_in(text("go to the box")) is None and stamp_of(text("go to the box")) == 7
    assert stamp_in(BagBytes("/halt", 9, "std_msgs/msg/Bool", b"\0\1\0\0\1")) is None


def test_what_has_no_stamp_is_compared_by_its_place(tmp_path: Path) -> None:
    def halts(name: str, *values: tuple[int, bool]) -> Path:
        with BagWriter(tmp_path / name, [("/halt", "std_msgs/msg/Bool")], STORE) as bag:
            for stamp_ns, value in values:
                bag.write("/halt", stamp_ns, b"\0\1\0\0" + bytes([value]))
        return tmp_path / name

    old = halts("old", (10, False), (20, True))
    assert compare(old, halts("later", (15, False), (35, True)), ["/halt"]).equal
    assert not compare(old, halts("other", (10, False), (20, False)), ["/halt"]).equal


def test_images_come_by_exposure_and_are_not_held() -> None:
    def image(camera: str, stamp_s: int) -> BagBytes:
        data = b"\0\1\0\0" + stamp_s.to_bytes(4, "little") + bytes(4)
        return BagBytes(camera, 0, "sensor_msgs/msg/Image", data)

    read: list[int] = []

    def bag() -> Iterator[BagBytes]:
        for stamp_s in range(1, 5):
            for camera in ("/a", "/b"):
                read.append(stamp_s)
                yield image(camera, stamp_s)

    stream = ImageStream(bag())
    assert [i.topic for i in stream.take(10**9)] == ["/a", "/b"] and max(read) == 2
    assert stream.take(1_500_000_000) == []
    assert [i.topic for i in stream.take(3 * 10**9)] == ["/a", "/b"], "what nobody asked for is passed over"
    assert stream.take(9 * 10**9) == []


CAMERAS = {f"/camera/{name}/{what}" for name in ("front", "rear") for what in ("camera_info", "image_raw/compressed")}


@pytest.mark.parametrize(
    ("recorded", "played"),
    [
        (CAMERAS, {"/camera/front/image_raw/compressed", "/camera/rear/image_raw/compressed"}),
        (CAMERAS - {"/camera/rear/image_raw/compressed"}, set()),  # the preview of a recording without images
        ({"/camera/front/image_raw/compressed"}, set()),
        ({*CAMERAS, "/camera/front/image_raw"}, {"/camera/front/image_raw"}),
        ({"/camera/front/camera_info", "/camera/front/image_raw/compressed"}, {"/camera/front/image_raw/compressed"}),
    ],
)
def test_the_recorders_preview_is_no_camera(recorded: set[str], played: set[str]) -> None:
    assert images_of(["camera_ingestion"], recorded).keys() == played
    assert images_of(["planning"], recorded) == {}


def test_a_walking_body_has_other_stages() -> None:
    legs = {contracts.JOINT_STATES.name, contracts.ODOMETRY.name, contracts.TRAJECTORY.name, contracts.TRACKS.name}
    assert body_of(legs) == "humanoid" and body_of(legs - {contracts.JOINT_STATES.name}) == "car"
    outputs, inputs = topics_of(STAGES["humanoid"], legs)
    assert outputs.keys() == {contracts.ODOMETRY.name, contracts.TRAJECTORY.name}
    assert inputs.keys() == {contracts.JOINT_STATES.name, contracts.TRACKS.name}
    assert with_ingestion(["planning", "perception"]) == ("camera_ingestion", "planning", "perception")


def test_points_are_compared_as_numbers(tmp_path: Path) -> None:
    kind = "sensor_msgs/msg/PointCloud2"
    types = STORE.types
    time, header = types["builtin_interfaces/msg/Time"](sec=1, nanosec=0), types["std_msgs/msg/Header"]
    field = types["sensor_msgs/msg/PointField"](name="x", offset=0, datatype=7, count=1)

    def cloud(name: str, *values: float) -> Path:
        data = np.array(values, "<f4").view(np.uint8)
        message = types[kind](
            header=header(stamp=time, frame_id="map"), height=1, width=len(values), fields=[field], is_bigendian=False,
            point_step=4, row_step=4 * len(values), data=data, is_dense=True,
        )  # fmt: skip
        with BagWriter(tmp_path / name, [("/lanes", kind)], STORE) as bag:
            bag.write("/lanes", 0, bytes(STORE.serialize_cdr(message, kind)))
        return tmp_path / name

    old, new = cloud("old", 1.0, 2.0), cloud("new", 1.0, 2.25)
    (change,) = compare(old, new, ["/lanes"]).changes
    assert (change.field, change.worst) == ("values[1]", 0.25)
    assert compare(old, new, ["/lanes"], {"/lanes:values*": 0.25}).equal
    assert not compare(old, cloud("more", 1.0, 2.0, 3.0), ["/lanes"], {"/lanes:*": 9.0}).equal
