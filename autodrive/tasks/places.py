"""Where to stand: before a thing, beside it, between two, at a person, with room to turn and to be met."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autodrive.geometry import Pose2
from autodrive.humanoid.stance import crowding
from autodrive.language.model import Place, PlaceKind, Relation, SceneObject
from autodrive.scene import ROAD_USERS, ObjectClass
from autodrive.tasks.wish import View

GAP_M = 0.60  # from a thing's side to base_link
PERSON_GAP_M = 0.90
SIDE_M = 0.75  # beside a thing
EYE_M = 1.2  # what begins higher leaves room below
RAISED_M = 0.35  # what stands higher than this stands on something
FURNITURE = (ObjectClass.TABLE, ObjectClass.SHELF)
ROOM_M = 0.55  # around base_link: what stands nearer than this makes a place narrow, ...
NARROW_PRICE = 4.0  # ... each missing metre as bad as so many of detour
AROUND_RAD = tuple(math.radians(sign * turn) for turn in (0, 25, 50, 80, 110) for sign in (1, -1))


def support_of(item: SceneObject, objects: Sequence[SceneObject]) -> SceneObject | None:
    """The table or shelf that ``item`` stands on, None for what stands on the floor or on nothing known."""
    if item.bottom < RAISED_M:
        return None
    under = [o for o in objects if o.label in FURNITURE and _covers(o, item.x, item.y, 0.15)]
    return min(under, key=lambda o: math.dist((o.x, o.y), (item.x, item.y)), default=None)


def standing_around(furniture: SceneObject, objects: Sequence[SceneObject]) -> list[SceneObject]:
    """What stands on the floor and stays there, without the furniture itself and what is on it."""
    on_it = [o for o in objects if o.bottom >= RAISED_M and _covers(furniture, o.x, o.y, 0.15)]
    return _standing(objects, (furniture, *on_it))


def _standing(objects: Sequence[SceneObject], but: Sequence[SceneObject]) -> list[SceneObject]:
    """What stays where it is and leaves no room below the eyes; people walk on."""
    ignored = {item.track_id for item in but}
    return [o for o in objects if o.track_id not in ignored and o.label not in ROAD_USERS and o.bottom < EYE_M]


def stand_before(item: SceneObject, objects: Sequence[SceneObject], body: Pose2, gap_m: float | None = None) -> Pose2:
    """A pose that faces ``item`` from ``gap_m`` before it, on the side from which the body comes.

    What stands on a table is faced across the table's nearest edge.
    """
    default = PERSON_GAP_M if item.label == ObjectClass.PEDESTRIAN else GAP_M
    gap = default if gap_m is None else max(gap_m, 0.35)
    support = support_of(item, objects)
    if support is None and item.label not in FURNITURE:
        return _radially(item, objects, body, gap)
    return _at_a_side(item, support or item, objects, body, gap)


def place_pose(place: Place, view: View) -> Pose2 | None:
    """Where to stand for a place; None when what it hangs on is not known any more."""
    body = view.ego.pose
    if place.kind in (PlaceKind.HERE, PlaceKind.HOME):
        return place.pose or view.home
    targets = [view.find(item) for item in place.targets]
    known = [item for item in targets if item is not None]
    if not known or len(known) < len(targets):
        return None
    if place.relation == Relation.BETWEEN and len(known) >= 2:
        return _between(known[0], known[1], body)
    if place.relation in (Relation.LEFT_OF, Relation.RIGHT_OF, Relation.BEHIND):
        return _beside(known[0], place.relation, body)
    return stand_before(known[0], view.objects, body, place.distance_m)


def facing(x: float, y: float, item: SceneObject) -> Pose2:
    """The pose at (x, y) that looks at an object."""
    return Pose2(x, y, math.atan2(item.y - y, item.x - x))


def _covers(item: SceneObject, x: float, y: float, slack: float) -> bool:
    local = Pose2(item.x, item.y, item.yaw).inverse().apply(np.array([x, y]))
    return bool(abs(local[0]) < item.length / 2 + slack and abs(local[1]) < item.width / 2 + slack)


def _reach(item: SceneObject, direction: float) -> float:
    """From the centre of the footprint to its edge along ``direction`` (map)."""
    c, s = abs(math.cos(direction - item.yaw)), abs(math.sin(direction - item.yaw))
    along = item.length / 2 / c if c > 1e-6 else math.inf
    across = item.width / 2 / s if s > 1e-6 else math.inf
    return min(along, across)


def _radially(item: SceneObject, objects: Sequence[SceneObject], body: Pose2, gap: float) -> Pose2:
    """Between the item and the body, or further round it where other things leave no room there."""
    towards = math.atan2(body.y - item.y, body.x - item.x)
    others = _standing(objects, (item,))
    options = []
    for turn in AROUND_RAD:
        distance = _reach(item, towards + turn) + gap
        x, y = item.x + distance * math.cos(towards + turn), item.y + distance * math.sin(towards + turn)
        price = distance * abs(turn) + NARROW_PRICE * crowding((x, y), others, ROOM_M)
        options.append((price, facing(x, y, item)))
    return min(options, key=lambda option: option[0])[1]


def _at_a_side(
    item: SceneObject, furniture: SceneObject, objects: Sequence[SceneObject], body: Pose2, gap: float
) -> Pose2:
    """Before the side of the furniture to which the item is near and which the body reaches easily."""
    others = [o for o in standing_around(furniture, objects) if o.track_id != item.track_id]
    frame = Pose2(furniture.x, furniture.y, furniture.yaw)
    local = frame.inverse().apply(np.array([item.x, item.y]))
    options = []
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        half = (furniture.length if axis == 0 else furniture.width) / 2
        spot = local.copy()
        spot[axis] = sign * (half + gap)
        x, y = (float(v) for v in frame.apply(spot))
        inward = half - sign * float(local[axis])
        narrow = NARROW_PRICE * crowding((x, y), others, ROOM_M)
        options.append((inward + 0.35 * math.dist((x, y), (body.x, body.y)) + narrow, facing(x, y, item)))
    return min(options, key=lambda option: option[0])[1]


def _between(first: SceneObject, second: SceneObject, body: Pose2) -> Pose2:
    x, y = (first.x + second.x) / 2, (first.y + second.y) / 2
    along = math.atan2(second.y - first.y, second.x - first.x)
    arriving = math.atan2(y - body.y, x - body.x)
    across = along + math.copysign(math.pi / 2, math.sin(arriving - along))
    return Pose2(x, y, across)


def _beside(item: SceneObject, relation: Relation, body: Pose2) -> Pose2:
    view = math.atan2(item.y - body.y, item.x - body.x)
    turn = {Relation.LEFT_OF: math.pi / 2, Relation.RIGHT_OF: -math.pi / 2, Relation.BEHIND: 0.0}[relation]
    direction = view + turn
    distance = _reach(item, direction) + SIDE_M
    return facing(item.x + distance * math.cos(direction), item.y + distance * math.sin(direction), item)
