"""Judges a task of ``hall_tasks`` from the truth alone: did the robot get there, is the thing where it should be?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autodrive.errors import InputError
from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall_tasks import GOTO, HallTask, surface_distance, table_below
from autodrive.sim.world import GroundTruth

REACH_M = 1.2
FACING_RAD = math.radians(45.0)
STANDING_MPS = 0.25  # a standing robot sways
MOVED_M = 0.15


def judge(task: HallTask, history: Sequence[GroundTruth], done_ns: int | None) -> tuple[bool, str]:
    """(success, why not), from the truth of an episode and the stamp at which the robot said that it was done.

    What counts is the end; a robot that lies there has done nothing. Going somewhere also needs the robot's own word:
    to pass by is not to arrive. A person may walk away once the box was brought.
    """
    first, last = history[0], history[-1]
    if last.fallen:
        return False, "the robot lies on the ground"
    if task.kind == GOTO:
        why = "the robot did not say that it is there" if done_ns is None else ""
        why = why or _not_at(_item(last, task.target), last)
    else:
        ends = [last]
        if task.place and done_ns is not None and _item(last, task.place).label == ObjectClass.PEDESTRIAN:
            ends += [truth for truth in history[1:] if truth.stamp_ns >= done_ns]
        why = min((_not_brought(task, first, end) for end in ends), key=len)
    return not why, why


def _not_at(target: DetectedObject, truth: GroundTruth) -> str:
    body = truth.ego
    gap = surface_distance(target, body.x, body.y)
    if gap > REACH_M:
        return f"the robot stands {gap:.1f} m from the target"
    turn = abs(wrap_angle(math.atan2(target.y - body.y, target.x - body.x) - body.yaw))
    if turn > FACING_RAD:
        return f"the robot looks {math.degrees(turn):.0f} deg past the target"
    return f"the robot still moves at {truth.speed:.1f} m/s" if abs(truth.speed) > STANDING_MPS else ""


def _not_brought(task: HallTask, first: GroundTruth, last: GroundTruth) -> str:
    before, box = _item(first, task.target), _item(last, task.target)
    below = table_below(box, last.objects)
    on = "" if below is None else last.object_ids[below]
    if on == task.source or math.dist((before.x, before.y), (box.x, box.y)) < MOVED_M:
        return "the box still stands on its table" if on == task.source else "the box was not moved"
    if task.place and _item(last, task.place).label == ObjectClass.TABLE:
        return "" if on == task.place else "the box does not stand on the table"
    if task.place:
        gap = surface_distance(_item(last, task.place), box.x, box.y)
    else:
        home = Pose2(*task.home)
        gap = math.dist((home.x, home.y), (box.x, box.y))
    return "" if gap <= REACH_M else f"the box is {gap:.1f} m from the place"


def _item(truth: GroundTruth, name: str) -> DetectedObject:
    try:
        return truth.objects[truth.object_ids.index(name)]
    except ValueError as error:
        raise InputError(f"the truth at {truth.stamp_ns / 1e9:.1f} s has no object {name!r}") from error
