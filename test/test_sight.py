"""Small things: one per line of sight, none inside a table, and where their lines of sight meet."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decode import EXTENT, grids, put

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.tasks.triangulation import PRIOR_STD_M, Triangulation
from autodrive.vision.decode import DecodeConfig, decode_objects
from autodrive.vision.layout import Z
from autodrive.vision.sight import one_per_sight

EYE = (0.0, 0.0, 1.27)


def box(x: float, y: float, z: float, score: float, size: float = 0.18, label: ObjectClass = ObjectClass.BOX):
    return DetectedObject(label, score, x, y, z, 0.0, size, size, size)


def test_of_guesses_along_one_ray_the_surest_stays() -> None:
    at_three = box(3.0, 0.3, 0.8, 0.6)
    # the same pixels: the offset from the eye, shorter or longer
    guesses = [box(3.0 * s, 0.3 * s, 1.27 - 0.47 * s, score) for s, score in ((0.8, 0.4), (1.3, 0.3))]
    assert one_per_sight([at_three, *guesses], EYE) == (at_three,)


def test_things_beside_and_above_each_other_stay_and_so_do_other_classes() -> None:
    things = [box(3.0, 0.0, 0.8, 0.6), box(3.0, 0.4, 0.8, 0.5), box(3.0, 0.0, 0.3, 0.4)]
    things += [box(4.0, 0.0, 0.65, 0.3, label=ObjectClass.CONE), box(4.5, 0.0, 0.56, 0.3, 0.6, ObjectClass.PEDESTRIAN)]
    assert one_per_sight(things, EYE) == tuple(things)


def test_a_box_that_would_stand_in_a_table_is_none_but_one_on_it_is() -> None:
    heat, values = grids()
    put(heat, values, ObjectClass.TABLE, 30, 30, score=0.7, size=(3.0, 3.0, 0.8))
    put(heat, values, ObjectClass.BOX, 31, 30, score=0.5, size=(2.5, 2.5, 0.8))
    put(heat, values, ObjectClass.BOX, 29, 30, score=0.4, size=(0.2, 0.2, 0.2))
    values[Z, 30, 30], values[Z, 31, 30], values[Z, 29, 30] = 0.4, 0.4, 0.9
    found = decode_objects(heat, values, EXTENT, DecodeConfig())
    assert [(o.label, round(o.length, 1)) for o in found] == [(ObjectClass.TABLE, 3.0), (ObjectClass.BOX, 0.2)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_walk_of_a_metre_brings_a_guess_within_centimetres(seed: int) -> None:
    rng = np.random.default_rng(seed)
    thing = np.array([3.0, 0.4, 0.85])
    guess = thing + rng.uniform(-0.2, 0.2, 3) * [1, 1, 0.3]
    meeting = Triangulation()
    for x in np.linspace(0.0, 1.8, 40):
        body = Pose2(float(x), 0.0, 0.3)
        eye = np.array([0.08, 0.0, 1.27])
        local = np.array([*body.inverse().apply(thing[:2]), thing[2]]) - eye
        ray = local / np.linalg.norm(local) + rng.normal(0, 0.004, 3)
        meeting.add((*eye, *(ray / np.linalg.norm(ray))), body, meeting.place(guess))
    before, after = (np.linalg.norm(p - thing) for p in (guess, meeting.place(guess)))
    assert after < 0.6 * before + 0.045


def test_without_a_baseline_the_range_stays_the_networks() -> None:
    meeting, guess = Triangulation(), np.array([3.3, 0.0, 0.8])
    ray = np.array([3.0, 0.0, -0.47])
    for _ in range(20):
        meeting.add((*EYE, *(ray / np.linalg.norm(ray))), Pose2(0.0, 0.0, 0.0), guess)
    place = meeting.place(guess)
    assert math.dist(place, guess) < PRIOR_STD_M[0] and abs(place[1]) < 1e-9


def test_sights_of_something_else_do_not_carry_a_place_away() -> None:
    meeting, guess = Triangulation(), np.array([2.0, 0.0, 0.8])
    ray = np.array([2.0, 1.5, -0.47])
    for _ in range(5):
        meeting.add((*EYE, *(ray / np.linalg.norm(ray))), Pose2(0.0, 0.0, 0.0), guess)
    np.testing.assert_array_equal(meeting.place(guess), guess)
