"""Where things are with respect to each other, as the robot sees it."""

from __future__ import annotations

import math
from itertools import combinations

from autodrive.geometry import Pose2, wrap_angle
from autodrive.language.model import Relation, Scene, SceneObject
from autodrive.scene import ObjectClass

SIDE_RAD = math.radians(2.0)  # bearings closer than this are neither left nor right of each other
NEXT_TO_M = 0.8  # gap between footprints
NEAR_M = 1.5
FLOOR_M = 0.25  # an underside below this stands on the floor
FURNITURE = frozenset({ObjectClass.TABLE, ObjectClass.SHELF})


def local(pose: Pose2, item: SceneObject) -> tuple[float, float]:
    """Position in the frame of ``pose``: ahead, left [m]."""
    c, s = math.cos(pose.yaw), math.sin(pose.yaw)
    dx, dy = item.x - pose.x, item.y - pose.y
    return c * dx + s * dy, c * dy - s * dx


def bearing(scene: Scene, item: SceneObject) -> float:
    """Direction from the robot, left positive [rad]."""
    ahead, left = local(scene.robot, item)
    return math.atan2(left, ahead)


def distance(scene: Scene, item: SceneObject) -> float:
    """Distance from the robot to the centre [m]."""
    return math.hypot(item.x - scene.robot.x, item.y - scene.robot.y)


def gap(a: SceneObject, b: SceneObject) -> float:
    """Room between two footprints, zero when they overlap: from the centre of the smaller to the edge of the larger."""
    small, large = sorted((a, b), key=lambda item: item.length * item.width)
    x, y = local(Pose2(large.x, large.y, large.yaw), small)
    outside = math.hypot(max(abs(x) - large.length / 2, 0.0), max(abs(y) - large.width / 2, 0.0))
    return max(outside - (small.length + small.width) / 4, 0.0)


def inside(item: SceneObject, base: SceneObject, margin: float = 0.1) -> bool:
    """Whether the centre of ``item`` is above or below the footprint of ``base``."""
    x, y = local(Pose2(base.x, base.y, base.yaw), item)
    return abs(x) < base.length / 2 + margin and abs(y) < base.width / 2 + margin


def on_floor(item: SceneObject) -> bool:
    """Whether it stands on the floor."""
    return item.bottom < FLOOR_M


def is_on(item: SceneObject, base: SceneObject) -> bool:
    """Whether ``item`` lies on ``base`` (of a shelf: on any of its boards)."""
    if item.track_id == base.track_id or not inside(item, base):
        return False
    if base.label == ObjectClass.SHELF:
        return base.bottom + 0.05 < item.bottom < base.top + 0.3
    return abs(item.bottom - base.top) < max(0.2, 0.35 * base.height) and item.bottom > FLOOR_M


def support(scene: Scene, item: SceneObject) -> SceneObject | None:
    """The table or shelf that carries ``item``."""
    bases = [base for base in scene.objects if base.label in FURNITURE and is_on(item, base)]
    return min(bases, key=lambda base: (abs(item.bottom - base.top), base.track_id), default=None)


def holds(relation: Relation, scene: Scene, item: SceneObject, anchor: SceneObject) -> bool:
    """Whether ``item`` is in ``relation`` to one ``anchor``."""
    if item.track_id == anchor.track_id:
        return False
    if relation == Relation.ON:
        return is_on(item, anchor)
    if relation == Relation.UNDER:
        return inside(item, anchor) and item.top <= anchor.top and on_floor(item)
    if relation in (Relation.LEFT_OF, Relation.RIGHT_OF):
        turn = wrap_angle(bearing(scene, item) - bearing(scene, anchor))
        side = turn if relation == Relation.LEFT_OF else -turn
        return SIDE_RAD < side < math.pi / 2
    if relation in (Relation.BEHIND, Relation.IN_FRONT_OF):
        return _in_line(relation, scene, item, anchor)
    reach = NEXT_TO_M if relation == Relation.NEXT_TO else NEAR_M
    if relation in (Relation.NEXT_TO, Relation.NEAR, Relation.AT):
        apart = relation != Relation.NEXT_TO or not (is_on(item, anchor) or is_on(anchor, item))
        return apart and gap(item, anchor) <= reach
    return False


def _in_line(relation: Relation, scene: Scene, item: SceneObject, anchor: SceneObject) -> bool:
    """Beyond the anchor or before it, within a corridor along the line of sight."""
    x, y = local(_sight(scene.robot, anchor), item)
    beyond = x if relation == Relation.BEHIND else -x
    wide = max(0.75, (anchor.length + anchor.width) / 4 + 0.25)
    return 0.2 < beyond < 5.0 and abs(y) < wide + 0.25 * beyond and not is_on(item, anchor) and not is_on(anchor, item)


def _sight(robot: Pose2, anchor: SceneObject) -> Pose2:
    """A frame at the anchor whose x axis points away from the robot."""
    return Pose2(anchor.x, anchor.y, math.atan2(anchor.y - robot.y, anchor.x - robot.x))


def by_robot(relation: Relation, scene: Scene, item: SceneObject) -> bool:
    """Whether ``item`` is in ``relation`` to the robot itself ("behind you")."""
    ahead, left = local(scene.robot, item)
    if relation in (Relation.BEHIND, Relation.IN_FRONT_OF):
        beyond = -ahead if relation == Relation.BEHIND else ahead
        return beyond > 0.0 and abs(left) < beyond + 0.5
    if relation in (Relation.LEFT_OF, Relation.RIGHT_OF):
        return (left if relation == Relation.LEFT_OF else -left) > 0.1
    return math.hypot(ahead, left) < (NEXT_TO_M if relation == Relation.NEXT_TO else NEAR_M) + 0.5


def between(item: SceneObject, a: SceneObject, b: SceneObject) -> bool:
    """Whether ``item`` stands between the other two: in the strip that joins them."""
    if item.track_id in (a.track_id, b.track_id):
        return False
    span = math.hypot(b.x - a.x, b.y - a.y)
    x, y = local(Pose2(a.x, a.y, math.atan2(b.y - a.y, b.x - a.x)), item)
    return 0.1 * span < x < 0.9 * span and abs(y) < max(0.5, 0.3 * span)


def between_any(item: SceneObject, first: list[SceneObject], second: list[SceneObject] | None) -> bool:
    """Whether ``item`` is between some of ``first`` and some of ``second`` (or any two of ``first``)."""
    pairs = combinations(first, 2) if second is None else ((a, b) for a in first for b in second)
    return any(between(item, a, b) for a, b in pairs if a.track_id != b.track_id)
