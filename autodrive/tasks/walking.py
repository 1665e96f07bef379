"""Behaviours of the legs: go somewhere, look at something, follow somebody, wait."""

from __future__ import annotations

import math

from autodrive.geometry import Pose2, wrap_angle
from autodrive.humanoid.arm_task import ArmTask
from autodrive.language.model import Place, PlaceKind
from autodrive.scene import ROAD_USERS
from autodrive.tasks.places import PERSON_GAP_M, place_pose, stand_before
from autodrive.tasks.wish import LOST, REST, View, Wish

NEAR_M, NEAR_RAD = 0.30, 0.22
STILL_MPS, STILL_RADPS = 0.08, 0.15
SETTLED_S = 0.6
MOVED_M = 0.35  # a target that moves less keeps its goal: tracks jitter
FOLLOW_M = 1.3
LOST_S = 4.0
WALKED_OFF_S, AWAIT_S = 2.0, 8.0
STUCK_S = 30.0
# a way round furniture leads away from the goal at first: who gets about is not stuck, for a while
ROAMING_M, RESTING_S, LOST_WAY_S = 1.0, 12.0, 75.0
INSPECT_GAP_M, INSPECT_S = 1.1, 25.0  # from a thing, or from the table that it stands on
PROGRESS_M = 0.15
# who comes no nearer for so long has come as near as there is room, if it is as near as this
SETTLE_FOR_S, SETTLE_FOR_M, SETTLE_FOR_RAD = 5.0, 0.55, 0.5


class Arrival:
    """Whether the body has come to stand at a goal, or has long stopped coming nearer."""

    def __init__(self) -> None:
        self._there_since: float | None = None
        self._goal: Pose2 | None = None
        self._best, self._best_s = math.inf, 0.0
        self._anchor: tuple[float, float, float] | None = None  # x, y and since when the body keeps near there

    def judge(self, view: View, goal: Pose2) -> tuple[bool, str]:
        """(arrived, reason why not to hope any longer)."""
        pose, ego = view.ego.pose, view.ego
        distance = math.dist((pose.x, pose.y), (goal.x, goal.y))
        turn = abs(wrap_angle(goal.yaw - pose.yaw))
        still = math.hypot(ego.speed, ego.lateral_speed) < STILL_MPS and abs(ego.yaw_rate) < STILL_RADPS
        if not (distance < NEAR_M and turn < NEAR_RAD and still):
            self._there_since = None
        elif self._there_since is None:
            self._there_since = view.now_s
        if self._goal is None or math.dist((goal.x, goal.y), (self._goal.x, self._goal.y)) > MOVED_M:
            self._goal, self._best = goal, math.inf
        if (remaining := distance + 0.3 * turn) < self._best - PROGRESS_M:
            self._best, self._best_s = remaining, view.now_s
        waited = view.now_s - self._best_s
        arrived = self._there_since is not None and view.now_s - self._there_since >= SETTLED_S
        arrived |= waited > SETTLE_FOR_S and distance < SETTLE_FOR_M and turn < SETTLE_FOR_RAD and still
        stuck = not arrived and distance > NEAR_M and waited > (STUCK_S if self._rests(view) else LOST_WAY_S)
        return arrived, f"I found no way nearer than {distance:.1f} m" if stuck else ""

    def _rests(self, view: View) -> bool:
        """Whether the body has long kept near one place."""
        x, y = view.ego.pose.x, view.ego.pose.y
        if self._anchor is None or math.dist((x, y), self._anchor[:2]) > ROAMING_M:
            self._anchor = x, y, view.now_s
        return view.now_s - self._anchor[2] > RESTING_S


class GoTo:
    """Walk to a place and face what it hangs on; ``arms`` is what the hands do meanwhile."""

    def __init__(self, place: Place, arms: ArmTask = REST) -> None:
        self._place, self._arms = place, arms
        self._goal: Pose2 | None = None
        self._seen: tuple[tuple[float, float], ...] = ()
        self._awaits_since: float | None = None
        self._arrival = Arrival()

    def step(self, view: View) -> Wish:
        """Done when standing there."""
        self._aim(view)
        if self._goal is None:
            return Wish(LOST, failed="I do not see any more where to go")
        arrived, stuck = self._arrival.judge(view, self._goal)
        near = self._place.targets
        if not self._has_walked_off(view):
            self._awaits_since = None
        elif arrived or stuck or self._awaits_since is not None:
            return self._await(view)
        return Wish("walk", goal=self._goal, arms=self._arms, near=near, done=arrived, failed=stuck)

    def _has_walked_off(self, view: View) -> bool:
        items = view.known(self._place.targets)
        return any(item.label in ROAD_USERS and item.unseen_s > WALKED_OFF_S for item in items)

    def _await(self, view: View) -> Wish:
        """Where somebody was seen last, and is not any more: look for them a while."""
        self._awaits_since = view.now_s if self._awaits_since is None else self._awaits_since
        if view.now_s - self._awaits_since > AWAIT_S:
            return Wish(LOST, arms=self._arms, failed="I do not see any more where to go")
        return Wish("look for them", goal=self._goal, arms=self._arms, near=self._place.targets)

    def _aim(self, view: View) -> None:
        """Choose the goal; again only when a target has really moved, and never because the body walks around it."""
        targets = view.known(self._place.targets)
        seen = tuple((item.x, item.y) for item in targets)
        if self._goal is not None and not _moved(self._seen, seen):
            return
        if (goal := place_pose(self._place, view)) is not None:
            self._goal, self._seen = goal, seen


class Inspect:
    """Walk to where something can be seen well; done when there, or when it takes too long."""

    def __init__(self, target: int, arms: ArmTask = REST) -> None:
        self._target, self._arms = target, arms
        self._goal: Pose2 | None = None
        self._since: float | None = None
        self._arrival = Arrival()

    def step(self, view: View) -> Wish:
        """Never fails: what was seen on the way is worth something too."""
        self._since = view.now_s if self._since is None else self._since
        item = view.find(self._target)
        if self._goal is None and item is not None:
            self._goal = stand_before(item, view.objects, view.ego.pose, INSPECT_GAP_M)
        if self._goal is None or view.now_s - self._since > INSPECT_S:
            return Wish("look closer", arms=self._arms, done=True)
        arrived, stuck = self._arrival.judge(view, self._goal)
        return Wish("look closer", goal=self._goal, arms=self._arms, done=arrived or bool(stuck))


class LookAt:
    """Turn towards something without leaving the place."""

    def __init__(self, target: int | None, place: Place | None) -> None:
        self._target, self._place = target, place
        self._spot: Pose2 | None = None
        self._arrival = Arrival()

    def step(self, view: View) -> Wish:
        """Done when facing it."""
        self._spot = self._spot or view.ego.pose
        point = self._point(view)
        if point is None:
            return Wish(LOST, failed="I do not see it any more")
        yaw = math.atan2(point[1] - self._spot.y, point[0] - self._spot.x)
        goal = Pose2(self._spot.x, self._spot.y, yaw)
        arrived, stuck = self._arrival.judge(view, goal)
        return Wish("turn", goal=goal, done=arrived, failed=stuck)

    def _point(self, view: View) -> tuple[float, float] | None:
        item = view.find(self._target)
        if item is not None:
            return item.x, item.y
        if self._place is None:
            return None
        items = view.known(self._place.targets)
        if items:
            return sum(i.x for i in items) / len(items), sum(i.y for i in items) / len(items)
        pose = self._place.pose or (view.home if self._place.kind == PlaceKind.HOME else None)
        return None if pose is None else (pose.x, pose.y)


class Follow:
    """Keep behind somebody until told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._goal: Pose2 | None = None
        self._seen_s: float | None = None

    def step(self, view: View) -> Wish:
        """Never done; fails when the person is out of sight."""
        person = view.find(self._target)
        if person is not None and person.unseen_s < LOST_S:
            self._seen_s = view.now_s - person.unseen_s
            goal = stand_before(person, view.objects, view.ego.pose, FOLLOW_M)
            if self._goal is None or math.dist((goal.x, goal.y), (self._goal.x, self._goal.y)) > MOVED_M:
                self._goal = goal
        if self._seen_s is None or view.now_s - self._seen_s > LOST_S:
            return Wish(LOST, failed="I lost the person whom I followed")
        return Wish("follow", goal=self._goal, near=(self._target,))


class Wait:
    """Stand for some seconds."""

    def __init__(self, seconds: float, arms: ArmTask = REST) -> None:
        self._seconds, self._arms = seconds, arms
        self._since: float | None = None

    def step(self, view: View) -> Wish:
        """Done when the time is over."""
        self._since = view.now_s if self._since is None else self._since
        return Wish("wait", arms=self._arms, done=view.now_s - self._since >= self._seconds)


def at_person(target: int) -> Place:
    """The place before somebody."""
    return Place(PlaceKind.PERSON, (target,), distance_m=PERSON_GAP_M)


def _moved(before: tuple[tuple[float, float], ...], now: tuple[tuple[float, float], ...]) -> bool:
    return len(before) != len(now) or any(math.dist(a, b) > MOVED_M for a, b in zip(before, now, strict=True))
