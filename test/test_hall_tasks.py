"""Tasks say what they mean, can be done, and are judged by the truth alone."""

from __future__ import annotations

import json
import math
from functools import cache

import pytest
from hall_truth import hall_truth, later, moved

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.language.model import Grounded, Scene, SceneObject
from autodrive.language.understand import Understanding
from autodrive.sim.hall import Block
from autodrive.sim.hall_judge import judge
from autodrive.sim.hall_tasks import BRING, GOTO, KINDS, MIXED, HallTask, TaskScene, make_task, table_below
from autodrive.sim.world import GroundTruth

ARMS = load_arms(ARMS_FOLDER / "g1.yaml")
SEEDS = range(100, 130)


def found(kind: str, seed: int) -> tuple[HallTask, GroundTruth] | None:
    hall, truth = hall_truth(seed)
    try:
        return make_task(kind, seed, TaskScene.of(truth, hall.walls), ARMS), truth
    except InputError:
        return None


@cache
def tasks(kind: str) -> list[tuple[HallTask, GroundTruth]]:
    return [task for seed in SEEDS if (task := found(kind, seed)) is not None]


def at(truth: GroundTruth, name: str) -> tuple[float, float]:
    item = truth.objects[truth.object_ids.index(name)]
    return item.x, item.y


def facing(truth: GroundTruth, name: str, gap: float, turn: float = 0.0) -> GroundTruth:
    """The robot stands ``gap`` [m] before an object and looks ``turn`` past it."""
    item = truth.objects[truth.object_ids.index(name)]
    away = Pose2(item.x, item.y, item.yaw) @ Pose2(item.length / 2 + gap, 0.0, math.pi + turn)
    return later(truth, 20.0, ego=away)


def test_halls_offer_tasks_and_the_same_seed_the_same_one() -> None:
    assert len(tasks(GOTO)) > 20
    assert len(tasks(BRING)) > 5
    for kind in KINDS:
        assert found(kind, 103) == found(kind, 103)
    assert {task.kind for task, _ in tasks(MIXED)} == {GOTO, BRING}
    assert len({task.text.replace(task.text.split()[-2], "") for task, _ in tasks(GOTO)}) > 6


@pytest.mark.parametrize("kind", [GOTO, BRING])
def test_the_robot_understands_the_task_as_it_is_meant(kind: str) -> None:
    """With the true scene for its eyes; what it makes of what it really sees is another matter."""
    understand = Understanding()
    for task, truth in tasks(kind):
        objects = tuple(
            SceneObject(k, o.label, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, 0.0, 0.0, colour or None, 0.9)
            for k, (o, colour) in enumerate(zip(truth.objects, truth.colours, strict=True))
        )
        outcome = understand(task.text, Scene(truth.ego, objects, truth.ego))
        assert isinstance(outcome, Grounded), task.text
        meant = {truth.object_ids.index(name) for name in (task.target, task.place) if name}
        assert {item for step in outcome.steps for item in step.track_ids} == meant, task.text


def test_going_somewhere_is_to_stand_before_it_look_at_it_and_say_so() -> None:
    task, truth = tasks(GOTO)[0]
    there = facing(truth, task.target, 0.7)
    assert judge(task, [truth, there], 0) == (True, "")
    assert "did not say" in judge(task, [truth, there], None)[1]
    assert "from the target" in judge(task, [truth, facing(truth, task.target, 1.4)], 0)[1]
    assert "past the target" in judge(task, [truth, facing(truth, task.target, 0.7, turn=1.0)], 0)[1]
    assert "moves" in judge(task, [truth, later(there, 0.1, speed=0.5)], 0)[1]
    assert "ground" in judge(task, [truth, later(there, 0.1, fallen=True)], 0)[1]


def test_bringing_is_to_have_moved_the_box_to_the_place() -> None:
    homes = [(task, truth) for task, truth in tasks(BRING) if not task.place]
    task, truth = homes[0]
    assert judge(task, [truth, later(truth, 9.0)], 0) == (False, "the box still stands on its table")
    brought = moved(later(truth, 9.0), task.target, task.home[0] + 0.3, task.home[1] + 0.3)
    assert judge(task, [truth, brought], None) == (True, "")
    dropped = moved(later(truth, 9.0), task.target, *at(truth, task.source), 0.1)
    assert not judge(task, [truth, dropped], 0)[0]


def test_a_person_may_walk_away_once_the_box_was_brought() -> None:
    task, truth = next((t, g) for t, g in tasks(BRING) if "pedestrian" in t.place)
    brought = moved(later(truth, 9.0), task.target, *at(truth, task.place), 0.9)
    gone = moved(later(brought, 2.0), task.place, 30.0, 0.0)
    assert judge(task, [truth, brought, gone], brought.stamp_ns)[0]
    assert not judge(task, [truth, brought, gone], gone.stamp_ns)[0]


def test_a_box_that_belongs_on_a_table_must_stand_on_it() -> None:
    task, truth = next((t, g) for t, g in tasks(BRING) if "table" in t.place)
    table = truth.objects[truth.object_ids.index(task.place)]
    box = truth.objects[truth.object_ids.index(task.target)]
    top = table.z + table.height / 2 + box.height / 2
    on = moved(later(truth, 9.0), task.target, table.x, table.y, top)
    assert judge(task, [truth, on], 0)[0]
    under = moved(later(truth, 9.0), task.target, table.x, table.y, box.height / 2)
    assert judge(task, [truth, under], 0) == (False, "the box does not stand on the table")
    assert table_below(box, truth.objects) == truth.object_ids.index(task.source)


def test_tasks_travel_as_json_and_rubbish_is_refused() -> None:
    task, _ = tasks(BRING)[0]
    assert HallTask.from_json(json.loads(json.dumps(task.to_json()))) == task
    with pytest.raises(InputError, match="malformed"):
        HallTask.from_json({"kind": "goto"})
    with pytest.raises(InputError, match="unknown"):
        make_task("dance", 1, TaskScene.of(tasks(GOTO)[0][1]), ARMS)
    empty = GroundTruth(0, Pose2(0, 0, 0), 0.0, (), (), (), False)
    with pytest.raises(InputError, match="another seed"):
        make_task(MIXED, 1, TaskScene.of(empty), ARMS)


def test_nothing_behind_a_wall_is_asked_for() -> None:
    hall, truth = hall_truth(103)
    assert make_task(GOTO, 1, TaskScene.of(truth, hall.walls), ARMS)
    with pytest.raises(InputError, match="nothing for a task"):
        make_task(GOTO, 1, TaskScene.of(truth, [*hall.walls, *_cage(truth.ego)]), ARMS)


def _cage(pose: Pose2) -> list[Block]:
    sides = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
    return [Block(pose.x + x, pose.y + y, 0.0, 0.2 if x else 2.2, 0.2 if y else 2.2, 2.0) for x, y in sides]
