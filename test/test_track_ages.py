"""The age of tracks at those who hear them: without it neither brake nor distance to people would ever act."""

from __future__ import annotations

import pytest

from autodrive.forecast import forecast
from autodrive.geometry import IDENTITY
from autodrive.safety.emergency_brake import collision_imminent
from autodrive.scene import Command, EgoState, ObjectClass, TrackedObject
from autodrive_nodes.messages import takes_bytes
from autodrive_nodes.object_bytes import forecasts_to_bytes, tracks_to_bytes
from autodrive_nodes.track_ages import TrackAges

TICK_NS = 100_000_000


def person(track_id: int, x: float = 6.0) -> TrackedObject:
    return TrackedObject(
        track_id, ObjectClass.PEDESTRIAN, 0.9, x, 0.0, 0.9, 0.0, 0.5, 0.5, 1.8, 0.0, 0.0, 0.0, 7.0, 0.1
    )


def test_a_track_is_as_old_as_the_time_it_has_been_heard_of() -> None:
    ages = TrackAges()
    heard = [ages.tracks(tracks_to_bytes(k * TICK_NS, [person(1)] + [person(2)] * (k > 1))) for k in range(4)]
    assert [t.age_s for t in heard[0]] == [0.0]
    assert [t.age_s for t in heard[3]] == pytest.approx([0.3, 0.1])


def test_who_vanishes_begins_anew() -> None:
    ages = TrackAges()
    for k, tracks in enumerate(([person(1)], [person(1)], [], [person(1)])):
        heard = ages.tracks(tracks_to_bytes(k * TICK_NS, tracks))
    assert [t.age_s for t in heard] == [0.0]


def test_forecasts_carry_the_age_of_their_tracks() -> None:
    ages = TrackAges()
    ego = EgoState(0, IDENTITY, 0.0, 0.0)
    for k in range(3):
        heard = ages.forecasts(forecasts_to_bytes(k * TICK_NS, forecast((person(1),), ego, None, None)))
    assert [f.track.age_s for f in heard] == pytest.approx([0.2])


def test_it_reads_bytes() -> None:
    assert takes_bytes(TrackAges().tracks) and takes_bytes(TrackAges().forecasts)


def test_the_emergency_brake_acts_on_what_came_over_a_topic() -> None:
    ages, ego, command = TrackAges(), EgoState(0, IDENTITY, 8.0, 0.0), Command(0, 0.0, 0.0, 8.0)
    for k in range(5):
        heard = ages.tracks(tracks_to_bytes(k * TICK_NS, [person(1)]))
    assert collision_imminent(ego, heard, command) == 1
