"""The whole car but its cameras, in a town with traffic: it gets on, it hurts nobody; and the imitated perception."""

from __future__ import annotations

import math

import numpy as np
import pytest
from town_drive import drive
from town_senses import TownSenses

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.town import load_town
from autodrive.sim.world import GroundTruth

DURATION_S = 15.0
WALKER = ObjectClass.PEDESTRIAN


def test_it_drives_through_a_town_with_traffic() -> None:
    log = drive("harbor", 205, DURATION_S)
    assert log.completion > 0.6  # of the 50 m that MEAN_SPEED makes of it, from rest
    assert not any(log.collisions.values())
    assert log.clearance > 0.3


def truth_at(stamp_ns: int, distance: float) -> GroundTruth:
    """A pedestrian ahead on an open road of the town."""
    town = load_town("harbor")
    lane = max((lane for lane in town.lanes if lane.kind == "road"), key=lambda lane: lane.length)
    (x0, y0), (x1, y1) = lane.centerline[:2]
    ego = Pose2(float(x0), float(y0), math.atan2(y1 - y0, x1 - x0))
    x, y = ego.apply(np.array([distance, 0.5]))
    walker = DetectedObject(WALKER, 1.0, float(x), float(y), 0.9, 0.0, 0.5, 0.5, 1.8)
    return GroundTruth(stamp_ns, ego, 0.0, (walker,), ("walker",), (), False)


def test_without_noise_it_sees_what_is_there() -> None:
    senses = TownSenses(load_town("harbor"), 1, noise=0.0)
    (seen,) = senses.look(truth_at(1, 15.0)).objects
    assert (seen.x, seen.y) == (pytest.approx(15.0), pytest.approx(0.5))


def test_what_is_far_is_missed_more_often_and_placed_worse() -> None:
    found, error = {}, {}
    for distance in (6.0, 28.0):
        senses = TownSenses(load_town("harbor"), 2)
        frames = [senses.look(truth_at(k + 1, distance)).objects for k in range(150)]
        gaps = [
            min(
                (math.hypot(o.x - distance, o.y - 0.5) for o in objects if o.label == ObjectClass.PEDESTRIAN),
                default=9.0,
            )
            for objects in frames
        ]
        near = [gap for gap in gaps if gap < 5.0]
        found[distance], error[distance] = len(near) / len(gaps), float(np.mean(near))
    assert found[6.0] > 0.9 > found[28.0] > 0.1
    assert error[6.0] < 0.45 < error[28.0]


def test_the_ground_is_free_on_the_road_and_not_under_people() -> None:
    free = [
        TownSenses(load_town("harbor"), 3, noise=0.0).look(truth_at(1, at)).ground.probability[GroundClass.FREE][32, 32]
        for at in (15.0, 8.5)
    ]  # the cell 8 to 9 m ahead, 0 to 1 m to the left
    assert free[0] > 0.9 > free[1]
