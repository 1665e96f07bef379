"""The recorder keeps every message of every recorded topic, in the time of the simulation, over real DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from graph_bench import GraphBench
from rclpy.qos import qos_profile_sensor_data
from rosbags.rosbag2 import Reader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Temperature

from autodrive.camera.recordings import decode_image
from autodrive.data.bags import BagReader
from autodrive.errors import ConfigError
from autodrive.geometry import Pose2
from autodrive.recording.salvage import repair
from autodrive.rig import load_rig
from autodrive.scene import EgoState, ObjectClass, TrackedObject
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.camera_tap import CameraTap
from autodrive_nodes.contracts import Topic
from autodrive_nodes.graph import Options
from autodrive_nodes.paths import RIGS
from autodrive_nodes.recorded_topics import preview_camera, recorded_topics
from autodrive_nodes.recorder_node import RecorderNode

RIG = RIGS / "car.yaml"
TICK_NS = 100_000_000


def track(k: int) -> TrackedObject:
    return TrackedObject(k, ObjectClass.CAR, 0.9, 10.0 + k, 2.0, 0.8, 0.1, 4.2, 1.8, 1.5, 3.0, 0.0, 0.0, 1.0)


def recorder(out: Path) -> RecorderNode:
    return RecorderNode("recorder", {"rig": str(RIG), "out": str(out)})


def ego(stamp_ns: int) -> EgoState:
    return EgoState(stamp_ns, Pose2(stamp_ns * 1e-9, 0.0, 0.0), 8.0, 0.0)


def test_nothing_is_lost_and_stamps_are_those_of_the_clock(tmp_path: Path) -> None:
    ticks = 200
    with GraphBench() as bench:
        stage = recorder(tmp_path)
        bench.up(stage)
        camera = load_rig(RIG).cameras[0]
        bench.publish(contracts.CAMERA_INFO, messages.to_camera_info(camera), camera=camera.name)
        bench.publisher(contracts.ODOMETRY), bench.publisher(contracts.TRACKS), bench.publisher(contracts.CLOCK)
        for k in range(ticks):  # a burst, faster than anything is taken
            stamp_ns = 5 * 10**9 + k * TICK_NS
            bench.publish(contracts.CLOCK, Clock(clock=messages.to_time(stamp_ns)))
            bench.publish(contracts.ODOMETRY, messages.to_odometry(ego(stamp_ns)))
            bench.publish(contracts.TRACKS, messages.to_tracks(stamp_ns, [track(1), track(2)]))
        bench.spin(lambda: stage._clock_ns == stamp_ns)  # however slow the machine is
        bench.settle(1.5)
    with BagReader(tmp_path / "bag") as bag:
        found = list(bag.messages())
    by_topic: dict[str, list] = {}
    for item in found:
        by_topic.setdefault(item.topic, []).append(item)
    for topic in (contracts.CLOCK, contracts.ODOMETRY, contracts.TRACKS):
        assert len(by_topic[topic.name]) == ticks, topic.name
    assert len(by_topic["/camera/front/camera_info"]) == 1
    assert min(i.stamp_ns for i in found) == 5 * 10**9  # what came before the clock waits for it
    assert max(i.stamp_ns for i in found) == 5 * 10**9 + (ticks - 1) * TICK_NS
    (last,) = by_topic[contracts.TRACKS.name][-1:]
    assert [o.kinematics.pose_with_covariance.pose.position.x for o in last.message.objects] == [11.0, 12.0]
    assert by_topic[contracts.ODOMETRY.name][-1].message.pose.pose.position.x == pytest.approx(24.9)


def test_every_recorded_topic_can_be_recorded(tmp_path: Path) -> None:
    topics = recorded_topics(load_rig(RIG))
    assert {"/camera/rear/camera_info", "/diagnostics", "/tf", contracts.FRONT_PREVIEW.name} <= topics.keys()
    assert not any("shm" in name or name.endswith("image_raw") for name in topics)
    with GraphBench() as bench:
        stage = bench.up(recorder(tmp_path))
        heard = {name for name, _ in stage.get_topic_names_and_types()}
        assert topics.keys() <= heard


def test_front_camera_once_per_second(tmp_path: Path) -> None:
    rig = load_rig(RIG)
    rings = {c.name: RingWriter(f"test_{c.name}", c.width * c.height * 3) for c in rig.cameras}
    image = np.zeros((160, 320, 3), np.uint8)
    image[:, :160, 0] = 220  # red on the left
    try:
        with GraphBench() as bench:
            previews = bench.listen(contracts.FRONT_PREVIEW)
            bench.up(recorder(tmp_path))
            bench.publish(contracts.CLOCK, Clock())
            for k in range(25):
                descriptors = tuple((name, ring.write(image)) for name, ring in rings.items())
                bench.publish(contracts.FRAME_SET, frame_set.to_message(k * TICK_NS, descriptors))
                bench.settle(0.02)
            bench.spin(lambda: len(previews) == 3)
    finally:
        for ring in rings.values():
            ring.close()
    assert [messages.stamp_ns(p.header.stamp) for p in previews] == [0, 10**9, 2 * 10**9]
    decoded = cv2.imdecode(np.frombuffer(previews[0].data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert decoded[80, 40, 0] > 200 > 60 > decoded[80, 40, 2]
    assert decoded[80, 280].max() < 30
    with BagReader(tmp_path / "bag") as bag:
        assert len(list(bag.messages([contracts.FRONT_PREVIEW.name]))) == 3


def test_preview_camera_of_other_rigs() -> None:
    assert preview_camera(load_rig(RIG)) == "front"
    humanoid = load_rig(RIGS / "humanoid.yaml")
    assert preview_camera(humanoid) in [c.name for c in humanoid.cameras]


def test_without_out_it_is_refused() -> None:
    with GraphBench() as bench:
        stage = RecorderNode("recorder", {"rig": str(RIG), "out": ""})
        with pytest.raises(ConfigError, match="out is empty"):
            stage.setup()
        stage.destroy_node()
        assert bench.node is not None


def _start(out: Path) -> subprocess.Popen[str]:
    script = (
        "import sys, rclpy; from autodrive_nodes import container; from autodrive_nodes.container import _create\n"
        "create = container._create\n"
        "def up(spec):\n"
        "    node = create(spec); node.trigger_configure(); node.trigger_activate(); print('UP', flush=True)\n"
        "    return node\n"
        "container._create = up\n"
        "sys.exit(container.main(['--group', 'recording', '--options', sys.argv[1]]))\n"
    )
    options = Options(system="car", out=str(out)).to_json()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as the supervisor starts it
    process = subprocess.Popen(
        [sys.executable, "-c", script, options], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    for _ in range(2):  # recorder and video
        assert process.stdout.readline().strip() == "UP"
    return process


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_lost_however_the_process_ends(tmp_path: Path, end: signal.Signals) -> None:
    (tmp_path / "bag").mkdir()  # left by an older run
    (tmp_path / "bag" / "old.mcap").write_bytes(b"old")
    process = _start(tmp_path)
    try:
        with GraphBench() as bench:
            bench.publish(contracts.CLOCK, Clock(clock=messages.to_time(7 * 10**9)))
            status = messages.to_diagnostics(1, "somebody", DiagnosticStatus.OK, "fine", {})
            bench.publish(contracts.DIAGNOSTICS, status)
            bench.settle(1.5)
        os.kill(process.pid, end)
        process.wait(40)  # the bag is closed within a second; a crowded machine takes its time to end a process
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "bag" / "metadata.yaml").exists() == (end != signal.SIGKILL)
    if end == signal.SIGKILL:  # the last flush was up to half a second before
        assert repair(tmp_path / "bag").messages == 2
    with BagReader(tmp_path / "bag") as bag:
        found = [m.topic for m in bag.messages()]
    assert sorted(found) == ["/clock", "/diagnostics"]


def cdr_topics(path: Path) -> dict[str, list]:
    found: dict[str, list] = {}
    with BagReader(path) as bag:
        for item in bag.messages():
            found.setdefault(item.topic, []).append(item.message)
    return found


@pytest.mark.parametrize("kind", ["raw", "jpeg"])
def test_every_camera_is_recorded_out_of_shared_memory(tmp_path: Path, kind: str) -> None:
    rig = load_rig(RIG)
    rings = {c.name: RingWriter(f"tap_{c.name}", c.width * c.height * 3, slots=4) for c in rig.cameras}
    shape = (rig.cameras[0].height, rig.cameras[0].width, 3)
    ramp = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape[:2])
    images = [np.repeat((ramp // (40 + 5 * k) % 200).astype(np.uint8)[..., None], 3, axis=2) for k in range(3)]
    try:
        with GraphBench() as bench:
            options = {"rig": str(RIG), "out": str(tmp_path), "images": kind}
            bench.up(RecorderNode("recorder", options))
            bench.publish(contracts.CLOCK, Clock())
            for k, image in enumerate(images):
                for name, ring in rings.items():
                    message = messages.to_shared_image(k * TICK_NS, f"camera/{name}_optical", ring.write(image))
                    bench.publish(contracts.IMAGE_SHM, message, camera=name)
                bench.settle(0.3)
    finally:
        for ring in rings.values():
            ring.close()
    found = cdr_topics(tmp_path / "bag")
    for camera in rig.cameras:
        topic = f"/camera/{camera.name}/image_raw" + ("" if kind == "raw" else "/compressed")
        assert [messages.stamp_ns(m.header.stamp) for m in found[topic]] == [k * TICK_NS for k in range(3)]
        for image, message in zip(images, found[topic], strict=True):
            assert message.header.frame_id == f"camera/{camera.name}_optical"
            if kind == "raw":
                assert (message.height, message.width, message.encoding) == (*shape[:2], "rgb8")
                assert message.step == 3 * shape[1] and np.array_equal(message.data.reshape(shape), image)
            else:
                assert np.abs(decode_image(message.data, topic).astype(int) - image).mean() < 4


def test_an_image_that_was_overwritten_is_no_message_and_is_counted(tmp_path: Path) -> None:
    ring = RingWriter("late_front", 12, slots=2)
    image = np.zeros((2, 2, 3), np.uint8)
    try:
        old, _, new = (messages.to_shared_image(0, "front", ring.write(image)) for _ in range(3))
        tap = CameraTap("raw")
        assert tap.take(old) is None
        assert tap.take(new) is not None
    finally:
        ring.close()


def test_plain_images_are_recorded_where_nobody_shares_memory(tmp_path: Path) -> None:
    camera = load_rig(RIG).cameras[0]
    image = np.full((camera.height, camera.width, 3), 90, np.uint8)
    with GraphBench() as bench:
        publisher = bench.publisher(contracts.IMAGE, heard=False, camera=camera.name)
        bench.up(RecorderNode("recorder", {"rig": str(RIG), "out": str(tmp_path), "images": "raw"}))
        bench.publish(contracts.CLOCK, Clock())
        bench.spin(lambda: publisher.get_subscription_count() > 0)
        for k in range(4):
            publisher.publish(messages.to_image(k * TICK_NS, camera, image))
            bench.settle(0.05)
        bench.settle(0.3)
    found = cdr_topics(tmp_path / "bag")[f"/camera/{camera.name}/image_raw"]
    assert len(found) == 4 and (found[3].data == 90).all()


def test_only_what_the_patterns_name_is_recorded_whoever_publishes_it(tmp_path: Path) -> None:
    sensor = Topic("/lidar/temperature", "sensor_msgs/msg/Temperature", "user")
    with GraphBench() as bench:
        patterns = ["/lidar/*", "/localization/*"]
        bench.up(RecorderNode("recorder", {"rig": str(RIG), "out": str(tmp_path), "topics": patterns}))
        publisher = bench.node.create_publisher(Temperature, sensor.name, qos_profile_sensor_data)  # best effort
        bench.publish(contracts.CLOCK, Clock(clock=messages.to_time(TICK_NS)))
        bench.publish(contracts.ODOMETRY, messages.to_odometry(ego(TICK_NS)))
        bench.publisher(contracts.TRACKS, heard=False).publish(messages.to_tracks(TICK_NS, []))
        bench.spin(lambda: publisher.get_subscription_count() > 0)
        for k in range(5):
            publisher.publish(Temperature(temperature=20.0 + k))
            bench.settle(0.05)
        bench.settle(0.3)
    found = cdr_topics(tmp_path / "bag")
    assert found.keys() == {sensor.name, contracts.ODOMETRY.name}
    assert [m.temperature for m in found[sensor.name]] == [20.0, 21.0, 22.0, 23.0, 24.0]
    with Reader(tmp_path / "bag") as bag:
        offered = {c.topic: c.ext.offered_qos_profiles[0].reliability.name for c in bag.connections}
    assert offered[sensor.name] == "BEST_EFFORT" and offered[contracts.ODOMETRY.name] == "RELIABLE"


def test_images_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with GraphBench():
        stage = RecorderNode("recorder", {"rig": str(RIG), "out": str(tmp_path), "images": "png"})
        with pytest.raises(ConfigError, match="raw or jpeg"):
            stage.setup()
        stage.destroy_node()
