"""Falls, touches, ways and distances of a body on legs, on made-up episodes."""

from __future__ import annotations

import json

import pytest

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.humanoid_scoring import HumanoidScorer
from autodrive.sim.world import Contact, GroundTruth

PERSON = DetectedObject(ObjectClass.PEDESTRIAN, 1.0, 5.0, 1.0, 0.85, 0.0, 0.5, 0.5, 1.7)


def truth(k: int, x: float = 0.0, *contacts: Contact, fallen: bool = False, people: bool = True) -> GroundTruth:
    objects = (PERSON,) if people else ()
    names = ("ann",) if people else ()
    return GroundTruth(k * 100_000_000, Pose2(x, 0.0, 0.0), 0.0, objects, names, contacts, False, fallen=fallen)


def play(frames: list[GroundTruth], handled: frozenset[str] = frozenset()) -> dict:
    scorer = HumanoidScorer(handled)
    for frame in frames:
        scorer.update(frame)
    assert scorer.history == frames
    return scorer.result()


def test_a_quiet_walk() -> None:
    score = play([truth(k, 0.05 * k) for k in range(101)])
    assert (score["falls"], score["contacts_with_people"], score["contacts_with_objects"]) == (0, 0, 0)
    assert score["path_length_m"] == pytest.approx(5.0, abs=0.11)
    assert score["min_distance_to_people_m"] == pytest.approx(0.75)


def test_swaying_is_no_way() -> None:
    assert play([truth(k, 0.03 * (-1) ** k) for k in range(100)])["path_length_m"] == 0.0


def test_a_touch_counts_once_while_it_lasts_and_again_after_a_while() -> None:
    person, table = Contact("pedestrian", "ann"), Contact("static", "table")
    frames = [
        truth(k, 0.0, *([person] if k in (3, 4, 20, 60) else []), *([table] if k == 5 else [])) for k in range(90)
    ]
    score = play(frames)
    assert score["contacts_with_people"] == 2
    assert score["contacts_with_objects"] == 1
    assert [(e["t"], e["name"]) for e in score["contact_events"]] == [
        (pytest.approx(0.3), "ann"),
        (pytest.approx(0.5), "table"),
        (pytest.approx(6.0), "ann"),
    ]


def test_what_the_hands_shall_take_may_be_touched() -> None:
    frames = [truth(k, 0.0, Contact("static", "box")) for k in range(3)]
    assert play(frames)["contacts_with_objects"] == 1
    assert play(frames, frozenset({"box"}))["contacts_with_objects"] == 0


def test_lying_is_one_fall() -> None:
    assert play([truth(k, fallen=k > 10) for k in range(50)])["falls"] == 1


def test_without_people_there_is_no_distance() -> None:
    score = play([truth(k, people=False) for k in range(3)])
    assert score["min_distance_to_people_m"] is None
    json.dumps(score, allow_nan=False)
