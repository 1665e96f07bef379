"""The scorer node judges either body, measures the stages of its graph, and ends the run when the world says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from graph_bench import GraphBench
from hall_truth import hall_truth, later
from std_msgs.msg import String

from autodrive.body import WalkCommand
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.report import COMMON
from autodrive.report_car import REQUIRED as CAR
from autodrive.report_humanoid import REQUIRED as HUMANOID
from autodrive.scene import Route
from autodrive.sim.hall_tasks import GOTO, HallTask, TaskScene, make_task
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts, messages
from autodrive_nodes.humanoid_judge import HumanoidJudge
from autodrive_nodes.judges import make_judge
from autodrive_nodes.scorer_node import ScorerNode
from autodrive_nodes.truth import truth_to_json
from optimus_nodes.body_messages import to_twist

SEED = 103


@pytest.fixture
def bench() -> Iterator[GraphBench]:
    with GraphBench() as bench:
        yield bench


def event(truth: GroundTruth, end: str = "") -> String:
    document: dict[str, Any] = {"stamp_ns": truth.stamp_ns, "wall_ns": 0, "truth": truth_to_json(truth)}
    return String(data=json.dumps(document | ({"end": end, "state_sha256": "ab"} if end else {})))


def scorer(bench: GraphBench, body: str, task: str = "") -> tuple[ScorerNode, list[Any]]:
    for topic in (*make_judge(body, task).stages.values(), contracts.TRUTH_EVENTS):
        bench.publisher(topic, heard=False)
    scores = bench.listen(contracts.SCORE)
    node = ScorerNode("scorer", {"body": body, "task": task})
    bench.up(node)
    return node, scores


def told(stamp_ns: int, state: str, says: str = "so") -> String:
    words = {"stamp_ns": stamp_ns, "instruction": "go to it", "state": state, "says": says}
    return String(data=json.dumps({**words, "steps": [], "mentions": [], "step": 0}))


def task_and_truth() -> tuple[HallTask, GroundTruth]:
    hall, truth = hall_truth(SEED)
    return make_task(GOTO, SEED, TaskScene.of(truth, hall.walls), load_arms(ARMS_FOLDER / "g1.yaml")), truth


def there(task: HallTask, truth: GroundTruth, seconds: float) -> GroundTruth:
    item = truth.objects[truth.object_ids.index(task.target)]
    before = Pose2(item.x, item.y, item.yaw) @ Pose2(item.length / 2 + 0.6, 0.0, np.pi)
    return later(truth, seconds, ego=before)


def finished(bench: GraphBench, scores: list[Any]) -> dict[str, Any]:
    bench.spin(lambda: len(scores) == 1)
    result: dict[str, Any] = json.loads(scores[0].data)
    return result


def test_a_task_of_a_humanoid_is_judged_by_the_truth(bench: GraphBench, capfd: pytest.CaptureFixture[str]) -> None:
    task, truth = task_and_truth()
    _, scores = scorer(bench, "humanoid", json.dumps(task.to_json()))
    bench.publish(contracts.TRUTH_EVENTS, event(truth))
    bench.publish(contracts.CMD_VEL, to_twist(WalkCommand(truth.stamp_ns, 0.3, 0.0, 0.0)))
    for stamp, state in ((1, "question"), (2, "running"), (3, "done")):
        bench.publish(contracts.GROUNDING, told(stamp * 10**9, state))
        bench.settle(0.1)
    bench.publish(contracts.TRUTH_EVENTS, event(there(task, truth, 5.0), "the task is over"))
    result = finished(bench, scores)
    assert {*HUMANOID, *COMMON} <= result.keys()
    assert (result["success"], result["why_not"]) == (True, "")
    assert result["end"] == "the task is over"
    assert result["time_s"] == pytest.approx(2.9)
    assert result["grounding"]["state"] == "done"
    assert [said["state"] for said in result["grounding"]["history"]] == ["question"]
    assert result["frames"] == 1
    assert result["frames_dropped"] == 1  # perception never answered
    assert result["latency_ms"].keys() == HumanoidJudge.stages.keys()
    output = capfd.readouterr().out
    assert "PROGRESS" in output
    assert output.splitlines()[-1].startswith("DONE {")


@pytest.mark.parametrize(("state", "success"), [("done", True), ("refused", False), ("running", False)])
def test_without_a_task_the_robots_own_word_counts(bench: GraphBench, state: str, success: bool) -> None:
    _, truth = task_and_truth()
    _, scores = scorer(bench, "humanoid")
    bench.publish(contracts.TRUTH_EVENTS, event(truth))
    bench.publish(contracts.GROUNDING, told(10**9, state, "because"))
    bench.settle(0.1)
    bench.publish(contracts.TRUTH_EVENTS, event(later(truth, 4.0), "time is over"))
    result = finished(bench, scores)
    assert result["success"] is success
    assert result["why_not"] == ("" if success else f"{state}: because")
    assert result["instruction"] == "go to it"
    assert result["time_s"] == pytest.approx(4.0 if state == "running" else 0.9)


def test_a_car_is_judged_once_its_route_is_known(bench: GraphBench) -> None:
    _, scores = scorer(bench, "car")
    for k in range(1, 31):
        truth = GroundTruth(k * 10**8, Pose2(float(k), 0.0, 0.0), 10.0, (), (), (), False)
        bench.publish(contracts.TRUTH_EVENTS, event(truth, "time is over" if k == 30 else ""))
    bench.settle(0.2)
    assert not scores
    bench.publish(contracts.ROUTE, messages.to_path(Route(np.array([[0.0, 0], [60, 0]]), Pose2(0, 0, 0), 8.0)))
    result = finished(bench, scores)
    assert {*CAR, *COMMON} <= result.keys()
    assert result["route_completion"] == pytest.approx(0.5)


def test_unknown_bodies_and_tasks_are_refused() -> None:
    with pytest.raises(ConfigError, match="dog"):
        make_judge("dog", "")
    with pytest.raises(InputError, match="not JSON"):
        make_judge("humanoid", "goto")
