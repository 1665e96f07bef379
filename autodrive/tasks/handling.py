"""Behaviours of the hands: touch, pick up, put down. Each walks up, docks, works, and backs away again.

What is worked at lies below the cameras while the body is near, so its place is noted from a step away and trusted
from there on: odometry is good to a centimetre over half a metre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from autodrive.geometry import Pose2
from autodrive.humanoid.arm_config import ArmsConfig
from autodrive.humanoid.arm_task import ArmTask, BoxPose
from autodrive.humanoid.stance import MAX_ACROSS_M, Upright, reachable, stance
from autodrive.language.model import SceneObject
from autodrive.scene import ObjectClass
from autodrive.tasks.memory import CLEAR_M
from autodrive.tasks.places import standing_around, support_of
from autodrive.tasks.walking import Arrival
from autodrive.tasks.wish import LOST, View, Wish

LOOK_FROM_M = 0.50  # how far behind the stance the body first comes to stand
LOOK_S = 1.2
# from how far aside [m] a box on a table is looked at, while it is not measured: outlines from one place leave its
# range open. The last is the middle again, for hands work from there
LOOKS = (0.0, 0.4, 0.0)
TRIES = 2
WORK_S = 40.0  # longer than any work of the hands takes
NEAR_ENOUGH_S = 10.0  # docking takes four paces at most, where nothing is in the way
DOCK_S = 25.0  # who does not come near enough in this time stands against an edge that is not where it was thought
EDGE_M = 0.17  # from the table's edge to the centre of what is put down
APART_M = 0.06
SQUARISH = 1.3  # length over width
SURE_OF_COLOUR = 0.7
WAITING = ("raise", "waiting")  # phases of the hands in which the body still comes nearer
Slot = tuple[int, float]  # left or right side of a table, and how far along it from the middle: share of its length
SLOTS: tuple[Slot, ...] = tuple((side, share) for side in (1, -1) for share in (0.0, 0.25, -0.25))


class AtStance:
    """The way to a stance and back: walk to a step behind it, look, dock, work, back off."""

    def __init__(self, near: tuple[int, ...], before: ArmTask, after: ArmTask) -> None:
        self.near, self._before, self._after = near, before, after
        self.stance: Pose2 | None = None
        self._phase, self._since = "approach", 0.0
        self._arrival = Arrival()
        self._in_reach_since: float | None = None  # what the hands are to work at

    @property
    def phase(self) -> str:
        """approach, look, work, back off, or over."""
        return self._phase

    def enter(self, phase: str, view: View) -> None:
        """Go on to a phase."""
        self._phase, self._since, self._arrival = phase, view.now_s, Arrival()

    def elapsed(self, view: View) -> float:
        """Seconds in the present phase."""
        return view.now_s - self._since

    def place(self, item: Upright, table: SceneObject | None, config: ArmsConfig, view: View) -> Pose2:
        """The stance for work at ``item``; its side of the table stays what it was unless another is clearly better."""
        others = [] if table is None else standing_around(table, view.objects)
        return stance(item, table, config, view.ego.pose, others=others, kept=self.stance)

    def approach(self, view: View, stance: Pose2, aside_m: float = 0.0) -> Wish:
        """Walk to a step behind ``stance``, or ``aside_m`` to the left of that; then look."""
        self.stance = stance
        goal = stance @ Pose2(-LOOK_FROM_M, aside_m, 0.0)
        arrived, stuck = self._arrival.judge(view, goal)
        if arrived:
            self.enter("look", view)
        return Wish("walk up", goal=goal, near=self.near, arms=self._before, failed=stuck)

    def back_off(self, view: View) -> Wish:
        """Step back from the stance; over when there."""
        assert self.stance is not None
        goal = self.stance @ Pose2(-LOOK_FROM_M, 0.0, 0.0)
        pose = view.ego.pose
        if math.dist((pose.x, pose.y), (goal.x, goal.y)) < 0.12 or self.elapsed(view) > 15.0:
            self._phase = "over"
        return Wish("back off", dock=goal, near=self.near, arms=self._after)

    def stand(self, view: View, arms: ArmTask, config: ArmsConfig) -> Wish:
        """Step up to the stance; once the hands are at work the body stays where it stands, for a step moves them.

        So it does where it is near enough and comes no nearer: a table's edge may be in the way.
        """
        status = view.arms if view.arms is not None and view.arms.task_id == arms.task_id else None
        at_work = status is not None and status.phase not in WAITING
        in_reach = arms.box is not None and not reachable(arms.box, view.ego.pose, config)
        if not in_reach:
            self._in_reach_since = None
        elif self._in_reach_since is None:
            self._in_reach_since = view.now_s
        near_enough = self._in_reach_since is not None and view.now_s - self._in_reach_since > NEAR_ENOUGH_S
        phase = "dock" if status is None else status.phase
        return Wish(phase, dock=None if at_work or near_enough else self.stance, near=self.near, arms=arms)


class PickUp:
    """Take a box (``target``, a scene id) from a table between both palms."""

    def __init__(self, target: int, config: ArmsConfig, task_id: int) -> None:
        self.target, self._config, self._task_id = target, config, task_id
        self._way = AtStance((target,), ArmTask("rest"), ArmTask("hold", task_id))
        self._box: BoxPose | None = None
        self._colour: str | None = None  # as it was agreed to
        self._looks = list(LOOKS)
        self._tries = 0
        self._failed = ""

    def step(self, view: View) -> Wish:
        """Done when the box is held a step away from the table."""
        way = self._way
        if way.phase in ("approach", "look"):
            return self._come(view)
        if way.phase == "work":
            return self._lift(view)
        if way.phase == "back off":
            return way.back_off(view)
        return self._end(view)

    def _come(self, view: View) -> Wish:
        item = view.find(self.target)
        if item is None:
            return Wish(LOST, failed="I do not see the box any more")
        if self._is_another(item, view):
            return Wish(LOST, failed=f"the box looked {self._colour} from afar, but it is {item.colour}")
        # it was found to be small enough before it was agreed to; from near it may look larger than it is
        item = replace(item, length=min(item.length, MAX_ACROSS_M), width=min(item.width, MAX_ACROSS_M))
        table = support_of(item, view.objects)
        if self._way.phase == "approach":
            self._way.near = (self.target,) if table is None else (self.target, table.track_id)
            return self._way.approach(view, self._way.place(item, table, self._config, view), self._looks[0])
        if self._way.elapsed(view) < LOOK_S:
            return Wish("look", near=self._way.near)
        place = self._way.place(item, table, self._config, view)
        if self._looks_again(item, table):
            self._way.enter("approach", view)
            return self._way.approach(view, place, self._looks[0])
        if reason := reachable(item, place, self._config):
            return Wish("look", failed=reason)
        self._box, self._way.stance = _box(item, table), place
        self._task_id += 1  # a new try is a new job for the hands
        self._way.enter("work", view)
        return self._way.stand(view, self._pick(), self._config)

    def _is_another(self, item: SceneObject, view: View) -> bool:
        """Whether from near it has another colour than it was agreed to, while another box has that colour."""
        self._colour = self._colour or item.colour
        far = math.dist((item.x, item.y), (view.ego.pose.x, view.ego.pose.y)) > CLEAR_M
        if far or item.colour == self._colour or item.colour_confidence < SURE_OF_COLOUR:
            return False
        others = (o for o in view.objects if o.label == ObjectClass.BOX and o.track_id != item.track_id)
        return any(o.colour == self._colour and o.colour_confidence > SURE_OF_COLOUR for o in others)

    def _looks_again(self, item: SceneObject, table: SceneObject | None) -> bool:
        """Whether there is more to be seen of a box before the hands close on it."""
        enough = table is None or item.measured or len(self._looks) == 1
        if self._looks[0] == 0.0 and enough:
            return False
        self._looks.pop(0)
        return True

    def _pick(self) -> ArmTask:
        return ArmTask("pick", self._task_id, box=self._box)

    def _lift(self, view: View) -> Wish:
        arms, mine = view.arms, view.arms is not None and view.arms.task_id == self._task_id
        if mine and arms is not None and arms.done and arms.holding:
            self._way.enter("back off", view)
        elif mine and arms is not None and arms.failed:
            return self._give_way(view, arms.failed)
        elif self._way.elapsed(view) > WORK_S:
            return self._give_way(view, "the hands do not get the box")
        elif mine and arms is not None and arms.phase == "waiting" and self._way.elapsed(view) > DOCK_S:
            return self._give_way(view, arms.note or "the body does not come near enough")
        elif not mine or (arms is not None and arms.phase in WAITING):
            self._refine(view)
        return self._way.stand(view, self._pick(), self._config)

    def _refine(self, view: View) -> None:
        """What is seen of the box on the last steps to it is better than what was seen before them."""
        item = view.find(self.target)
        if item is not None and item.measured:
            self._box = _box(item, None)

    def _give_way(self, view: View, reason: str) -> Wish:
        """Back off without the box and, once, try again, with the box measured anew."""
        self._failed = reason
        self._tries += 1
        stance_pose, near = self._way.stance, self._way.near
        self._way, self._looks = AtStance(near, ArmTask("rest"), ArmTask("rest")), list(LOOKS)
        self._way.stance = stance_pose
        self._way.enter("back off", view)
        return replace(self._way.stand(view, self._pick(), self._config), refuted=self.target)

    def _end(self, view: View) -> Wish:
        if self._failed and self._tries < TRIES:
            self._failed = ""
            self._way = AtStance((self.target,), ArmTask("rest"), ArmTask("hold", self._task_id))
            return self._come(view)
        if self._failed:
            return Wish("failed", failed=f"I could not pick it up: {self._failed}")
        return Wish("picked up", arms=ArmTask("hold", self._task_id), done=True)


class PutDown:
    """Set what is held down on a table."""

    def __init__(
        self, table: int, config: ArmsConfig, task_id: int, size: tuple[float, float, float], held: int | None
    ) -> None:
        self._table, self._config, self._task_id, self._size, self._held = table, config, task_id, size, held
        self._way = AtStance((table,), ArmTask("hold", task_id), ArmTask("rest"))
        self._slot: Slot | None = None
        self._spot: BoxPose | None = None

    def step(self, view: View) -> Wish:
        """Done a step away from the table, hands empty."""
        way = self._way
        if way.phase in ("approach", "look"):
            return self._come(view)
        if way.phase == "work":
            return self._set_down(view)
        return way.back_off(view) if way.phase == "back off" else Wish("put down", done=True)

    def _come(self, view: View) -> Wish:
        table = view.find(self._table)
        if table is None:
            return Wish(LOST, arms=ArmTask("hold", self._task_id), failed="I do not see the table any more")
        hold = ArmTask("hold", self._task_id)
        if not self._choose(table, view):
            return Wish("look", arms=hold, failed="there is no room at the edge of the table")
        assert self._spot is not None
        place = self._way.place(self._spot, table, self._config, view)
        if self._way.phase == "approach":
            return self._way.approach(view, place)
        if self._way.elapsed(view) < LOOK_S:
            return Wish("look", near=self._way.near, arms=hold)
        self._way.stance = place
        self._task_id += 1
        self._way.enter("work", view)
        return self._way.stand(view, self._place(), self._config)

    def _choose(self, table: SceneObject, view: View) -> bool:
        """Where to set it down: as chosen, by what is seen of the table now, unless a box is sure to stand there."""
        boxes = [o for o in view.objects if o.label == ObjectClass.BOX and o.track_id != self._held]
        sure = [o for o in boxes if o.measured]
        if self._slot is None or not has_room(table, self._slot, self._size, sure):
            self._slot = free_slot(table, self._size, boxes, view.ego.pose) or self._slot
        if self._slot is not None:
            spot = slot_pose(table, self._slot, self._size)
            self._spot = BoxPose(spot.x, spot.y, table.top + self._size[2] / 2, table.yaw, *self._size)
        return self._slot is not None

    def _place(self) -> ArmTask:
        assert self._spot is not None
        return ArmTask("place", self._task_id, box=self._spot, surface=self._spot.bottom)

    def _set_down(self, view: View) -> Wish:
        arms, mine = view.arms, view.arms is not None and view.arms.task_id == self._task_id
        wish = self._way.stand(view, self._place(), self._config)
        if mine and arms is not None and arms.failed:
            return replace(wish, failed=f"I could not put it down: {arms.failed}")
        if mine and arms is not None and arms.done and not arms.holding:
            self._way.enter("back off", view)
        elif self._way.elapsed(view) > WORK_S:
            return replace(wish, failed="I could not put it down in time")
        return wish


class Touch:
    """Lay a hand on something within reach of the arms."""

    def __init__(self, target: int, config: ArmsConfig, task_id: int) -> None:
        self._target, self._config, self._task_id = target, config, task_id
        self._way = AtStance((target,), ArmTask("rest"), ArmTask("rest"))
        self._point: tuple[float, float, float] | None = None
        self._failed = ""

    def step(self, view: View) -> Wish:
        """Done a step away, after contact."""
        way = self._way
        if way.phase in ("approach", "look"):
            return self._come(view)
        if way.phase == "work":
            return self._reach(view)
        if way.phase == "back off":
            return way.back_off(view)
        return Wish("touched", done=not self._failed, failed=self._failed)

    def _come(self, view: View) -> Wish:
        item = view.find(self._target)
        if item is None:
            return Wish(LOST, failed="I do not see it any more")
        support = support_of(item, view.objects)
        place = self._way.place(item, support, self._config, view)
        if self._way.phase == "approach":
            self._way.near = (self._target,) if support is None else (self._target, support.track_id)
            return self._way.approach(view, place)
        if self._way.elapsed(view) < LOOK_S:
            return Wish("look", near=self._way.near)
        self._way.stance, self._point = place, _near_face(item, place, self._config)
        self._task_id += 1
        self._way.enter("work", view)
        return self._way.stand(view, self._touch(), self._config)

    def _touch(self) -> ArmTask:
        return ArmTask("touch", self._task_id, point=self._point)

    def _reach(self, view: View) -> Wish:
        arms, mine = view.arms, view.arms is not None and view.arms.task_id == self._task_id
        if mine and arms is not None and (arms.done or arms.failed):
            self._failed = arms.failed and f"I could not touch it: {arms.failed}"
            self._way.enter("back off", view)
        elif self._way.elapsed(view) > WORK_S:
            self._failed = "I could not touch it in time"
            self._way.enter("back off", view)
        return self._way.stand(view, self._touch(), self._config)


def _box(item: SceneObject, table: SceneObject | None) -> BoxPose:
    """The box as the hands need it. How a squarish one is turned no camera tells: most likely as its table."""
    if item.measured:
        return BoxPose(item.x, item.y, item.z, item.yaw, item.length, item.width, item.height)
    squarish = max(item.length, item.width) < SQUARISH * min(item.length, item.width)
    yaw = table.yaw if squarish and table is not None else item.yaw
    return BoxPose(item.x, item.y, item.z, yaw, item.length, item.width, item.height)


def _near_face(item: SceneObject, place: Pose2, config: ArmsConfig) -> tuple[float, float, float]:
    """The point of the object's side towards the robot, at a height that hands reach."""
    direction = math.atan2(item.y - place.y, item.x - place.x)
    c, s = abs(math.cos(direction - item.yaw)), abs(math.sin(direction - item.yaw))
    half = min(item.length / 2 / max(c, 1e-6), item.width / 2 / max(s, 1e-6))
    height = min(max(item.z, config.reach_z[0]), config.reach_z[1], item.top - 0.02)
    return item.x - half * math.cos(direction), item.y - half * math.sin(direction), height


def slot_pose(table: SceneObject, slot: Slot, size: tuple[float, float, float]) -> Pose2:
    """Where in map a box of ``size`` stands in a slot of ``table``."""
    side, share = slot
    inset = max(EDGE_M, max(size[:2]) / 2 + 0.03)
    return Pose2(table.x, table.y, table.yaw) @ Pose2(share * table.length, side * (table.width / 2 - inset), 0.0)


def has_room(table: SceneObject, slot: Slot, size: tuple[float, float, float], boxes: Sequence[SceneObject]) -> bool:
    """Whether none of ``boxes`` stands in a slot of ``table``, or too near to it for hands that let go."""
    spot, side = slot_pose(table, slot, size), max(size[:2])
    on_it = [o for o in boxes if support_of(o, (table,)) is not None]
    return all(math.dist((o.x, o.y), (spot.x, spot.y)) > (max(o.length, o.width) + side) / 2 + APART_M for o in on_it)


def free_slot(
    table: SceneObject, size: tuple[float, float, float], boxes: Sequence[SceneObject], body: Pose2
) -> Slot | None:
    """Where at an edge of ``table`` a box of ``size`` has room: the slot that is nearest to the body."""

    def price(slot: Slot) -> float:
        spot = slot_pose(table, slot, size)
        return math.dist((spot.x, spot.y), (body.x, body.y)) + abs(slot[1]) * 0.5

    return min((slot for slot in SLOTS if has_room(table, slot, size, boxes)), key=price, default=None)
