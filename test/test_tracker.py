"""The tracker: ids stay, velocities settle, nothing bad gets in, and the order of detections does not matter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.scene import (
    DetectedObject,
    EgoState,
    GridExtent,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Perception,
    TrackedObject,
)
from autodrive.vision.tracker import Tracker

TICK = 100_000_000
GRID = GroundGrid(GridExtent(-32, 32, -32, 32), np.zeros((4, 8, 8), np.float32))
NO_MARKINGS = GroundMarkings(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
CAR = DetectedObject(ObjectClass.CAR, 0.8, 10.0, 0.0, 0.8, 0.0, 4.5, 1.8, 1.6)
WALKER = DetectedObject(ObjectClass.PEDESTRIAN, 0.7, 10.0, 5.0, 0.9, 0.0, 0.6, 0.6, 1.75)


def frame(stamp: int, *objects: DetectedObject) -> Perception:
    return Perception(stamp, objects, GRID, NO_MARKINGS)


def ego_at(stamp: int, pose: Pose2 | None = None) -> EgoState:
    return EgoState(stamp, pose or Pose2(0.0, 0.0, 0.0), 0.0, 0.0)


def noisy(rng: np.random.Generator, truth: DetectedObject, sigma: float = 0.3, sigma_v: float = 1.0) -> DetectedObject:
    x, y, yaw = truth.x + rng.normal(0, sigma), truth.y + rng.normal(0, sigma), truth.yaw + rng.normal(0, 0.1)
    vx, vy = truth.vx + rng.normal(0, sigma_v), truth.vy + rng.normal(0, sigma_v)
    if sigma_v == 0.0:
        vx = vy = 0.0
    return replace(truth, x=x, y=y, yaw=yaw, vx=vx, vy=vy)


def follow(truth: list[DetectedObject], seed: int = 0, **noise: float) -> list[tuple[TrackedObject, ...]]:
    rng, tracker = np.random.default_rng(seed), Tracker()
    return [tracker.update(frame(i * TICK, noisy(rng, d, **noise)), ego_at(i * TICK)) for i, d in enumerate(truth)]


def moving(start: DetectedObject, vx: float, vy: float, frames: int) -> list[DetectedObject]:
    return [
        replace(start, x=start.x + vx * i / 10, y=start.y + vy * i / 10, vx=vx, vy=vy, yaw=math.atan2(vy, vx))
        for i in range(frames)
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("distance", [6.0, 12.0, 20.0])
def test_parked_car_settles(seed: int, distance: float) -> None:
    out = follow([replace(CAR, x=distance, y=-3.0)] * 60, seed, sigma=0.2 + 0.01 * distance)
    assert all(len(tracks) == 1 for tracks in out[2:])
    assert all(tracks[0].track_id == 1 for tracks in out[2:])
    assert np.mean([tracks[0].speed < 0.3 for tracks in out[20:]]) > 0.97
    assert math.hypot(out[-1][0].x - distance, out[-1][0].y + 3.0) < 0.4


def test_crossing_car_has_its_speed_after_five_frames() -> None:
    errors = []
    for seed in range(20):
        out = follow(moving(replace(CAR, x=15.0, y=-12.0), 0.0, 8.0, 12), seed, sigma=0.25)
        errors.append(math.hypot(out[4][0].vx, out[4][0].vy - 8.0))
        assert abs(math.remainder(out[-1][0].yaw - math.pi / 2, 2 * math.pi)) < 0.2
    assert np.mean(errors) < 0.8
    assert np.quantile(errors, 0.8) < 1.0


def test_crossing_car_without_network_velocity() -> None:
    out = follow(moving(replace(CAR, x=15.0, y=-12.0), 0.0, 8.0, 20), 1, sigma=0.2, sigma_v=0.0)
    assert {t.track_id for tracks in out for t in tracks} == {1}
    assert abs(out[6][0].vy - 8.0) < 2.0
    assert abs(out[-1][0].vy - 8.0) < 0.7


def test_started_car_is_noticed_within_a_second() -> None:
    parked = replace(CAR, x=8.0, y=-3.0)
    truth = [parked] * 40
    for i in range(25):
        t = i / 10
        truth.append(replace(parked, x=8.0 + t * t, vx=2.0 * t))
    for seed in range(5):
        out = follow(truth, seed, sigma=0.2, sigma_v=0.7)
        assert out[39][0].speed == 0.0
        assert out[52][0].speed > 1.0  # truly 2.4
        assert abs(out[-1][0].vx - truth[-1].vx) < 1.6  # constant velocity lags behind 2 m/s2


@pytest.mark.parametrize("seed", range(8))
def test_a_person_who_steps_off_slowly_is_followed_at_once(seed: int) -> None:
    person = replace(WALKER, x=2.0, y=1.0, vx=0.0, vy=0.0)
    truth = [person] * 30 + moving(person, 0.0, -0.5, 20)
    out = follow(truth, seed, sigma=0.05, sigma_v=0.5)
    off = [math.hypot(tracks[0].x - d.x, tracks[0].y - d.y) for tracks, d in zip(out[2:], truth[2:], strict=True)]
    assert max(off) < 0.2
    assert np.hypot(out[29][0].vx, out[29][0].vy) < 0.3
    assert out[40][0].vy == pytest.approx(-0.5, abs=0.25), "a second later"


def test_turning_car_yields_its_yaw_rate() -> None:
    rate, speed = 0.4, 6.0
    truth = []
    for i in range(35):
        yaw = rate * i / 10
        x, y = 10 + speed / rate * math.sin(yaw), -5 + speed / rate * (1 - math.cos(yaw))
        truth.append(replace(CAR, x=x, y=y, yaw=yaw, vx=speed * math.cos(yaw), vy=speed * math.sin(yaw)))
    out = follow(truth, 2, sigma=0.2)
    assert abs(out[-1][0].yaw_rate - rate) < 0.15
    assert abs(out[-1][0].speed - speed) < 1.0


@pytest.mark.parametrize("label", [ObjectClass.CONE, ObjectClass.BARRIER, ObjectClass.BOX, ObjectClass.SHELF])
def test_static_classes_never_move(label: ObjectClass) -> None:
    truth = [replace(WALKER, label=label, vx=1.0)] * 20
    for tracks in follow(truth)[2:]:
        assert (tracks[0].vx, tracks[0].vy, tracks[0].yaw_rate) == (0.0, 0.0, 0.0)


def test_reversed_headings_do_not_turn_the_track() -> None:
    rng, tracker = np.random.default_rng(4), Tracker()
    for i, d in enumerate(moving(replace(CAR, x=5.0, y=4.0), 5.0, 0.0, 30)):
        seen = noisy(rng, d, sigma=0.2)
        seen = replace(seen, yaw=seen.yaw + (math.pi if rng.random() < 0.4 else 0.0))
        tracks = tracker.update(frame(i * TICK, seen), ego_at(i * TICK))
        if i > 8:
            assert math.cos(tracks[0].yaw) > 0.9


def test_wrong_first_heading_is_repaired_by_motion() -> None:
    truth = [replace(d, yaw=d.yaw + math.pi) for d in moving(replace(CAR, x=5.0), 6.0, 0.0, 40)]
    out = follow(truth, sigma=0.1, sigma_v=0.0)
    assert math.cos(out[-1][0].yaw) > 0.9


def test_ego_motion_does_not_move_the_world() -> None:
    tracker, rng = Tracker(), np.random.default_rng(5)
    speeds = []
    for i in range(40):
        pose = Pose2(0.6 * i, 0.02 * i * i / 10, 0.01 * i)
        local = pose.inverse().apply(np.array([30.0, -4.0]))
        velocity = 0.0
        d = replace(CAR, x=local[0], y=local[1], yaw=-pose.yaw, vx=velocity, vy=velocity)
        tracks = tracker.update(frame(i * TICK, noisy(rng, d, sigma=0.2)), ego_at(i * TICK, pose))
        speeds.append(tracks[0].speed if tracks else 0.0)
    assert max(speeds[20:]) < 0.3
    assert math.hypot(tracks[0].x - 30.0, tracks[0].y + 4.0) < 0.4


def test_missed_frames_and_variable_steps_keep_the_id() -> None:
    tracker, rng, stamp = Tracker(), np.random.default_rng(6), 0
    ids = set()
    for i in range(60):
        stamp += int(rng.integers(30, 170)) * 1_000_000
        d = replace(CAR, x=2 + 5 * stamp * 1e-9, vx=5.0, y=3.0)
        objects = [] if i % 4 == 3 else [noisy(rng, d, sigma=0.2)]
        tracks = tracker.update(frame(stamp, *objects), ego_at(stamp))
        ids |= {t.track_id for t in tracks}
    assert ids == {1}


def test_track_dies_soon_in_view_but_coasts_behind_a_truck() -> None:
    truck = replace(CAR, label=ObjectClass.TRUCK, x=8.0, length=8.0, width=2.5)
    alive = {}
    for name, others in (("open", []), ("hidden", [truck])):
        tracker = Tracker()
        for i in range(60):
            objects = [*others, replace(CAR, x=18.0)] if i < 15 else others
            tracks = tracker.update(frame(i * TICK, *objects), ego_at(i * TICK))
            if any(t.x > 14 for t in tracks):
                alive[name] = i
    assert 15 < alive["open"] < 22
    assert 28 < alive["hidden"] < 40


def test_one_weak_detection_is_no_track_but_a_strong_one_ahead_is() -> None:
    assert Tracker().update(frame(0, replace(CAR, score=0.4)), ego_at(0)) == ()
    assert Tracker().update(frame(0, replace(CAR, score=0.9, x=30.0)), ego_at(0)) == ()
    assert len(Tracker().update(frame(0, replace(CAR, score=0.9)), ego_at(0))) == 1


def test_class_flips_only_by_evidence() -> None:
    tracker = Tracker()
    labels = []
    for i in range(40):
        label = ObjectClass.TRUCK if i >= 20 or i == 8 else ObjectClass.CAR
        tracks = tracker.update(frame(i * TICK, replace(CAR, label=label)), ego_at(i * TICK))
        labels.append(tracks[0].label)
        assert tracks[0].track_id == 1
    assert labels[8:20] == [ObjectClass.CAR] * 12
    assert labels[-1] == ObjectClass.TRUCK


def test_pedestrian_may_become_a_cyclist() -> None:
    tracker = Tracker()
    for i in range(40):
        label = ObjectClass.PEDESTRIAN if i < 8 else ObjectClass.CYCLIST
        d = replace(WALKER, label=label, x=5 + 0.3 * i, vx=3.0)
        tracks = tracker.update(frame(i * TICK, d), ego_at(i * TICK))
    assert [(t.track_id, t.label) for t in tracks] == [(1, ObjectClass.CYCLIST)]
    assert abs(tracks[0].vx - 3.0) < 0.5


@pytest.mark.parametrize("field", ["x", "y", "yaw", "vx", "length", "score", "height"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_detections_are_dropped_and_counted(field: str, bad: float) -> None:
    tracker, broken = Tracker(), replace(CAR, **{field: bad})  # type: ignore[arg-type]
    tracks = tracker.update(frame(0, CAR, broken), ego_at(0))
    assert tracker.rejected == 1
    assert len(tracks) == 1
    assert np.isfinite([tracks[0].x, tracks[0].vx, tracks[0].position_std_m]).all()


def test_bad_time_and_pose_are_refused() -> None:
    tracker = Tracker()
    tracker.update(frame(TICK, CAR), ego_at(TICK))
    with pytest.raises(InputError, match="does not come after"):
        tracker.update(frame(TICK, CAR), ego_at(TICK))
    with pytest.raises(InputError, match="synchronise"):
        tracker.update(frame(2 * TICK, CAR), ego_at(3 * TICK))
    with pytest.raises(InputError, match="not finite"):
        tracker.update(frame(2 * TICK, CAR), ego_at(2 * TICK, Pose2(math.nan, 0.0, 0.0)))
    assert tracker.update(frame(2 * TICK, CAR), ego_at(2 * TICK))[0].track_id == 1


def random_scene(seed: int, frames: int) -> list[list[DetectedObject]]:
    rng = np.random.default_rng(seed)
    movers = []
    for _ in range(10):
        label = ObjectClass(int(rng.integers(0, 9)))
        start = replace(CAR, label=label, x=rng.uniform(-25, 25), y=rng.uniform(-25, 25), score=rng.uniform(0.3, 1.0))
        movers.append(moving(start, rng.uniform(-6, 6), rng.uniform(-6, 6), frames))
    return [[noisy(rng, m[i]) for m in movers if rng.random() > 0.15] for i in range(frames)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_permutation_of_detections_changes_nothing(seed: int, random: object) -> None:
    a, b = Tracker(), Tracker()
    for i, objects in enumerate(random_scene(seed, 15)):
        shuffled = list(objects)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        stamp = i * TICK
        assert a.update(frame(stamp, *objects), ego_at(stamp)) == b.update(frame(stamp, *shuffled), ego_at(stamp))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_ids_are_never_used_again_and_covariances_stay_positive(seed: int) -> None:
    tracker, newest = Tracker(), 0
    gone: set[int] = set()
    last: set[int] = set()
    for i, objects in enumerate(random_scene(seed, 40)):
        if 20 <= i < 30:
            objects = []
        tracks = tracker.update(frame(i * TICK, *objects), ego_at(i * TICK))
        ids = [t.track_id for t in tracks]
        assert ids == sorted(set(ids))
        # a track that the table lost must not come back
        held = set(tracker._table.track_id.tolist())
        gone |= last - held
        assert not gone & held
        assert not held or max(held) >= newest or not (held - last)
        newest, last = max([newest, *held]), held
        cov = tracker._table.cov
        assert np.allclose(cov, cov.transpose(0, 2, 1))
        if len(cov):
            assert np.linalg.eigvalsh(cov).min() > -1e-9
            assert np.isfinite(cov).all()


def test_crowd_ids_are_stable() -> None:
    rng, tracker = np.random.default_rng(8), Tracker()
    spots = [(x, y) for x in range(-20, 21, 8) for y in range(-20, 21, 8)]
    for i in range(40):
        objects = [noisy(rng, replace(WALKER, x=x + 0.1 * i, y=y, vx=1.0), sigma=0.2, sigma_v=0.5) for x, y in spots]
        tracks = tracker.update(frame(i * TICK, *objects), ego_at(i * TICK))
    assert [t.track_id for t in tracks] == list(range(1, len(spots) + 1))


TABLE = DetectedObject(ObjectClass.TABLE, 0.9, 2.0, 0.0, 0.4, 0.0, 1.8, 0.8, 0.8)
ON_TABLE = DetectedObject(ObjectClass.BOX, 0.5, 2.0, 0.1, 0.9, 0.0, 0.2, 0.2, 0.2)


def tracked(*frames: tuple[DetectedObject, ...]) -> list[ObjectClass]:
    """The classes of what is tracked after ten times each of these frames."""
    tracker, out = Tracker(), ()
    for i, objects in enumerate(item for item in frames for _ in range(10)):
        out = tracker.update(frame(i * TICK, *objects), ego_at(i * TICK))
    return sorted(track.label for track in out)


def test_boxes_on_the_middle_of_a_table_and_beside_each_other_are_things_of_their_own() -> None:
    found = tracked((TABLE,), (TABLE, ON_TABLE, replace(ON_TABLE, x=2.3)))
    assert found == [ObjectClass.BOX, ObjectClass.BOX, ObjectClass.TABLE]


def test_a_table_that_is_taken_for_a_box_as_well_stays_one_thing() -> None:
    ghost = replace(TABLE, label=ObjectClass.BOX, score=0.4, x=2.1)
    assert tracked((TABLE,), (TABLE, ghost)) == [ObjectClass.TABLE]
