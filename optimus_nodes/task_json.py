"""The JSON that the humanoid's own topics carry in std_msgs/String; it begins with the stamp of the frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_task import ArmStatus
from autodrive.plain import PROBLEMS, from_json, from_plain
from autodrive.tasks.wish import TaskState
from autodrive.vision.appearance import Colour, Sight
from autodrive.vision.outline import Outline


def task_to_json(task: TaskState) -> str:
    """What /optimus/task carries."""
    return _dump(
        task.stamp_ns,
        phase=task.phase,
        goal=_pose(task.goal),
        dock=_pose(task.dock),
        arms=asdict(task.arms),
        near=sorted(task.near),
        carrying=task.carrying,
        halt=task.halt,
    )


def task_from_json(text: str) -> TaskState:
    """The reverse; raises InputError."""
    try:
        d = from_json(text)
        poses = {key: None if d[key] is None else _planar(d[key], key) for key in ("goal", "dock")}
        state = from_plain(TaskState, {key: value for key, value in d.items() if key not in poses}, "task")
        return replace(state, **poses)
    except PROBLEMS as error:
        raise InputError(f"/optimus/task is malformed ({error}): {text[:200]}") from error


def colours_to_json(stamp_ns: int, colours: Mapping[int, Colour]) -> str:
    """What /optimus/appearance carries: a name, a confidence, a line of sight and an outline by track id."""
    return _dump(stamp_ns, colours={str(k): _colour_values(c) for k, c in sorted(colours.items())})


def colours_from_json(text: str) -> dict[int, Colour]:
    """The reverse; raises InputError."""
    try:
        found = from_json(text)["colours"]
        return {int(k): _colour(values, k) for k, values in found.items()}
    except PROBLEMS as error:
        raise InputError(f"/optimus/appearance is malformed ({error}): {text[:200]}") from error


def _colour_values(colour: Colour) -> list[Any]:
    outline = None if colour.outline is None else asdict(colour.outline)
    return [colour.name, round(colour.confidence, 3), colour.sight, outline]


def _colour(values: Any, key: str) -> Colour:
    if isinstance(values, list) and len(values) == 3:
        values = [*values, None]  # recordings from before there were outlines
    return Colour(*from_plain(tuple[str, float, Sight | None, Outline | None], values, key))


def status_to_json(stamp_ns: int, status: ArmStatus | None) -> str:
    """What /optimus/manipulation_state carries at a frame: how the hands' task stood just before it."""
    return _dump(stamp_ns, status=None if status is None else asdict(status))


def status_from_json(text: str) -> ArmStatus | None:
    """The reverse; raises InputError."""
    try:
        status: ArmStatus | None = from_plain(ArmStatus | None, from_json(text)["status"], "status")
        return status
    except PROBLEMS as error:
        raise InputError(f"/optimus/manipulation_state is malformed ({error}): {text[:200]}") from error


def grounding_from_json(text: str) -> dict[str, Any]:
    """What /optimus/grounding carries: a mapping with stamp_ns, instruction, state and says; raises InputError."""
    try:
        document: dict[str, Any] = from_json(text)
        from_plain(int, document["stamp_ns"], "stamp_ns")
        for key in ("instruction", "state", "says"):
            from_plain(str, document[key], key)
    except PROBLEMS as error:
        raise InputError(f"/optimus/grounding is malformed ({error}): {text[:200]}") from error
    return document


def _planar(values: Any, name: str) -> Pose2:
    return Pose2(*from_plain(tuple[float, float, float], values, name))


def _pose(pose: Pose2 | None) -> list[float] | None:
    return None if pose is None else [pose.x, pose.y, pose.yaw]


def _dump(stamp_ns: int, **content: Any) -> str:
    return json.dumps({"stamp_ns": stamp_ns, **content})
