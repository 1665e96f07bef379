"""The humanoid's video: its four cameras, what it was told and understood, and the thing that it goes to, in yellow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from graph_bench import GraphBench
from std_msgs.msg import String

from autodrive.body import WalkCommand
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Pose2
from autodrive.rig import load_rig
from autodrive.scene import EgoState, GroundGrid, GroundMarkings, ObjectClass, TrackedObject, Trajectory
from autodrive.tasks.wish import TaskState
from autodrive.transport.ring import RingWriter
from autodrive.viz.drive_frame import DriveView, Said, compose
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.paths import RIGS
from autodrive_nodes.video_bodies import said_from_json, video_body
from autodrive_nodes.video_node import VideoNode
from optimus_nodes.body_messages import to_twist
from optimus_nodes.task_json import task_to_json

RIG = load_rig(RIGS / "humanoid.yaml")
BOX = TrackedObject(7, ObjectClass.BOX, 0.9, 3.0, 0.6, 0.3, 0.0, 0.5, 0.4, 0.6, 0.0, 0.0, 0.0, 1.0)
CONE = TrackedObject(8, ObjectClass.CONE, 0.9, 3.0, -1.0, 0.3, 0.0, 0.3, 0.3, 0.6, 0.0, 0.0, 0.0, 1.0)
TOLD = {
    "stamp_ns": 0,
    "instruction": "go to the blue box",
    "state": "running",
    "says": "I go there",
    "steps": [],
    "mentions": [{"text": "the blue box", "ids": [7]}],
    "step": 0,
}


def yellow(picture: np.ndarray) -> int:
    p = picture.astype(int)
    return int(((p[..., 0] > 170) & (p[..., 1] > 170) & (p[..., 2] < 130)).sum())


def view(near: frozenset[int], said: Said | None = None) -> DriveView:
    images = tuple(np.full((c.height, c.width, 3), 90, np.uint8) for c in RIG.cameras)
    ego = EgoState(0, Pose2(0.0, 0.0, 0.0), 0.4, 0.0)
    task = TaskState(0, "walk", goal=Pose2(2.2, 0.5, 0.1), near=near)
    return DriveView(0, images, ego, (BOX, CONE), walk=WalkCommand(0, 0.4, 0.0, 0.1), task=task, said=said)


def frame(near: frozenset[int], said: Said | None = None) -> np.ndarray:
    return compose(view(near, said), RIG, "humanoid", video_body("humanoid").footprint)


def test_the_target_is_yellow_in_cameras_and_from_above() -> None:
    plain, marked = frame(frozenset()), frame(frozenset({7}))
    assert yellow(plain[80:400, :640]) == 0 < yellow(marked[80:400, :640])  # the large front camera
    assert yellow(plain[80:, 640:]) + 100 < yellow(marked[80:, 640:])  # the goal's arrow is in both


def test_words_stand_beside_the_last_camera() -> None:
    _, said = said_from_json(json.dumps(TOLD))
    silent, told = frame(frozenset()), frame(frozenset(), said)
    panel = np.s_[560:, 320:640]
    assert (silent[panel] != told[panel]).any()
    assert yellow(told[panel]) > 20  # what is meant
    assert (silent[:40, :640] != told[:40, :640]).any()  # the instruction
    assert (silent[80:560, :640] == told[80:560, :640]).all()


def test_leaning_cameras_see_boxes_where_they_are() -> None:
    upright = view(frozenset({7}))
    leaning = DriveView(0, upright.images, EgoState(0, Pose2(0, 0, 0), 0.4, 0.0, pitch=0.2), (BOX, CONE))
    rows = [
        np.nonzero((compose(v, RIG, "", (0.15, 0.15, 0.5))[100:400, :640] != 90).any(axis=(1, 2)))[0].mean()
        for v in (DriveView(0, upright.images, upright.ego, (BOX, CONE)), leaning)
    ]
    assert rows[1] < rows[0] - 10  # cameras that look farther down show things higher up


def test_rubbish_is_refused() -> None:
    with pytest.raises(ConfigError, match="dog"):
        video_body("dog")
    with pytest.raises(InputError, match="malformed"):
        said_from_json("{}")


@pytest.fixture
def bench() -> Iterator[GraphBench]:
    with GraphBench() as bench:
        yield bench


def test_one_frame_per_frame_set_with_the_words_of_its_time(tmp_path: Path, bench: GraphBench) -> None:
    parameters = {"rig": str(RIGS / "humanoid.yaml"), "out": str(tmp_path), "title": "humanoid", "body": "humanoid"}
    stage = bench.up(VideoNode("video", parameters))
    rings = {c.name: RingWriter(f"walk_{c.name}", c.width * c.height * 3) for c in RIG.cameras}
    bench.publish(contracts.GROUNDING, String(data=json.dumps({**TOLD, "stamp_ns": 200_000_000})))
    bench.settle(0.2)
    try:
        for k in range(4):
            publish(bench, rings, k * 100_000_000)
            bench.spin(lambda n=k + 1: stage._video.frames == n)
    finally:
        for ring in rings.values():
            ring.close()
    stage.shutdown()
    with av.open(str(tmp_path / "drive.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [yellow(f[560:, 320:640]) > 10 for f in frames] == [False, False, True, True]
    assert all(yellow(f[80:400, :640]) > 50 for f in frames)
    assert (tmp_path / "drive.png").exists()


def publish(bench: GraphBench, rings: dict[str, RingWriter], stamp_ns: int) -> None:
    image = np.full((160, 320, 3), 90, np.uint8)
    descriptors = tuple((name, ring.write(image)) for name, ring in rings.items())
    t = np.arange(0, 4, 0.1)
    plan = Trajectory(stamp_ns, t, t * 0.4, t * 0, t * 0, t * 0 + 0.4, t * 0, t * 0)
    c, say = contracts, bench.publish
    say(c.FRAME_SET, frame_set.to_message(stamp_ns, descriptors))
    say(c.ODOMETRY, messages.to_odometry(EgoState(stamp_ns, Pose2(0, 0, 0), 0.4, 0.0)))
    say(c.FREE_SPACE, messages.to_occupancy(stamp_ns, GroundGrid(RIG.extent, np.full((1, 64, 64), 0.9, np.float32))))
    say(c.LANES, messages.to_markings(stamp_ns, GroundMarkings(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0))))
    say(c.TRACKS, messages.to_tracks(stamp_ns, (BOX, CONE)))
    say(c.PREDICTIONS, messages.to_predictions(stamp_ns, []))
    say(c.TRAJECTORY, messages.to_trajectory(plan))
    say(c.DIAGNOSTICS, messages.to_diagnostics(stamp_ns, "walk_planning", DiagnosticStatus.OK, "cruise", {}))
    say(c.CMD_VEL, to_twist(WalkCommand(stamp_ns, 0.4, 0.0, 0.0)))
    say(c.TASK, String(data=task_to_json(TaskState(stamp_ns, "walk", near=frozenset({7})))))
