"""StampSynchronizer: complete sets come out once, in stamp order, whatever the interleaving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.lockstep import StampSynchronizer

NAMES = ("camera", "ego", "objects")
events = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 8)), max_size=60)


def test_complete_set_comes_out_in_any_order_of_names() -> None:
    sync = StampSynchronizer(NAMES)
    assert sync.add("objects", 5, "o") is None
    assert sync.add("camera", 5, "c") is None
    assert sync.add("ego", 5, "e") == {"camera": "c", "ego": "e", "objects": "o"}
    assert sync.newest() == (5, {"camera": "c", "ego": "e", "objects": "o"})


def test_completing_discards_older_sets_and_counts_them() -> None:
    sync = StampSynchronizer(("a", "b"))
    sync.add("a", 1, 0)
    sync.add("a", 2, 0)
    sync.add("a", 3, 0)
    assert sync.add("b", 2, 0) is not None
    assert sync.dropped == 1
    assert sync.add("b", 1, 0) is None
    assert sync.late == 1
    assert sync.pending == (3,)


def test_duplicates_replace_nothing() -> None:
    sync = StampSynchronizer(("a", "b"))
    sync.add("a", 1, "first")
    sync.add("a", 1, "second")
    assert sync.add("b", 1, "b") == {"a": "first", "b": "b"}
    assert sync.add("b", 1, "again") is None
    assert sync.duplicates == 2


def test_depth_pushes_the_oldest_out() -> None:
    sync = StampSynchronizer(("a", "b"), depth=2)
    for stamp in (1, 2, 3):
        sync.add("a", stamp, stamp)
    assert sync.pending == (2, 3)
    assert sync.dropped == 1
    assert sync.add("b", 1, 0) is None


def test_clear_lets_time_start_again() -> None:
    sync = StampSynchronizer(("a",))
    assert sync.add("a", 10, 1) == {"a": 1}
    assert sync.add("a", 5, 1) is None
    sync.clear()
    assert sync.newest() is None
    assert sync.add("a", 5, 2) == {"a": 2}


@pytest.mark.parametrize(("names", "depth"), [((), 5), (("a", "a"), 5), (("a",), 0)])
def test_bad_arguments(names: tuple[str, ...], depth: int) -> None:
    with pytest.raises(InputError):
        StampSynchronizer(names, depth)


def test_unknown_name_is_named() -> None:
    with pytest.raises(InputError, match="lidar"):
        StampSynchronizer(NAMES).add("lidar", 1, None)


@given(events)
def test_sets_are_whole_unique_and_forward_in_time(sequence: list[tuple[str, int]]) -> None:
    sync = StampSynchronizer(NAMES, depth=4)
    out = []
    for index, (name, stamp) in enumerate(sequence):
        complete = sync.add(name, stamp, (name, stamp, index))
        assert len(sync.pending) <= 4
        if complete is not None:
            assert tuple(complete) == NAMES
            assert {value[1] for value in complete.values()} == {stamp}
            assert all(complete[key][0] == key for key in NAMES)
            out.append(stamp)
    assert out == sorted(set(out))
    assert all(stamp > out[-1] for stamp in sync.pending) if out else True


@given(events)
def test_every_value_is_accounted_for(sequence: list[tuple[str, int]]) -> None:
    sync = StampSynchronizer(NAMES, depth=100)
    done = sum(sync.add(name, stamp, None) is not None for name, stamp in sequence)
    stored = len(sequence) - sync.late - sync.duplicates
    in_sets = done * len(NAMES) + sum(1 for _ in sync.pending) + sync.dropped
    assert in_sets <= stored <= (done + len(sync.pending) + sync.dropped) * len(NAMES)


@given(st.permutations([(name, stamp) for name in NAMES for stamp in range(4)]))
def test_newest_stamp_always_completes(sequence: list[tuple[str, int]]) -> None:
    sync = StampSynchronizer(NAMES)
    done = [stamp for name, stamp in sequence if sync.add(name, stamp, 0) is not None]
    assert done[-1] == 3
    assert sync.pending == ()
    assert sync.duplicates == 0
