"""Processes that die: which are started again, when, and what a long run keeps of its frames."""

from __future__ import annotations

from autodrive_nodes.frame_tally import KEPT, FrameTally
from autodrive_nodes.graph import Options, build
from autodrive_nodes.restarts import MOST_DEATHS, PATIENCE_S, Restarts, ends_the_run, starts_again


def test_deaths_are_answered_later_and_later_and_at_last_no_more() -> None:
    restarts, now, delays = Restarts(), 0.0, []
    for _ in range(MOST_DEATHS):
        delay = restarts.died("vision", now)
        assert delay is not None
        assert restarts.take_due(now + delay - 0.01) == [] and restarts.take_due(now + delay) == ["vision"]
        delays.append(delay)
        now += delay
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert restarts.died("vision", now) is None and restarts.given_up == ["vision"]
    assert restarts.count == {"vision": MOST_DEATHS}


def test_deaths_long_ago_are_forgiven() -> None:
    restarts = Restarts()
    for k in range(2 * MOST_DEATHS):
        assert restarts.died("driving", k * (PATIENCE_S + 1.0)) == 0.5


def test_in_lockstep_every_death_ends_the_run_and_in_realtime_that_of_body_and_judge() -> None:
    groups = set(build(Options(out="x")).groups)
    assert all(ends_the_run(Options(), group) for group in groups)
    realtime = Options(out="x", mode="realtime")
    assert {g for g in groups if ends_the_run(realtime, g)} == {"world", "scoring"}
    assert {g for g in groups if starts_again(realtime, g)} == {"recording", "driving", "vision"}


def test_the_gate_begins_first_and_every_stage_may_have_a_process_of_its_own() -> None:
    for system in ("car", "humanoid"):
        together = build(Options(system=system, out="x"))
        apart = build(Options(system=system, out="x", isolated=True))
        assert next(iter(together.groups)) == next(iter(apart.groups)) == "safety"
        assert together.order == apart.order
        assert {len(nodes) for name, nodes in apart.groups.items() if name != "recording"} == {1}


def test_a_long_run_is_counted_without_being_kept() -> None:
    tally = FrameTally(["perception", "control"], answering="perception")
    frames = 3 * KEPT
    for k in range(frames):
        tally.publish(k, k * 1_000_000)
        if k % 10:
            tally.answer("perception", k, k * 1_000_000 + 5_000_000)
    assert (tally.frames(frames), tally.dropped(frames)) == (frames, frames // 10)
    assert tally.latency_ms()["perception"] == {"p50": 5.0, "p99": 5.0}
    assert tally.recent_latency_ms()["perception"]["p50"] == 5.0
    assert tally.recent_latency_ms()["perception"] == {"p50": 0.0, "p99": 0.0}


def test_a_stage_that_owes_an_answer_and_frames_that_are_spoilt_are_named() -> None:
    tally = FrameTally(["perception", "control"], answering="perception")
    assert tally.silent() == "" and tally.spoilt(2) == ""
    for k in range(1, 4):
        tally.publish(k * 1_000_000_000, 0)
        tally.complain(k * 1_000_000_000, f"perception: dark {k}")
    tally.answer("perception", 3_000_000_000, 1)
    assert tally.silent() == "no answer from control to the frame of 3.0 s (perception: dark 3)"
    assert tally.spoilt(2) == "perception: dark 2" and tally.spoilt(3) == ""
