"""NearestSynchronizer: sets are near enough, in order, and use every image once at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.camera.nearest_sync import NearestSynchronizer
from autodrive.errors import InputError

NAMES = ("front", "left", "rear")
events = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 60)), max_size=80)


def test_the_nearest_of_each_camera_comes_with_the_first_ones_stamp() -> None:
    sync = NearestSynchronizer(NAMES, tolerance_ns=10)
    assert sync.add("left", 92, "l92") is None
    assert sync.add("left", 103, "l103") is None
    assert sync.add("rear", 99, "r99") is None
    assert sync.add("front", 100, "f100") == {"front": "f100", "left": "l103", "rear": "r99"}
    assert sync.newest() == (100, {"front": "f100", "left": "l103", "rear": "r99"})
    assert sync.pending == () and sync.dropped == 0


def test_a_camera_that_skips_one_costs_that_set_only() -> None:
    sync = NearestSynchronizer(("a", "b"), tolerance_ns=10)
    done = []
    for k in range(5):
        done.append(sync.add("a", 100 * k, k))
        if k != 2:
            done.append(sync.add("b", 100 * k + 5, k))
    assert [d["a"] for d in done if d] == [0, 1, 3, 4]
    assert sync.dropped == 1


def test_a_lost_camera_stops_the_sets_and_its_return_resumes_them() -> None:
    sync = NearestSynchronizer(("a", "b"), tolerance_ns=10, depth=5)
    for k in range(30):
        assert sync.add("a", 100 * k, k) is None
    assert len(sync.pending) == 5 and sync.dropped == 25
    assert sync.add("b", 2903, 29) == {"a": 29, "b": 29}
    assert sync.pending == () and sync.dropped == 29


def test_late_and_repeated_images_are_ignored() -> None:
    sync = NearestSynchronizer(("a", "b"), tolerance_ns=10)
    sync.add("a", 100, 0)
    assert sync.add("a", 100, 1) is None and sync.add("a", 90, 2) is None
    assert sync.late == 2
    assert sync.add("b", 101, 3) == {"a": 0, "b": 3}


@pytest.mark.parametrize(
    ("names", "tolerance", "depth"), [((), 5, 5), (("a", "a"), 5, 5), (("a",), 0, 5), (("a",), 5, 0)]
)
def test_bad_arguments(names: tuple[str, ...], tolerance: int, depth: int) -> None:
    with pytest.raises(InputError):
        NearestSynchronizer(names, tolerance, depth)


def test_unknown_name_is_named() -> None:
    with pytest.raises(InputError, match="lidar"):
        NearestSynchronizer(NAMES, 5).add("lidar", 1, None)


@given(events, st.integers(1, 20))
def test_sets_are_near_ordered_and_disjoint(sequence: list[tuple[str, int]], tolerance: int) -> None:
    sync, used, last, handed = NearestSynchronizer(NAMES, tolerance, depth=4), set(), -1, 0
    stored: dict[str, list[int]] = {name: [] for name in NAMES}
    for index, (name, stamp) in enumerate(sequence):
        late = sync.late
        complete = sync.add(name, stamp, (name, stamp, index))
        if sync.late == late:
            assert not stored[name] or stamp > stored[name][-1]
            stored[name].append(stamp)
        if complete is None:
            continue
        handed += 1
        assert tuple(complete) == NAMES
        reference = complete["front"][1]
        assert reference == (sync.newest() or (None,))[0] and reference > last
        assert all(abs(value[1] - reference) <= tolerance and value[0] == key for key, value in complete.items())
        assert not used & set(complete.values())
        used |= set(complete.values())
        last = reference
    assert handed + sync.dropped + len(sync.pending) == len(stored["front"])


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=2), st.permutations(range(3)), st.data())
def test_steady_cameras_lose_nothing(offsets: list[int], order: list[int], data: st.DataObject) -> None:
    """Any phase and jitter that stays within the tolerance, in any order of arrival within a period."""
    sync = NearestSynchronizer(NAMES, tolerance_ns=30)
    done = []
    for k in range(10):
        stamps = [100 * k + 50, *(100 * k + 50 + o + data.draw(st.integers(-10, 10)) for o in offsets)]
        done += [sync.add(NAMES[i], stamps[i], k) for i in order]
    assert [d for d in done if d] == [dict.fromkeys(NAMES, k) for k in range(10)]
    assert sync.dropped == sync.late == 0


def test_the_tolerance_itself_is_near_enough_and_not_more() -> None:
    sync = NearestSynchronizer(("a", "b"), tolerance_ns=10)
    sync.add("a", 100, "a")
    assert sync.add("b", 111, "far") is None
    assert sync.dropped == 1
    sync.add("a", 201, "a")
    assert sync.add("b", 211, "near") == {"a": "a", "b": "near"}


def test_of_two_exposures_that_are_complete_the_newer_comes() -> None:
    sync = NearestSynchronizer(("a", "b"), tolerance_ns=60)
    sync.add("a", 0, "old")
    sync.add("a", 100, "new")
    assert sync.add("b", 50, "b") == {"a": "new", "b": "b"}
    assert sync.dropped == 1 and sync.pending == ()
