"""The video node draws one frame per frame set, whatever of its stamp came, and never waits for what does not come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from graph_bench import GraphBench

from autodrive.geometry import Pose2
from autodrive.rig import load_rig
from autodrive.scene import (
    Command,
    EgoState,
    Forecast,
    ForecastMode,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
    Trajectory,
)
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.paths import RIGS
from autodrive_nodes.video_node import MAX_PENDING, VideoNode

RIG = load_rig(RIGS / "car.yaml")
TICK_NS = 100_000_000


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def track(k: int, stamp_ns: int) -> TrackedObject:
    x = 8.0 + 3 * k + stamp_ns * 1e-9
    return TrackedObject(k, ObjectClass.CAR, 0.9, x, 3.0, 0.8, 0.0, 4.2, 1.8, 1.5, 1.0, 0.0, 0.0, 1.0)


class Feed:
    """Publishes the parts of one stamp, and owns the rings that the images lie in."""

    def __init__(self, bench: GraphBench) -> None:
        self.bench = bench
        self.rings = {c.name: RingWriter(f"video_{c.name}", c.width * c.height * 3) for c in RIG.cameras}

    def images(self, stamp_ns: int, shade: int = 120) -> None:
        image = np.full((160, 320, 3), shade, np.uint8)
        descriptors = tuple((name, ring.write(image)) for name, ring in self.rings.items())
        self.bench.publish(contracts.FRAME_SET, frame_set.to_message(stamp_ns, descriptors))

    def rest(self, stamp_ns: int, objects: int = 2, speed: float = 8.0, fallback: bool = False) -> None:
        tracks = tuple(track(k, stamp_ns) for k in range(objects))
        poses = np.stack([np.array([t.x, t.y, 0.0]) + np.arange(1, 5)[:, None] * [1.0, 0, 0] for t in tracks])
        forecasts = [Forecast(t, 0.5, (ForecastMode(1.0, p),)) for t, p in zip(tracks, poses, strict=True)]
        t = np.arange(0, 4, 0.1)
        zero = np.zeros_like(t)
        plan = Trajectory(stamp_ns, t, t * 8, zero, zero, zero + 8, zero, zero)
        markings = GroundMarkings(np.array([[5.0, 1.7], [6.0, 1.7]]), np.array([1, 1]), np.array([0.9, 0.9]))
        grid = GroundGrid(RIG.extent, np.full((1, 64, 64), 0.9, np.float32))
        level = DiagnosticStatus.WARN if fallback else DiagnosticStatus.OK
        publish, c = self.bench.publish, contracts
        ego = EgoState(stamp_ns, Pose2(stamp_ns * 1e-9, 0.0, 0.0), speed, 0.0)
        publish(c.ODOMETRY, messages.to_odometry(ego))
        publish(c.FREE_SPACE, messages.to_occupancy(stamp_ns, grid))
        publish(c.LANES, messages.to_markings(stamp_ns, markings))
        publish(c.TRACKS, messages.to_tracks(stamp_ns, tracks))
        publish(c.PREDICTIONS, messages.to_predictions(stamp_ns, forecasts))
        publish(c.TRAJECTORY, messages.to_trajectory(plan))
        publish(c.DIAGNOSTICS, messages.to_diagnostics(stamp_ns, "planning", level, "cruise", {}))
        publish(c.COMMAND, messages.to_control(Command(stamp_ns, 0.02, 0.5, 8.0)))

    def close(self) -> None:
        for ring in self.rings.values():
            ring.close()


@pytest.fixture
def bench() -> Iterator[GraphBench]:
    with GraphBench() as bench:
        yield bench


@pytest.fixture
def feed(bench: GraphBench) -> Iterator[Feed]:
    feed = Feed(bench)
    yield feed
    feed.close()


def video(bench: GraphBench, out: Path) -> VideoNode:
    stage = VideoNode("video", {"rig": str(RIGS / "car.yaml"), "out": str(out), "title": "car | summit | seed 7"})
    bench.up(stage)
    return stage


def test_one_frame_per_frame_set(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    stage = video(bench, tmp_path)
    bench.publish(contracts.ROUTE, messages.to_path(Route(np.array([[0.0, 0], [80, 0]]), Pose2(0, 0, 0), 8.0)))
    for k in range(12):
        feed.images(k * TICK_NS)
        feed.rest(k * TICK_NS)
        bench.settle(0.05)
    bench.spin(lambda: stage._video.frames == 12)  # drawn as soon as all is there, not at the end
    assert not (tmp_path / "drive.mp4").exists()
    stage.shutdown()
    frames = decode(tmp_path / "drive.mp4")
    assert len(frames) == 12
    assert stage.dropped == 0
    assert not list(tmp_path.glob(".*"))
    first = frames[0].astype(int)
    assert abs(np.median(first[120:300, 20:300]) - 120) < 12  # the front camera's grey
    bird = first[80:, 640:]
    green, red = bird[..., 1] - bird[..., 0], bird[..., 0] - bird[..., 1]
    assert (green > 60).sum() > 100  # the plan
    assert (red > 60).sum() == 0


def test_a_fallback_is_red(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    stage = video(bench, tmp_path)
    feed.images(0)
    feed.rest(0, fallback=True)
    bench.spin(lambda: stage._video.frames == 1)
    stage.shutdown()
    bird = decode(tmp_path / "drive.mp4")[0].astype(int)[80:, 640:]
    assert (bird[..., 0] - bird[..., 1] > 60).sum() > 100


def test_missing_parts_hold_nothing_up(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    """As in ``perceive``, where nobody plans; the frames that wait are drawn at the end."""
    stage = video(bench, tmp_path)
    for k in range(8):
        feed.images(k * TICK_NS)
        bench.settle(0.05)
    assert stage._video.frames == 5
    stage.shutdown()
    assert len(decode(tmp_path / "drive.mp4")) == 8


def test_images_that_are_gone_are_left_out(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    stage = video(bench, tmp_path)
    bench.publisher(contracts.FRAME_SET)
    lost = tuple((name, ring.write(np.full((160, 320, 3), 200, np.uint8))) for name, ring in feed.rings.items())
    for name, ring in feed.rings.items():  # another 16 images reuse the slots of all cameras but the last
        for _ in range(16 if name != RIG.cameras[-1].name else 0):
            ring.write(np.zeros((160, 320, 3), np.uint8))
    bench.publish(contracts.FRAME_SET, frame_set.to_message(0, lost))
    bench.settle(0.1)
    stage.shutdown()
    (frame,) = decode(tmp_path / "drive.mp4")
    assert np.median(frame[120:200, 20:300]) < 40  # front: gone
    assert np.median(frame[600:690, 340:620]) > 180  # rear: still there


def test_frames_that_never_come_do_not_grow_memory(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    stage = video(bench, tmp_path)
    for k in range(2 * MAX_PENDING):
        feed.bench.publish(contracts.TRACKS, messages.to_tracks(k * TICK_NS, [track(1, 0)]))
        if k % 10 == 9:
            bench.settle(0.1)
    assert 0 < len(stage._pending) <= MAX_PENDING
    assert stage.dropped >= MAX_PENDING // 2
    stage.shutdown()
    assert not (tmp_path / "drive.mp4").exists()  # a video without a frame is no video


def test_the_picture_is_the_busiest_moment_on_the_move(tmp_path: Path, bench: GraphBench, feed: Feed) -> None:
    (tmp_path / "drive.png").write_bytes(b"of an older run")
    stage = video(bench, tmp_path)
    assert not (tmp_path / "drive.png").exists()
    for k, (objects, speed, shade) in enumerate([(5, 0.0, 40), (2, 8.0, 200), (1, 8.0, 90)]):
        feed.images(k * TICK_NS, shade)
        feed.rest(k * TICK_NS, objects, speed)
        bench.spin(lambda n=k + 1: stage._video.frames == n)
    stage.shutdown()
    picture = cv2.imread(str(tmp_path / "drive.png"))
    assert picture.shape == (720, 1280, 3)
    assert abs(int(np.median(picture[120:300, 20:300])) - 200) < 5
