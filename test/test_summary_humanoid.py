"""The page about a humanoid's run is made from its report and its bag alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hall_truth import hall_truth, later, moved
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from autodrive.body import WalkCommand
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.rig import load_rig
from autodrive.scene import EgoState, ObjectClass
from autodrive.sim.hall_tasks import BRING, HallTask, TaskScene, make_task
from autodrive.sim.world import GroundTruth
from autodrive.tasks.wish import TaskState
from autodrive.viz.summary_humanoid import read_walk, write_summary
from autodrive_nodes import contracts, messages
from autodrive_nodes.paths import RIGS
from autodrive_nodes.recorded_topics import open_bag, recorded_topics
from autodrive_nodes.truth import truth_messages, truth_to_json
from optimus_nodes.body_messages import to_twist
from optimus_nodes.task_json import task_to_json

SEED = 101
PHASES = ("idle", "walk up", "grasp", "carry")


def episode() -> tuple[Any, HallTask, list[GroundTruth]]:
    """Somebody walks to a box, takes it and carries it home, while people walk about."""
    hall, first = hall_truth(SEED)
    task = make_task(BRING, SEED, TaskScene.of(first, hall.walls), load_arms(ARMS_FOLDER / "g1.yaml"))
    k = first.object_ids.index(task.target)
    box, start = first.objects[k], first.ego
    truths = []
    for tick in range(81):
        share = 1.0 - abs(1.0 - tick / 40)
        x, y = start.x + 0.85 * share * (box.x - start.x), start.y + 0.85 * share * (box.y - start.y)
        truth = later(first, tick * 0.1, ego=Pose2(x, y, math.atan2(box.y - y, box.x - x)), speed=0.4)
        if tick > 40:
            truth = moved(truth, task.target, x + 0.2, y)
        for j, item in enumerate(first.objects):
            if item.label == ObjectClass.PEDESTRIAN:
                truth = moved(truth, first.object_ids[j], item.x + 0.02 * tick, item.y)
        truths.append(truth)
    return hall, task, truths


def write_bag(path: Path, truths: list[GroundTruth]) -> None:
    topics = recorded_topics(load_rig(RIGS / "humanoid.yaml"))
    with open_bag(path, topics) as bag:
        for tick, truth in enumerate(truths):
            stamp = truth.stamp_ns
            phase = PHASES[min(tick // 20, 3)]
            _, odometry = truth_messages(truth)
            believed = EgoState(stamp, Pose2(truth.ego.x + 0.03, truth.ego.y, 0.0), 0.4, 0.0)
            event = {"stamp_ns": stamp, "wall_ns": 0, "truth": truth_to_json(truth)}
            for topic, message in (
                (contracts.TRUTH_ODOMETRY, odometry),
                (contracts.ODOMETRY, messages.to_odometry(believed)),
                (contracts.CMD_VEL, to_twist(WalkCommand(stamp, 0.45, 0.0, 0.2))),
                (contracts.TASK, String(data=task_to_json(TaskState(stamp, phase)))),
                (contracts.TRUTH_EVENTS, String(data=json.dumps(event))),
            ):
                bag.write(topic.name, stamp, serialize_message(message))


def report(task: HallTask, success: bool) -> dict[str, Any]:
    return {
        **{"body": "humanoid", "robot": "g1", "seed": SEED, "mode": "lockstep", "instruction": task.text},
        **{"target": task.to_json(), "success": success, "why_not": "the box was dropped", "falls": 0},
        **{"contacts_with_people": 0, "contacts_with_objects": 1, "time_s": 8.0, "path_length_m": 5.2},
        **{"min_distance_to_people_m": 1.1, "frames": 80, "frames_dropped": 0, "wall_seconds": 10.0},
        **{"sim_seconds": 8.1, "engine": {"file": "vision.onnx"}},
        "latency_ms": {"perception": {"p50": 60.0, "p99": 90.0}, "planning": {"p50": 75.0, "p99": 110.0}},
    }


def test_the_bag_says_who_went_where_and_when_what_was_done(tmp_path: Path) -> None:
    _, task, truths = episode()
    write_bag(tmp_path / "bag", truths)
    walk = read_walk(tmp_path / "bag")
    assert walk.walked.shape == walk.believed.shape == walk.command.shape == (81, 4)
    assert [name for _, name in walk.phases] == list(PHASES)
    assert [t for t, _ in walk.phases] == pytest.approx([0.1, 2.1, 4.1, 6.1])
    people = [item for item in truths[0].objects if item.label == ObjectClass.PEDESTRIAN]
    assert len(walk.people) == len(people) > 0
    assert set(walk.carried) == {task.target}
    assert all((way[:, 3] >= 0).all() and len(way) == 81 for way in walk.people.values())


def test_the_page_is_a_picture(tmp_path: Path) -> None:
    hall, task, truths = episode()
    write_bag(tmp_path / "bag", truths)
    write_summary(tmp_path / "summary.png", report(task, success=False), read_walk(tmp_path / "bag"), hall)
    page = cv2.imread(str(tmp_path / "summary.png"))
    assert page.shape == (810, 1260, 3)
    assert np.unique(page.reshape(-1, 3), axis=0).shape[0] > 200


def test_an_empty_bag_makes_an_empty_page(tmp_path: Path) -> None:
    """A run without a single frame still has its figures."""
    hall, task, _ = episode()
    write_bag(tmp_path / "bag", [])
    write_summary(tmp_path / "summary.png", report(task, success=True), read_walk(tmp_path / "bag"), hall)
    assert (tmp_path / "summary.png").stat().st_size > 1000
