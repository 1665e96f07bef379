"""Twenty tasks in halls with people, from words to feet and hands, seen through the shipped network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hall_loop import Frame, HallLoop

from autodrive.geometry import wrap_angle
from autodrive.humanoid.robot import load_robot
from autodrive.sim.hall_judge import judge
from autodrive.sim.hall_tasks import TaskScene, make_task, surface_distance
from autodrive.sim.world import GroundTruth

CASES = yaml.safe_load(Path(__file__).with_name("end_to_end_tasks.yaml").read_text())
FRAMES_PER_S = 10
LIMIT_S = 110.0
# a person may still come up to a robot that has just finished
AFTERWARDS_S = 1.5
ENDED = ("done", "failed", "refused", "question", "halted")


def name_of(case: dict[str, Any]) -> str:
    return f"{case['seed']}: {case.get('task') or case['say'][-1][1]}"


def run(loop: HallLoop, say: list[tuple[float, str]]) -> list[Frame]:
    """Frames until a moment after the report on the last text has come to an end."""
    frames: list[Frame] = []
    texts = {round(second * FRAMES_PER_S): text for second, text in say}
    ended = None
    for k in range(round(LIMIT_S * FRAMES_PER_S)):
        frames.append(loop.frame((texts[k],) if k in texts else ()))
        if k > max(texts) and frames[-1].report.state in ENDED:
            ended = k if ended is None else ended
            if k - ended >= AFTERWARDS_S * FRAMES_PER_S:
                break
    return frames


def distance(a: GroundTruth, b: GroundTruth) -> float:
    return math.dist((a.ego.x, a.ego.y), (b.ego.x, b.ego.y))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_task(case: dict[str, Any]) -> None:
    loop = HallLoop(case["seed"])
    truth, task, say = loop.world.ground_truth(), None, case.get("say")
    if "task" in case:
        scene = TaskScene.of(truth, loop.world.hall.hall.walls)
        task = make_task(case["task"], case["seed"], scene, load_robot("g1").arms)
        say = [[1, task.text]]
    frames = run(loop, say)
    last, told = frames[-1], frames[round(say[-1][0] * FRAMES_PER_S)].truth
    assert not last.truth.fallen
    assert not [c for f in frames for c in f.truth.contacts if "pedestrian" in c.name or "person" in c.name]
    if task is not None:
        done = next((f.truth.stamp_ns for f in frames if f.report.state == "done"), None)
        assert judge(task, [f.truth for f in frames], done) == (True, "")
        return
    assert last.report.state == case["state"], last.report.says
    if "near" in case or "faces" in case:
        item = last.truth.objects[last.truth.object_ids.index(case.get("near") or case["faces"])]
        ego = last.truth.ego
        assert abs(wrap_angle(math.atan2(item.y - ego.y, item.x - ego.x) - ego.yaw)) < 0.4
        assert "faces" in case or surface_distance(item, ego.x, ego.y) < 1.2
    if case.get("at_home"):
        assert distance(frames[0].truth, last.truth) < 0.5
        assert max(distance(frames[0].truth, f.truth) for f in frames) > 1.0
    if case.get("stays"):
        assert max(distance(told, f.truth) for f in frames) < 0.4
    if "stops" in case:
        after = [f.truth for f in frames if f.truth.stamp_ns > told.stamp_ns + case["stops"] * 1e9]
        assert max(distance(after[0], t) for t in after) < 0.1
