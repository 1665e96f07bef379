"""Recorded cameras of any rig: images are grouped by exposure, played in lockstep, and perceived by the car's nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from camera_bag import START_NS, FakeCamera, write_camera_bag
from diagnostic_msgs.msg import DiagnosticStatus
from graph_bench import GraphBench
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.data.bag_ego import ego_from_bag
from autodrive.data.bag_rig import rig_from_bag, write_rig
from autodrive.data.bags import BagReader, typestore
from autodrive.data.exposures import TOLERANCE_NS, group_exposures
from autodrive.recording.bag_writer import BagWriter
from autodrive.rig import load_rig
from autodrive.scene import DetectedObject, ObjectClass
from autodrive_nodes import bag_player_node, cli, contracts, messages
from autodrive_nodes.bag_player_node import BagPlayerNode

NUSCENES = Path(__file__).parents[2] / "shared" / "data" / "nuscenes_rosbag2" / "nuscenes_mcap"
EXTENT = [-24.0, 40.0, -32.0, 32.0]
MS = 1_000_000
TWO = [FakeCamera("front", 0), FakeCamera("rear", 180, offset_ms=20)]


# --- exposures -------------------------------------------------------------------------------------------------------


def stream(*stamps_ms: list[int]) -> Iterator[tuple[int, int, str]]:
    images = [(camera, t * MS, f"{camera}@{t}") for camera, times in enumerate(stamps_ms) for t in times]
    yield from sorted(images, key=lambda image: image[1])


def test_the_nearest_image_of_each_camera() -> None:
    groups = list(group_exposures(stream([0, 100, 200], [20, 120, 220], [-30, 70, 170]), 3, 0))
    assert [g.images for g in groups] == [
        ("0@0", "1@20", "2@-30"),
        ("0@100", "1@120", "2@70"),
        ("0@200", "1@220", "2@170"),
    ]
    assert groups[1].offsets_ns == (0, 20 * MS, -30 * MS)


def test_unequal_rates_follow_the_slowest() -> None:
    groups = list(group_exposures(stream([0, 100, 200], list(range(0, 260, 33))), 2, 0))
    assert [g.images for g in groups] == [("0@0", "1@0"), ("0@100", "1@99"), ("0@200", "1@198")]


def test_a_missing_image_is_reported_and_not_replaced() -> None:
    groups = list(group_exposures(stream([0, 100, 200, 300], [0, 100, 300]), 2, 0))
    assert [g.missing for g in groups] == [(), (), (1,), ()]
    assert groups[2].images == ("0@200", None)


def test_a_camera_that_stops_does_not_stop_the_others() -> None:
    """Exposures come while the bag is read, not only at its end."""
    read = 0

    def images() -> Iterator[tuple[int, int, str]]:
        nonlocal read
        for item in stream(list(range(0, 60_000, 100)), [0]):
            read += 1
            yield item

    groups = group_exposures(images(), 2, 0)
    for _ in range(3):
        next(groups)
    assert read < 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3000), min_size=1, max_size=25, unique=True).map(sorted), min_size=1, max_size=4)
)
def test_whatever_the_stamps(stamps: list[list[int]]) -> None:
    groups = list(group_exposures(stream(*stamps), len(stamps), 0))
    assert [g.stamp_ns for g in groups] == [t * MS for t in stamps[0]]  # one per image of the reference
    used = [image for g in groups for image in g.images if image is not None]
    assert len(used) == len(set(used))
    offsets = [o for g in groups for o in g.offsets_ns if o is not None]
    assert all(abs(o) <= TOLERANCE_NS for o in offsets)


# --- ego -------------------------------------------------------------------------------------------------------------


def test_ego_from_odometry(tmp_path: Path) -> None:
    bag = write_camera_bag(tmp_path / "bag", TWO, 1.0, odometry=True)
    track = ego_from_bag(bag, "base_link")
    ego = track.at(START_NS + 210 * MS)
    assert track.source == "/odom"
    assert ego.pose.x == pytest.approx(1.05, abs=1e-6)
    assert (ego.speed, ego.stamp_ns) == (5.0, START_NS + 210 * MS)
    assert track.at(START_NS - 10**9).pose.x == 0.0


def test_ego_from_transforms(tmp_path: Path) -> None:
    store = typestore()
    t = store.types
    with BagWriter(tmp_path / "bag", [("/tf", "tf2_msgs/msg/TFMessage")], store) as writer:
        for k in range(21):  # a circle of 10 m at 5 m/s, across the jump of atan2 at 180 degrees
            stamp_ns, yaw = START_NS + k * 50 * MS, 3.0 + 0.5 * k * 0.05
            header = t["std_msgs/msg/Header"](
                stamp=t["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id="map"
            )
            transform = t["geometry_msgs/msg/Transform"](
                translation=t["geometry_msgs/msg/Vector3"](x=10 * np.sin(yaw), y=-10 * np.cos(yaw), z=0.0),
                rotation=t["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=np.sin(yaw / 2), w=np.cos(yaw / 2)),
            )
            stamped = t["geometry_msgs/msg/TransformStamped"](
                header=header, child_frame_id="base_link", transform=transform
            )
            message = t["tf2_msgs/msg/TFMessage"](transforms=[stamped])
            writer.write("/tf", stamp_ns, bytes(store.serialize_cdr(message, "tf2_msgs/msg/TFMessage")))
    ego = ego_from_bag(tmp_path / "bag", "base_link").at(START_NS + 525 * MS)
    assert ego.speed == pytest.approx(5.0, rel=0.01)
    assert ego.yaw_rate == pytest.approx(0.5, rel=0.01)
    assert ego.pose.yaw == pytest.approx(3.0 + 0.5 * 0.525 - 2 * np.pi, abs=1e-3)


def test_without_either_the_body_stands_still(tmp_path: Path) -> None:
    track = ego_from_bag(write_camera_bag(tmp_path / "bag", TWO, 0.2), "base_link")
    assert "standing still" in track.source
    assert (track.at(5).speed, track.at(5).pose.x, track.at(5).stamp_ns) == (0.0, 0.0, 5)


# --- player ----------------------------------------------------------------------------------------------------------


def player(bag: Path, folder: Path) -> BagPlayerNode:
    write_rig(rig_from_bag(bag, "base_link", EXTENT).document, folder / "rig.yaml")
    # not the graph's name: what is left of this node in this process must not be taken for that of a whole graph
    return BagPlayerNode("player_under_test", {"bag": str(bag), "rig": str(folder / "rig.yaml")})


class FakeStages:
    """Answers as ingestion and perception do: when all cameras of a stamp came."""

    def __init__(self, bench: GraphBench, names: list[str], answer: bool = True) -> None:
        self.bench, self.answer = bench, answer
        self.images = {name: bench.listen(contracts.IMAGE_COMPRESSED, camera=name) for name in names}
        self.odometry = bench.listen(contracts.ODOMETRY)
        self.clock = bench.listen(contracts.CLOCK)
        self.stamps: list[int] = []
        for topic in (contracts.FRAME_SET, contracts.TRACKS, contracts.DETECTIONS):
            bench.publisher(topic, heard=False)

    def work(self) -> None:
        stamps = [[messages.stamp_ns(m.header.stamp) for m in heard] for heard in self.images.values()]
        for stamp_ns in [s for s in stamps[0] if all(s in other for other in stamps) and s not in self.stamps]:
            self.stamps.append(stamp_ns)
            if self.answer:
                car = DetectedObject(ObjectClass.CAR, 0.9, 10.0, 0.0, 0.8, 0.0, 4.0, 1.8, 1.5)
                self.bench.publish(contracts.TRACKS, messages.to_tracks(stamp_ns, []))
                self.bench.publish(contracts.DETECTIONS, messages.to_detections(stamp_ns, [car]))


def play(bench: GraphBench, stages: FakeStages, capfd: pytest.CaptureFixture[str]) -> dict:
    said: list[str] = []

    def done() -> bool:
        stages.work()
        said.append(capfd.readouterr().out)
        return "DONE" in said[-1]

    bench.spin(done)
    (line,) = [line for line in "".join(said).splitlines() if line.startswith("DONE")]
    assert "".join(said).count("PROGRESS") == len(stages.stamps)
    return json.loads(line.removeprefix("DONE "))


def test_lockstep_with_one_stamp_per_exposure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cameras = [FakeCamera("front", 0, 50), FakeCamera("rear", 180, offset_ms=20, lost=frozenset({3}))]
    bag = write_camera_bag(tmp_path / "bag", cameras, 1.0, odometry=True)
    with GraphBench("perception") as bench:
        stages = FakeStages(bench, ["front", "rear"])
        infos = bench.listen(contracts.CAMERA_INFO, camera="rear")
        bench.up(player(bag, tmp_path))
        result = play(bench, stages, capfd)
    assert result["frames"] == 9  # the slower camera has nine images
    assert stages.stamps == [START_NS + (k * 100 + 20) * MS for k in range(10) if k != 3]
    assert [messages.stamp_ns(c.clock) for c in stages.clock] == stages.stamps
    assert [m.pose.pose.position.x for m in stages.odometry] == pytest.approx(
        [5.0 * (s - START_NS) * 1e-9 for s in stages.stamps]
    )
    assert result["cameras"]["front"]["offset_ms"] == pytest.approx(-20.0)
    assert result["objects"] == {"car": 9}
    assert result["odometry"] == "/odom"
    assert infos[0].width == 320


def test_an_exposure_without_a_camera_is_left_out_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cameras = [FakeCamera("front", 0, lost=frozenset({1, 2})), FakeCamera("rear", 180, lost=frozenset({5, 6, 7}))]
    bag = write_camera_bag(tmp_path / "bag", cameras, 1.0)
    with GraphBench("perception") as bench:
        stages = FakeStages(bench, ["front", "rear"])
        bench.up(player(bag, tmp_path))
        result = play(bench, stages, capfd)
    assert result["frames"] == 5
    assert result["frames_incomplete"] == {"front": 2}


def test_a_silent_stage_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bag_player_node, "ANSWER_TIMEOUT_S", 1.0)
    bag = write_camera_bag(tmp_path / "bag", TWO, 0.5)
    with GraphBench("perception") as bench:
        stages = FakeStages(bench, ["front", "rear"], answer=False)
        bench.up(player(bag, tmp_path))
        with pytest.raises(SystemExit):
            bench.spin(lambda: stages.work() or False)
    assert "camera_ingestion gave no answer to exposure 1" in capfd.readouterr().err


def test_a_refused_exposure_is_counted_and_the_next_follows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bag_player_node, "FIRST_AFTER_COMPLAINT_S", 0.5)
    bag = write_camera_bag(tmp_path / "bag", TWO, 0.4)
    with GraphBench("perception") as bench:
        stages = FakeStages(bench, ["front", "rear"], answer=False)
        bench.up(player(bag, tmp_path))
        bench.spin(lambda: stages.work() or len(stages.stamps) == 1)
        error = "50 bytes are no image"
        status = messages.to_diagnostics(stages.stamps[0], "camera_ingestion", DiagnosticStatus.ERROR, error, {})
        bench.publish(contracts.DIAGNOSTICS, status)
        stages.answer = True
        result = play(bench, stages, capfd)
    assert result["frames"] == 3
    assert result["frames_failed"] == {"camera_ingestion: 50 bytes are no image": 1}


# --- the command -----------------------------------------------------------------------------------------------------


def perceived(out: Path) -> dict:
    assert (out / "drive.mp4").stat().st_size > 1000
    assert load_rig(out / "rig.yaml").cameras
    return json.loads((out / "report.json").read_text())


def test_cameras_of_a_stranger(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cameras = [
        FakeCamera("front", 0, damaged=frozenset({2})),
        FakeCamera("rear", 180, raw=True, offset_ms=30),
        FakeCamera("left", 90, 50),
    ]
    bag = write_camera_bag(tmp_path / "bag", cameras, 0.6, odometry=True)
    assert cli.main(["perceive", str(bag), "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr().out
    report = perceived(tmp_path / "out")
    assert report["frames"] == 5
    (why,) = report["frames_failed"]
    assert "front" in why and "no image" in why
    assert set(report["cameras"]) == {"front", "rear", "left"}
    assert "front 320x160" in said and "simulator" in said
    with BagReader(tmp_path / "out" / "bag") as reader:
        detections = list(reader.messages([contracts.DETECTIONS.name]))
    assert len(detections) == 5
    assert all(START_NS <= m.stamp_ns < START_NS + 10**9 for m in detections)  # the bag's time, not ours


@pytest.mark.skipif(not NUSCENES.exists(), reason="../shared/data/nuscenes_rosbag2 is not here")
def test_six_real_cameras(tmp_path: Path) -> None:
    assert cli.main(["perceive", str(NUSCENES), "--out", str(tmp_path)]) == 0
    report = perceived(tmp_path)
    assert report["frames"] == 1
    assert len(report["cameras"]) == 6
    assert report["frames_failed"] == report["frames_incomplete"] == {}
    assert report["cameras"]["cam_front"]["size"] == [1600, 900]


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["perceive", *arguments]) == 1
    error = capfd.readouterr().err
    assert error.startswith("autodrive: ") and error.count("\n") == 1
    return error


def test_odd_bags_end_in_one_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert "does not exist" in refused(capfd, str(tmp_path / "nothing"), *out)
    (tmp_path / "text.mcap").write_text("this is not a bag")
    assert "cannot be read" in refused(capfd, str(tmp_path / "text.mcap"), *out)
    assert "no CameraInfo" in refused(capfd, str(write_camera_bag(tmp_path / "blind", [], 0.1, odometry=True)), *out)
    assert "tf_static" in refused(capfd, str(write_camera_bag(tmp_path / "no_tf", TWO, 0.1, tf=False)), *out)
    cut = write_camera_bag(tmp_path / "cut", TWO, 1.0) / "cut.mcap"
    (found,) = cut.parent.glob("*.mcap")
    found.write_bytes(found.read_bytes()[: found.stat().st_size // 2])
    assert "cut" in refused(capfd, str(cut.parent), *out)
    assert "extent" in refused(capfd, str(write_camera_bag(tmp_path / "ok", TWO, 0.1)), "--extent", "0", "1", "0", "2")
    assert not (tmp_path / "out" / "report.json").exists()


def test_the_bag_itself_is_never_overwritten(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bag = write_camera_bag(tmp_path / "run" / "bag", TWO, 0.2)
    assert "overwrite" in refused(capfd, str(bag), "--out", str(tmp_path / "run"))
    assert list(bag.glob("*.mcap"))
