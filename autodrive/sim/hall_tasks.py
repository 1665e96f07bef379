"""Makes tasks for a humanoid from the truth of a hall: what to say, and by what the deed is judged.

"goto": go to the <colour> <thing>. "bring": bring the <colour> box from the table to another table, the cone, the
nearest person, or to where the robot started. "mixed": one or the other. The same seed and scene give the same task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError, NoTaskError
from autodrive.geometry import Pose2, box_corners, distance_to_box, wrap_angle
from autodrive.humanoid.arm_config import ArmsConfig
from autodrive.humanoid.stance import reachable, stance
from autodrive.plain import PROBLEMS, from_plain
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall import Block
from autodrive.sim.world import GroundTruth

GOTO, BRING, MIXED = "goto", "bring", "mixed"
KINDS = (GOTO, BRING, MIXED)
SEEN_WITHIN_M = 7.0  # ahead, behind and aside of the start: the cameras' grid ends at 8 m
AWAY_M = 1.8  # what is nearer needs no walk
EYE_M = 1.27  # height of the cameras
# by so much the nearest must be nearer than the next; people have moved when the robot has understood
MARGIN_M = {ObjectClass.CONE: 1.0, ObjectClass.PEDESTRIAN: 2.0}
LINE_POINTS = 150  # of a line of sight: 5 cm apart, thinner than all that stands in a hall
ROOM_M = 0.35  # around where the robot has to stand
BACK_M = 0.5  # the robot comes to a table from so far behind
ON_M = 0.06

_THINGS = {
    ObjectClass.BOX: ("box", "crate"),
    ObjectClass.CONE: ("cone", "traffic cone"),
    ObjectClass.TABLE: ("table",),
    ObjectClass.SHELF: ("shelf",),
    ObjectClass.BARRIER: ("barrier",),
}
_PAINTED = {ObjectClass.CONE: "orange"}  # whatever the seed
_GO = (
    "go to {}",
    "walk to {}",
    "please walk over to {}",
    "could you go over to {}?",
    "head to {}",
    "move to {}",
    "I want you to go to {}",
    "take yourself to {}, please",
)
_BRING = (
    "bring {} from the table to {}",
    "please bring {} from the table to {}",
    "carry {} from the table to {}",
    "take {} from the table and bring it to {}",
    "could you bring {} on the table to {}?",
    "pick up {} on the table and carry it to {}",
)


@dataclass(frozen=True, slots=True)
class TaskScene:
    """True objects in ``map`` with their ids and colours, where the robot starts, and the walls that hide things."""

    objects: tuple[DetectedObject, ...]
    ids: tuple[str, ...]
    colours: tuple[str, ...]
    start: Pose2
    walls: tuple[Block, ...] = ()

    @staticmethod
    def of(truth: GroundTruth, walls: Sequence[Block] = ()) -> TaskScene:
        """From the first truth of an episode."""
        named = truth.colours or ("",) * len(truth.objects)
        colours = (name or _PAINTED.get(o.label, "") for name, o in zip(named, truth.objects, strict=True))
        return TaskScene(truth.objects, truth.object_ids, tuple(colours), truth.ego, tuple(walls))

    def indices(self, label: ObjectClass) -> list[int]:
        """Which objects are of a class."""
        return [k for k, item in enumerate(self.objects) if item.label == label]


@dataclass(frozen=True, slots=True)
class HallTask:
    """What the robot is told and what must come of it.

    ``target`` is the id of the thing to go to or to bring, ``source`` that of the table it stands on, ``place`` that of
    the table, cone or person to bring it to; "" for the start, whose x, y, yaw in ``map`` is ``home``.
    """

    kind: str
    text: str
    target: str
    source: str = ""
    place: str = ""
    home: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {**asdict(self), "home": list(self.home)}

    @staticmethod
    def from_json(document: dict[str, Any]) -> HallTask:
        """The reverse; raises InputError."""
        try:
            task: HallTask = from_plain(HallTask, document, "task")
            return task
        except PROBLEMS as error:
            raise InputError(f"task {document!r} is malformed: {error}") from error


def make_task(kind: str, seed: int, scene: TaskScene, arms: ArmsConfig) -> HallTask:
    """A task that these arms and eyes can do; raises NoTaskError where the hall offers none."""
    rng = np.random.default_rng([seed, 0x7A5C])
    makers: dict[str, Callable[[], HallTask | None]] = {
        GOTO: lambda: _goto(rng, scene),
        BRING: lambda: _bring(rng, scene, arms),
    }
    if kind not in KINDS:
        raise InputError(f"task {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    order = [kind]
    if kind == MIXED:
        order = [GOTO, BRING] if rng.random() < 0.5 else [BRING, GOTO]
    task = next((task for name in order if (task := makers[name]()) is not None), None)
    if task is None:
        raise NoTaskError(f"the hall of seed {seed} has nothing for a task of kind {kind!r}; try another seed")
    return task


def table_below(item: DetectedObject, objects: Sequence[DetectedObject]) -> int | None:
    """Which of the objects is the table that ``item`` stands on."""
    for k, table in enumerate(objects):
        top = table.z + table.height / 2
        stands = table.label == ObjectClass.TABLE and abs(item.z - item.height / 2 - top) < ON_M
        if stands and surface_distance(table, item.x, item.y) <= 0.0:
            return k
    return None


def surface_distance(item: DetectedObject | Block, x: float, y: float) -> float:
    """From a point to the footprint of an object, 0 inside."""
    return distance_to_box((x, y), item.x, item.y, item.yaw, item.length, item.width)


def _goto(rng: np.random.Generator, scene: TaskScene) -> HallTask | None:
    candidates = [k for label in _THINGS for k in scene.indices(label) if _alone_of_its_colour(scene, k)]
    candidates = [k for k in candidates if _seen(scene, k) and _away(scene, k)]
    on_floor = [k for k in candidates if _on_floor(scene.objects[k]) and _can_stand_at(scene, k)]
    on_tables = [k for k in candidates if table_below(scene.objects[k], scene.objects) is not None]
    best = on_floor or on_tables
    if not best:
        return None
    k = best[rng.integers(len(best))]
    words = _THINGS[scene.objects[k].label]
    thing = f"the {scene.colours[k]} {words[rng.integers(len(words))]}"
    text = _GO[rng.integers(len(_GO))].format(thing)
    return HallTask(GOTO, text, scene.ids[k], home=_home(scene))


def _bring(rng: np.random.Generator, scene: TaskScene, arms: ArmsConfig) -> HallTask | None:
    offers = []
    for k in scene.indices(ObjectClass.BOX):
        table = table_below(scene.objects[k], scene.objects)
        if table is None or not _alone_of_its_colour(scene, k) or not (_seen(scene, k) and _seen(scene, table)):
            continue
        stand = stance(scene.objects[k], scene.objects[table], arms, scene.start)
        free = all(_room(scene, stand @ Pose2(-back, 0.0, 0.0), table) for back in (0.0, BACK_M))
        if free and not reachable(scene.objects[k], stand, arms):
            places = _places(scene, table)
            offers += [(k, table, *place) for place in places if _gap(scene, k, place[2]) > AWAY_M]
    if not offers:
        return None
    # kinds of places in turn, or "me" would be rare where there are many tables
    kind = sorted({offer[2] for offer in offers})
    chosen = kind[rng.integers(len(kind))]
    fitting = [offer for offer in offers if offer[2] == chosen]
    k, table, _, name, place = fitting[rng.integers(len(fitting))]
    text = _BRING[rng.integers(len(_BRING))].format(f"the {scene.colours[k]} box", name)
    return HallTask(
        BRING, text, scene.ids[k], scene.ids[table], "" if place is None else scene.ids[place], _home(scene)
    )


def _places(scene: TaskScene, source: int) -> list[tuple[str, str, int | None]]:
    """(kind, what it is called, index of the object) of the places that can be named without doubt and be seen."""
    places: list[tuple[str, str, int | None]] = [("me", "me", None)]
    tables = scene.indices(ObjectClass.TABLE)
    for k in tables:
        if k != source and _seen(scene, k) and _can_stand_at(scene, k):
            if len(tables) == 2:
                places.append(("table", "the other table", k))
            elif _alone_of_its_colour(scene, k):
                places.append(("table", f"the {scene.colours[k]} table", k))
    for label, word in ((ObjectClass.CONE, "cone"), (ObjectClass.PEDESTRIAN, "person")):
        first, nearest = _nearest(scene, label)
        if first is None or not _seen(scene, first):
            continue
        if nearest and (label == ObjectClass.PEDESTRIAN or _can_stand_at(scene, first)):
            alone = len(scene.indices(label)) == 1
            places.append((word, f"the {word}" if alone else f"the nearest {word}", first))
    return places


def _gap(scene: TaskScene, k: int, place: int | None) -> float:
    """How far a thing is from where it shall be brought."""
    item = scene.objects[k]
    if place is None:
        return math.dist((item.x, item.y), (scene.start.x, scene.start.y))
    return surface_distance(scene.objects[place], item.x, item.y)


def _nearest(scene: TaskScene, label: ObjectClass) -> tuple[int | None, bool]:
    """The nearest object of a class, and whether there is no doubt about it."""
    ranked = sorted((_range(scene, k), k) for k in scene.indices(label))
    if not ranked:
        return None, False
    return ranked[0][1], len(ranked) == 1 or ranked[1][0] - ranked[0][0] > MARGIN_M[label]


def _alone_of_its_colour(scene: TaskScene, k: int) -> bool:
    same = [j for j in scene.indices(scene.objects[k].label) if scene.colours[j] == scene.colours[k]]
    return bool(scene.colours[k]) and same == [k]


def _seen(scene: TaskScene, k: int) -> bool:
    """Whether the cameras can see the middle of an object from the start, past walls and things that stand still."""
    item = scene.objects[k]
    local = scene.start.inverse().apply(np.array([item.x, item.y]))
    if np.abs(local).max() > SEEN_WITHIN_M:
        return False
    line = np.linspace([scene.start.x, scene.start.y, EYE_M], [item.x, item.y, item.z], LINE_POINTS)
    things = [o for j, o in enumerate(scene.objects) if j != k and o.label in _THINGS]
    if any(_over(line, wall).any() for wall in scene.walls):
        return False
    return not any((_over(line, o) & (np.abs(line[:, 2] - o.z) < o.height / 2)).any() for o in things)


def _over(line: NDArray[np.float64], block: DetectedObject | Block) -> NDArray[np.bool_]:
    """Which points of a line (N, 3) are above, in or below a block."""
    local = np.abs(Pose2(block.x, block.y, block.yaw).inverse().apply(line[:, :2]))
    return np.asarray((local[:, 0] < block.length / 2) & (local[:, 1] < block.width / 2))


def _on_floor(item: DetectedObject) -> bool:
    return item.z - item.height / 2 < 0.1


def _away(scene: TaskScene, k: int) -> bool:
    return surface_distance(scene.objects[k], scene.start.x, scene.start.y) > AWAY_M


def _can_stand_at(scene: TaskScene, k: int) -> bool:
    """Whether there is room before any side of an object."""
    item = scene.objects[k]
    grown = box_corners(item.x, item.y, item.yaw, item.length + 1.4, item.width + 1.4)
    spots = (grown + np.roll(grown, 1, axis=0)) / 2
    return any(_room(scene, Pose2(float(x), float(y), 0.0), k) for x, y in spots)


def _room(scene: TaskScene, pose: Pose2, but: int) -> bool:
    """Whether a body has room at a pose; the object that it works at does not count."""
    things = [o for j, o in enumerate(scene.objects) if j != but and o.label in _THINGS]
    blocks: list[DetectedObject | Block] = [*scene.walls, *(o for o in things if _on_floor(o))]
    inside = not scene.walls or _inside(scene.walls, pose)
    return inside and all(surface_distance(block, pose.x, pose.y) > ROOM_M for block in blocks)


def _inside(walls: Sequence[Block], pose: Pose2) -> bool:
    corners = np.vstack([box_corners(w.x, w.y, w.yaw, w.length, w.width) for w in walls])
    low, high = corners.min(axis=0), corners.max(axis=0)
    return bool(low[0] < pose.x < high[0] and low[1] < pose.y < high[1])


def _range(scene: TaskScene, k: int) -> float:
    return math.dist((scene.objects[k].x, scene.objects[k].y), (scene.start.x, scene.start.y))


def _home(scene: TaskScene) -> tuple[float, float, float]:
    return scene.start.x, scene.start.y, wrap_angle(scene.start.yaw)
