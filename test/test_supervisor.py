"""The supervisor: every combination of faults is named and answered; what latched only an operator resets."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.geometry import Pose2
from autodrive.safety.envelope import Envelope, WalkEnvelope, load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.safety.supervisor import Observation, Reaction, State, Verdict, supervise
from autodrive.scene import Command, EgoState

TICK = 100_000_000
T0 = 5_000_000_000
STAGES = ("perception", "planning", "control")
LIMITS = Envelope()
MOVED = Pose2(4.0, 0.0, 0.0)
ENVELOPES = Path(__file__).parents[1] / "config" / "envelopes"


def well(now: int, speed: float = 0.0) -> Observation:
    return Observation(now, dict.fromkeys(STAGES, now), EgoState(now, Pose2(0.0, 0.0, 0.0), speed, 0.0), {}, 0.1)


def step(state: State, seen: Observation) -> tuple[State, Verdict]:
    return supervise(state, seen, STAGES, LIMITS)


def armed() -> tuple[State, int]:
    """A system that has been well for two seconds."""
    state, now = State(), T0
    for _ in range(20):
        now += TICK
        state, verdict = step(state, well(now))
        assert verdict == Verdict(Reaction.NONE, ())
    return state, now


def silent(seen: Observation, stage: str) -> Observation:
    return replace(seen, stamps={**seen.stamps, stage: seen.now_ns - 600_000_000})


# each fault: how it shows in one observation, the word by which it is named, and how hard the body stops
FAULTS = {
    "perception": (lambda s: silent(s, "perception"), "perception is silent for 0.6", Reaction.COMFORT),
    "planning": (lambda s: silent(s, "planning"), "planning is silent for 0.6", Reaction.COMFORT),
    "engine": (lambda s: replace(s, errors={"control": "no GPU"}), "control fails: no GPU", Reaction.COMFORT),
    "operator": (lambda s: replace(s, operator_stop=True), "operator", Reaction.COMFORT),
    "tracking": (lambda s: replace(s, tracking_error=2.5), "2.50 m away", Reaction.COMFORT),
    "jump": (lambda s: replace(s, ego=replace(s.ego, pose=MOVED)), "jumped by 4.00 m", Reaction.EMERGENCY),
    "odometry": (
        lambda s: replace(s, ego=replace(s.ego, speed=math.nan)),
        "odometry is not finite",
        Reaction.EMERGENCY,
    ),
}
LATCH_AT_ONCE = {"odometry", "jump", "operator"}


def broken(now: int, names: tuple[str, ...]) -> Observation:
    seen = well(now)
    for name in names:
        seen = FAULTS[name][0](seen)
    return seen


COMBINATIONS = [c for n in range(len(FAULTS) + 1) for c in itertools.combinations(FAULTS, n)]


@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_every_combination_of_faults_is_named_answered_and_latched(names: tuple[str, ...]) -> None:
    state, now = armed()
    # the stages that fell silent did so 0.6 s ago: their beats end there
    beats = {s: tuple(b for b in v if s not in names or b <= now + TICK - 600_000_000) for s, v in state.beats.items()}
    state, verdict = step(replace(state, beats=beats), broken(now + TICK, names))
    assert verdict.reaction == max((FAULTS[name][2] for name in names), default=Reaction.NONE)
    for name in names:
        if name == "jump" and "odometry" in names:
            continue  # of a state that is not finite nobody can say how far it moved
        assert any(FAULTS[name][1] in reason for reason in verdict.reasons)
    assert bool(verdict.reasons) == bool(names)
    assert bool(state.latched) == bool(LATCH_AT_ONCE & set(names))

    for k in range(2, 32):  # well again, but the latched stay, and a reset under way is refused
        seen = replace(well(now + k * TICK, speed=3.0), operator_reset=True)
        if "jump" in names:  # the pose stays where it went
            seen = replace(seen, ego=replace(seen.ego, pose=MOVED))
        state, verdict = step(state, seen)
    assert (verdict.reaction > Reaction.NONE) == bool(state.latched)
    assert all(reason.startswith("latched: ") for reason in verdict.reasons)

    seen = replace(seen, now_ns=now + 32 * TICK, stamps=dict.fromkeys(STAGES, now + 32 * TICK))
    standing = replace(seen, ego=replace(seen.ego, speed=0.0), operator_reset=True)
    state, verdict = step(state, standing)
    assert verdict == Verdict(Reaction.NONE, ())


def test_a_silent_stage_is_noticed_within_the_envelopes_age_and_latches_when_it_stays() -> None:
    state, now = armed()
    noticed = latched = None
    for k in range(1, 60):
        seen = replace(well(now + k * TICK), stamps={**dict.fromkeys(STAGES, now + k * TICK), "planning": now})
        state, verdict = step(state, seen)
        noticed = noticed or (k * 0.1 if verdict.reaction else None)
        latched = latched or (k * 0.1 if state.latched else None)
    assert noticed == pytest.approx(LIMITS.max_age_s + 0.1)
    assert latched == pytest.approx(noticed + LIMITS.latch_after_s)


def test_a_stage_that_stutters_is_told_from_one_that_is_late_once() -> None:
    state, now = armed()
    verdicts = []
    for k in range(1, 40):  # one answer every 0.5 s is never too old, but too few
        seen = replace(
            well(now + k * TICK), stamps={**dict.fromkeys(STAGES, now + k * TICK), "planning": now + k // 5 * 5 * TICK}
        )
        state, verdict = supervise(state, seen, STAGES, replace(LIMITS, min_rate_hz=3.0))
        verdicts.append(verdict)
    assert all(v.reaction == Reaction.NONE for v in verdicts[:4])
    assert any("planning answers at 2 Hz" in reason for reason in verdicts[-1].reasons)


@pytest.mark.parametrize("jump_s", [-2.0, -0.1, 1.5, 3600.0])
def test_a_clock_that_jumps_latches(jump_s: float) -> None:
    state, now = armed()
    state, verdict = step(state, well(now + round(jump_s * 1e9)))
    assert verdict.reaction == Reaction.EMERGENCY
    assert "clock" in state.latched


def test_before_everybody_has_spoken_it_stops_and_latches_nothing() -> None:
    state = State()
    for k in range(100):
        state, verdict = step(state, Observation(T0 + k * TICK, {"planning": T0 + k * TICK}, None))
        assert verdict.reaction == Reaction.COMFORT
        assert not state.latched
    for k in (100, 101):  # one answer alone is no rate
        state, verdict = step(state, well(T0 + k * TICK))
    assert verdict.reaction == Reaction.NONE
    assert state.armed


number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-8, 8)
stamps = st.integers(T0 - 20 * TICK, T0 + 40 * TICK)
states = st.none() | st.builds(
    EgoState, stamps, st.builds(Pose2, number, number, number), number, number, number, number, number
)
observations = st.builds(
    Observation,
    stamps,
    st.dictionaries(st.sampled_from(STAGES), stamps),
    states,
    st.dictionaries(st.sampled_from(STAGES), st.just("broken"), max_size=1),
    st.none() | number,
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=200)
@given(st.lists(observations | st.integers(1, 60).map(lambda k: well(T0 + k * TICK)), max_size=25))
def test_nothing_unlatches_by_itself_and_no_stop_is_without_a_reason(sequence: list[Observation]) -> None:
    state = State()
    for seen in sequence:
        before = set(state.latched)
        state, verdict = step(state, seen)
        assert bool(verdict.reasons) == (verdict.reaction > Reaction.NONE)
        if before - set(state.latched):
            assert seen.operator_reset
            assert verdict == Verdict(Reaction.NONE, ())
        if state.latched:
            assert verdict.reaction >= max(fault.reaction for fault in state.latched.values())
        assert all(len(beats) <= 25 for beats in state.beats.values())


@settings(max_examples=60)
@given(st.floats(0.5, 14.0), st.sampled_from([Reaction.COMFORT, Reaction.EMERGENCY]))
def test_whatever_it_asks_for_ends_at_rest_in_the_time_that_the_envelope_gives(
    speed: float, reaction: Reaction
) -> None:
    gate, start, now = SafetyGate(), speed, T0
    gate.filter(Command(now, 0.0, 0.0, speed), now, now, EgoState(now, Pose2(0.0, 0.0, 0.0), speed, 0.0))
    # a soft second, the ramp of the jerk limit, and firm braking from then on
    budget_s = 1.0 + start / LIMITS.firm_stop_deceleration + LIMITS.firm_stop_deceleration / LIMITS.max_jerk + 0.2
    for _ in range(math.ceil(budget_s * 10)):
        now += TICK
        ego = EgoState(now, Pose2(0.0, 0.0, 0.0), speed, 0.0)
        wanted = Command(now, 0.0, 2.0, 14.0)
        result = gate.filter(wanted, now, now, ego, reasons=("a fault",), halt=reaction == Reaction.EMERGENCY)
        assert result.verdict == "stop"
        assert "a fault" in result.faults
        speed = max(speed + result.command.acceleration * 0.1, 0.0)
    assert speed == 0.0


def test_both_bodies_have_limits_for_it() -> None:
    for limits in (load_envelope(ENVELOPES / "car.yaml"), load_envelope(ENVELOPES / "humanoid.yaml", WalkEnvelope)):
        _, verdict = supervise(State(), well(T0), STAGES, limits)
        assert verdict.reaction == Reaction.NONE
