"""The simulator's truth reaches the scorer whole."""

from __future__ import annotations

import json

import pytest

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.world import Contact, GroundTruth
from autodrive_nodes import messages
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.truth import truth_from_json, truth_messages, truth_to_json

NEAR = DetectedObject(ObjectClass.CYCLIST, 1.0, 10.0, 2.0, 0.9, 0.3, 1.8, 0.6, 1.7, 4.0, 0.1)
FAR = DetectedObject(ObjectClass.CONE, 1.0, 300.0, 2.0, 0.4, 0.0, 0.4, 0.4, 0.8)
TRUTH = GroundTruth(
    stamp_ns=1_500_000_000,
    ego=Pose2(1.0, 2.0, 0.5),
    speed=3.25,
    objects=(NEAR, FAR),
    object_ids=("bike.1", "cone.7"),
    contacts=(Contact("static", "kerb"),),
    off_road=True,
    visible_px=(120, 0),
    fallen=True,
    colours=("", "orange"),
)


def test_round_trip_through_json() -> None:
    assert truth_from_json(json.loads(json.dumps(truth_to_json(TRUTH)))) == TRUTH


@pytest.mark.parametrize("key", ["ego", "objects", "contacts", "stamp_ns"])
def test_what_is_missing_is_refused(key: str) -> None:
    document = truth_to_json(TRUTH)
    del document[key]
    with pytest.raises(InputError, match=key):
        truth_from_json(document)


def test_people_are_shown_what_is_near() -> None:
    objects, odometry = truth_messages(TRUTH)
    (shown,) = tracks_from_bytes(objects)
    assert (shown.label, shown.x, shown.track_id) == (ObjectClass.CYCLIST, 10.0, 1)
    assert messages.from_odometry(odometry).pose.x == 1.0
