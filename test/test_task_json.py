"""What travels as JSON between the humanoid's nodes comes back as it was, and nonsense is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from std_msgs.msg import String

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_task import KINDS, ArmStatus, ArmTask, BoxPose
from autodrive.tasks.wish import TaskState
from autodrive.vision.appearance import COLOURS, Colour
from autodrive.vision.outline import Outline
from autodrive_nodes.message_parts import stamp_of
from optimus_nodes import task_json

number = st.floats(-50, 50)
poses = st.none() | st.builds(Pose2, number, number, st.floats(-3.1, 3.1))
boxes = st.builds(BoxPose, *[number] * 7)
points = st.tuples(number, number, number)
arm_tasks = st.builds(ArmTask, st.sampled_from(KINDS), st.integers(0, 99), boxes, number, points)
ids = st.frozensets(st.integers(0, 1000), max_size=5)
tasks = st.builds(
    TaskState, st.integers(0, 2**62), st.text(max_size=12), poses, poses, arm_tasks, ids, st.booleans(), st.booleans()
)
forces = st.tuples(number, number)
statuses = st.builds(
    ArmStatus,
    *(st.integers(0, 2**62), st.integers(0, 99), st.sampled_from(KINDS), st.text(max_size=9), st.booleans()),
    *(st.text(max_size=9), st.text(max_size=9), st.booleans(), number, forces, number),
)


@given(tasks)
def test_a_task_comes_back_as_it_was_and_carries_its_stamp(task: TaskState) -> None:
    text = task_json.task_to_json(task)
    assert task_json.task_from_json(text) == task
    assert stamp_of(String(data=text)) == task.stamp_ns


@given(st.none() | statuses, st.integers(0, 2**62))
def test_a_status_comes_back_as_it_was(status: ArmStatus | None, stamp_ns: int) -> None:
    text = task_json.status_to_json(stamp_ns, status)
    assert task_json.status_from_json(text) == status
    assert stamp_of(String(data=text)) == stamp_ns


sights = st.none() | st.tuples(*[number] * 6)
rays = st.tuples(*[number] * 3)
outlines = st.none() | st.builds(Outline, rays, st.lists(rays, max_size=12).map(tuple))
colours_seen = st.builds(Colour, st.sampled_from(COLOURS), st.floats(0, 1), sights, outlines)


@given(st.dictionaries(st.integers(0, 999), colours_seen))
def test_colours_come_back_to_three_digits(colours: dict[int, Colour]) -> None:
    back = task_json.colours_from_json(task_json.colours_to_json(5, colours))
    assert {k: replace(c, confidence=0) for k, c in back.items()} == {
        k: replace(c, confidence=0) for k, c in colours.items()
    }
    assert all(back[k].confidence == pytest.approx(c.confidence, abs=6e-4) for k, c in colours.items())


@pytest.mark.parametrize("read", [task_json.task_from_json, task_json.status_from_json, task_json.colours_from_json])
@given(text=st.text(max_size=60) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_nonsense_is_refused_in_one_line(read, text: str) -> None:
    with pytest.raises(InputError, match="is malformed"):
        read(text)


def test_an_arm_task_that_makes_no_sense_is_refused() -> None:
    text = task_json.task_to_json(TaskState(1, "walk")).replace('"kind": "rest"', '"kind": "dance"')
    with pytest.raises(InputError, match="dance"):
        task_json.task_from_json(text)
