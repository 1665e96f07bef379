"""The JSON that the humanoid's own topics carry in std_msgs/String; it begins with the stamp of the frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_task import ArmStatus, ArmTask, BoxPose
from autodrive.tasks.wish import TaskState
from autodrive.vision.appearance import Colour, Sight


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
        d = json.loads(text)
        arms = dict(d["arms"])
        arms["box"] = None if arms["box"] is None else BoxPose(**arms["box"])
        arms["point"] = None if arms["point"] is None else tuple(arms["point"])
        goal, dock = (None if d[key] is None else Pose2(*d[key]) for key in ("goal", "dock"))
        near = frozenset(int(item) for item in d["near"])
        return TaskState(d["stamp_ns"], d["phase"], goal, dock, ArmTask(**arms), near, d["carrying"], d["halt"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"/optimus/task is malformed ({error}): {text[:200]}") from error


def colours_to_json(stamp_ns: int, colours: Mapping[int, Colour]) -> str:
    """What /optimus/appearance carries: a name and a confidence by track id."""
    return _dump(
        stamp_ns, colours={str(k): [c.name, round(c.confidence, 3), c.sight] for k, c in sorted(colours.items())}
    )


def colours_from_json(text: str) -> dict[int, Colour]:
    """The reverse; raises InputError."""
    try:
        found = json.loads(text)["colours"]
        return {
            int(k): Colour(str(name), float(confidence), None if sight is None else _sight(sight))
            for k, (name, confidence, sight) in found.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"/optimus/appearance is malformed ({error}): {text[:200]}") from error


def _sight(values: Any) -> Sight:
    x, y, z, dx, dy, dz = (float(v) for v in values)
    return x, y, z, dx, dy, dz


def status_to_json(stamp_ns: int, status: ArmStatus | None) -> str:
    """What /optimus/manipulation_state carries at a frame: how the hands' task stood just before it."""
    return _dump(stamp_ns, status=None if status is None else asdict(status))


def status_from_json(text: str) -> ArmStatus | None:
    """The reverse; raises InputError."""
    try:
        status = json.loads(text)["status"]
        if status is None:
            return None
        return ArmStatus(**{**status, "push_n": tuple(status["push_n"])})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"/optimus/manipulation_state is malformed ({error}): {text[:200]}") from error


def _pose(pose: Pose2 | None) -> list[float] | None:
    return None if pose is None else [pose.x, pose.y, pose.yaw]


def _dump(stamp_ns: int, **content: Any) -> str:
    return json.dumps({"stamp_ns": stamp_ns, **content})
