"""What makes 50 Hz control lockstep: no tick before its frame's command, none twice, none out of order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimus_nodes.tick_gate import TickGate
from optimus_nodes.timing import FRAME_NS, TICK_NS, frame_of, is_frame

STAMPS = [k * TICK_NS for k in range(25)]


def gate(patient: bool = True) -> tuple[TickGate, list[tuple[int, object]]]:
    done: list[tuple[int, object]] = []
    return TickGate(lambda stamp, values, command: done.append((stamp, command)), patient), done


def test_every_fifth_tick_is_a_frame() -> None:
    assert [s for s in STAMPS if is_frame(s)] == [0, FRAME_NS, 2 * FRAME_NS, 3 * FRAME_NS, 4 * FRAME_NS]
    assert frame_of(FRAME_NS + 3 * TICK_NS) == FRAME_NS


@given(st.lists(st.booleans(), min_size=5, max_size=5))
def test_ticks_run_once_in_order_with_the_command_of_their_frame(early: list[bool]) -> None:
    """The command of a frame comes before or after its first tick; the world goes on when a tick is answered."""
    tick_gate, done = gate()
    for stamp in STAMPS:
        first, frame = is_frame(stamp), stamp // FRAME_NS
        if first and early[frame]:
            tick_gate.command(stamp, stamp)
        tick_gate.tick(stamp, None)
        if first and not early[frame]:
            assert len(done) == STAMPS.index(stamp)
            tick_gate.command(stamp, stamp)
    assert done == [(stamp, frame_of(stamp)) for stamp in STAMPS]


def test_a_tick_waits_for_its_frame() -> None:
    tick_gate, done = gate()
    tick_gate.tick(0, None)
    assert done == []
    tick_gate.command(0, "walk")
    tick_gate.tick(TICK_NS, None)
    assert done == [(0, "walk"), (TICK_NS, "walk")]


def test_a_spoilt_frame_is_bridged_with_the_last_command() -> None:
    tick_gate, done = gate()
    tick_gate.command(0, "walk")
    tick_gate.tick(FRAME_NS, None)
    tick_gate.bridge(FRAME_NS)
    assert done == [(FRAME_NS, "walk")]
    tick_gate.bridge(0)
    tick_gate.command(2 * FRAME_NS, "stop")
    tick_gate.tick(2 * FRAME_NS, None)
    assert done[-1] == (2 * FRAME_NS, "stop")


def test_in_realtime_the_newest_command_holds() -> None:
    tick_gate, done = gate(patient=False)
    tick_gate.tick(0, None)
    tick_gate.command(0, "walk")
    tick_gate.tick(3 * FRAME_NS, None)
    assert done == [(0, None), (3 * FRAME_NS, "walk")]
