"""Where to stand for work at a box, and whether a box is within reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from autodrive.geometry import Array, Pose2, distance_to_box, wrap_angle
from autodrive.humanoid.arm_config import ArmsConfig

MIN_ACROSS_M, MAX_ACROSS_M = 0.09, 0.32
MAX_HEIGHT_M = 0.36
EDGE_DOUBT_M = 0.10  # a table's edge is not known better: a box that seems out of reach by less is tried
_FREE_M = 0.1  # between the body and the side of something large
_RUN_M = 0.5  # a stance is stepped up to from so far behind it
_ROOM_M, _CROWDED = 0.5, 3.0  # free around there, and the price of each metre that is missing
_KEPT = 0.35  # worth so much: 0.09 m of reach


class Upright(Protocol):
    """An upright box in map: BoxPose, TrackedObject and DetectedObject all are."""

    @property
    def x(self) -> float:
        """Centre [m]."""

    @property
    def y(self) -> float:
        """Centre [m]."""

    @property
    def z(self) -> float:
        """Centre [m]."""

    @property
    def yaw(self) -> float:
        """Heading of its length [rad]."""

    @property
    def length(self) -> float:
        """Size along its heading [m]."""

    @property
    def width(self) -> float:
        """Size across its heading [m]."""

    @property
    def height(self) -> float:
        """Vertical size [m]."""


def across_and_depth(box: Upright, body: Pose2) -> tuple[float, float, float]:
    """Box size across and along the robot's view [m], and yaw of the box's nearest axis in base_link (+-45 deg)."""
    turn = wrap_angle(box.yaw - body.yaw)
    quarters = round(turn / (math.pi / 2))
    across, depth = (box.length, box.width) if quarters % 2 else (box.width, box.length)
    return across, depth, wrap_angle(turn - quarters * math.pi / 2)


def out_of_reach(box: Upright, body: Pose2, config: ArmsConfig, slack_m: float = 0.0) -> str:
    """Why both palms cannot take the box from where the body stands; "" when they can, give or take ``slack_m``."""
    x, y = body.inverse().apply(np.array([box.x, box.y]))
    across, _, _ = across_and_depth(box, body)
    if not MIN_ACROSS_M <= across <= MAX_ACROSS_M:
        return f"the box is {across:.2f} m wide, two palms take {MIN_ACROSS_M} to {MAX_ACROSS_M} m"
    if box.height > MAX_HEIGHT_M:
        return f"the box is {box.height:.2f} m high, two palms take up to {MAX_HEIGHT_M} m"
    if not config.reach_z[0] <= box.z <= config.reach_z[1]:
        low, high = config.reach_z
        return f"the box's middle is at a height of {box.z:.2f} m, hands reach {low} to {high} m"
    if x > config.reach_x[1] + slack_m:
        return f"the box is {x:.2f} m ahead, hands reach {config.reach_x[1]} m"
    if x < config.reach_x[0] - slack_m:
        return f"the box is {x:.2f} m ahead, too near: hands work from {config.reach_x[0]} m on"
    if abs(y) > config.reach_y + slack_m:
        return f"the box is {abs(y):.2f} m to the {'left' if y > 0 else 'right'}, hands reach {config.reach_y} m aside"
    return ""


def stance(
    box: Upright,
    table: Upright | None,
    config: ArmsConfig,
    body: Pose2 | None = None,
    *,
    others: Sequence[Upright] = (),
    kept: Pose2 | None = None,
) -> Pose2:
    """Where base_link should stand (map) to work at a box.

    On a table the robot faces one of its edges squarely, the one to which the box is nearest (of about equal ones the
    nearer to ``body``), as near as the edge allows, and where ``others`` that stand on the floor leave it room. A side
    that was chosen before (``kept``) stays chosen unless another is clearly better: what is seen of a box flickers.
    Without a table the robot faces the nearest side of the box.
    """
    if table is None:
        yaws = [wrap_angle(box.yaw + k * math.pi / 2) for k in range(4)]
        halves = [(box.width if k % 2 else box.length) / 2 for k in range(4)]
        aways = [max(config.stand_off, half + config.belly + _FREE_M) for half in halves]
        places = [_before(box, yaw, away) for yaw, away in zip(yaws, aways, strict=True)]
        return min(places, key=lambda place: _distance(place, body))
    options = []
    for k in range(4):
        yaw = wrap_angle(table.yaw + k * math.pi / 2)
        away = _edge_distance(box, table, yaw) + config.belly
        if 0.0 < away - config.reach_x[1] < EDGE_DOUBT_M:
            away = config.reach_x[1]
        away = max(config.stand_off, away)
        _, _, turn = across_and_depth(box, Pose2(0.0, 0.0, yaw))
        cost = 4.0 * max(0.0, away - config.stand_off) + 0.1 * abs(turn)
        place = _before(box, yaw, away)
        cost += 0.02 * _distance(place, body)
        come_from = place @ Pose2(-_RUN_M, 0.0, 0.0)
        cost += _CROWDED * crowding((come_from.x, come_from.y), others, _ROOM_M)
        if kept is not None and abs(wrap_angle(kept.yaw - yaw)) < math.pi / 4:
            cost -= _KEPT
        options.append((cost, place))
    return min(options, key=lambda option: option[0])[1]


def crowding(point: tuple[float, float], others: Iterable[Upright], room_m: float) -> float:
    """How much of ``room_m`` around a point the nearest of ``others`` takes away [m], 0 where none does."""
    gaps = (distance_to_box(point, o.x, o.y, o.yaw, o.length, o.width) for o in others)
    return max((max(room_m - gap, 0.0) for gap in gaps), default=0.0)


def reachable(box: Upright, place: Pose2, config: ArmsConfig) -> str:
    """Why the box cannot be taken from ``place`` (a stance, or where the robot is); "" when it can."""
    return out_of_reach(box, place, config)


def _before(box: Upright, yaw: float, distance: float) -> Pose2:
    return Pose2(box.x - distance * math.cos(yaw), box.y - distance * math.sin(yaw), yaw)


def _edge_distance(box: Upright, table: Upright, yaw: float) -> float:
    """From the box's centre back to the table's edge at which a robot that looks along ``yaw`` stands."""
    view: Array = np.array([math.cos(yaw), math.sin(yaw)])
    along = np.array([math.cos(table.yaw), math.sin(table.yaw)])
    half = table.length / 2 if abs(view @ along) > 0.7 else table.width / 2
    return half + float(view @ np.array([box.x - table.x, box.y - table.y]))


def _distance(place: Pose2, body: Pose2 | None) -> float:
    return 0.0 if body is None else math.hypot(place.x - body.x, place.y - body.y)
