"""The safety gate before a walker: the car's gate with another envelope. Limits, people, silence, halts and falls."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.body import WalkCommand
from autodrive.errors import ConfigError
from autodrive.geometry import Pose2
from autodrive.safety.envelope import Envelope, WalkEnvelope, load_envelope
from autodrive.safety.gate import GateResult, SafetyGate
from autodrive.scene import Command, EgoState, ObjectClass, TrackedObject

TICK = 100_000_000
T0 = 5_000_000_000
FOLDER = Path(__file__).parents[1] / "config" / "envelopes"
ENVELOPE = WalkEnvelope()


def ego(stamp: int = T0, **changes: float) -> EgoState:
    return replace(EgoState(stamp, Pose2(0.0, 0.0, 0.0), 0.4, 0.0), **changes)


def person(x: float, y: float = 0.0, vx: float = 0.0, vy: float = 0.0, **changes: float) -> TrackedObject:
    track = TrackedObject(7, ObjectClass.PEDESTRIAN, 0.9, x, y, 0.9, 0.0, 0.5, 0.5, 1.8, vx, vy, 0.0, 2.0)
    return replace(track, **changes)


def warm(vx: float = 0.5, vy: float = 0.0, yaw_rate: float = 0.0) -> SafetyGate[WalkCommand]:
    """A gate that has let a command grow to its full size."""
    gate = SafetyGate(ENVELOPE)
    for k in range(10, -1, -1):
        now = T0 - k * TICK
        gate.filter(WalkCommand(now, vx, vy, yaw_rate), now, now, ego(now))
    return gate


def ask(
    gate: SafetyGate[WalkCommand], vx: float, vy: float, *people: TrackedObject, yaw_rate: float = 0.0
) -> GateResult[WalkCommand]:
    now = T0 + TICK
    return gate.filter(WalkCommand(now, vx, vy, yaw_rate), now, now, ego(now), people)


def test_a_good_command_passes_unchanged_once_it_has_grown() -> None:
    result = ask(warm(), 0.5, 0.0, person(3.5))
    assert (result.verdict, result.faults) == ("pass", ())
    assert (result.command.vx, result.command.vy, result.command.yaw_rate) == (0.5, 0.0, 0.0)


def test_accelerations_are_limited() -> None:
    gate = SafetyGate(ENVELOPE)
    gate.filter(WalkCommand(T0, 0.0, 0.0, 0.0), T0, T0, ego())
    result = ask(gate, 0.6, 0.2, yaw_rate=0.9)
    assert result.verdict == "limited"
    assert result.command.vx == pytest.approx(0.12)
    assert result.command.vy == pytest.approx(0.12)
    assert result.command.yaw_rate == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("command", "perception", "state", "word"),
    [
        (None, T0, ego(), "no command"),
        (WalkCommand(T0 - 4 * TICK, 0.3, 0.0, 0.0), T0, ego(), "command is 0.40 s old"),
        (WalkCommand(T0, math.nan, 0.0, 0.0), T0, ego(), "command is not finite"),
        (WalkCommand(T0, 0.9, 0.0, 0.0), T0, ego(), "vx"),
        (WalkCommand(T0, -0.5, 0.0, 0.0), T0, ego(), "vx"),
        (WalkCommand(T0, 0.0, 0.5, 0.0), T0, ego(), "vy"),
        (WalkCommand(T0, 0.0, 0.0, 2.0), T0, ego(), "yaw rate"),
        (WalkCommand(T0, 0.3, 0.0, 0.0), T0 - 4 * TICK, ego(), "perception is 0.40 s old"),
        (WalkCommand(T0, 0.3, 0.0, 0.0), None, ego(), "no perception"),
        (WalkCommand(T0, 0.3, 0.0, 0.0), T0, ego(T0 - 4 * TICK), "odometry is 0.40 s old"),
        (WalkCommand(T0, 0.3, 0.0, 0.0), T0, None, "no odometry"),
        (WalkCommand(T0, 0.3, 0.0, 0.0), T0, ego(speed=math.nan), "odometry is not finite"),
        (WalkCommand(T0 + 9 * TICK, 0.3, 0.0, 0.0), T0, ego(), "future"),
    ],
)
def test_faults_are_named(command: WalkCommand | None, perception: int | None, state: EgoState, word: str) -> None:
    result = SafetyGate(ENVELOPE).filter(command, T0, perception, state)
    assert result.verdict == "stop"
    assert any(word in fault for fault in result.faults)


@pytest.mark.parametrize("stale", ["command", "perception", "odometry"])
def test_stands_within_half_a_second_of_the_last_good_input(stale: str) -> None:
    gate = warm(0.6, 0.3, 0.9)
    for k in range(1, 8):
        now = T0 + k * TICK
        old = {what: T0 if what == stale else now for what in ("command", "perception", "odometry")}
        command = WalkCommand(old["command"], 0.6, 0.3, 0.9)
        result = gate.filter(command, now, old["perception"], ego(old["odometry"]))
        still = (result.command.vx, result.command.vy, result.command.yaw_rate) == (0.0, 0.0, 0.0)
        assert still == (k >= 5)


def test_halt_is_zero_in_the_same_frame_and_goes_on_after_it() -> None:
    gate, now = warm(0.6), T0 + TICK
    result = gate.filter(WalkCommand(now, 0.6, 0.0, 0.0), now, now, ego(now), halt=True)
    assert (result.command.vx, result.command.vy, result.command.yaw_rate) == (0.0, 0.0, 0.0)
    assert result.faults == ("halted",)
    now += TICK
    assert gate.filter(WalkCommand(now, 0.6, 0.0, 0.0), now, now, ego(now)).command.vx > 0.0


def test_a_halted_car_brakes_firmly() -> None:
    gate = SafetyGate(Envelope())
    for k in range(5):
        now = T0 + k * TICK
        result = gate.filter(Command(now, 0.0, 0.5, 6.0), now, now, ego(now, speed=6.0), halt=True)
    assert result.command.acceleration == -Envelope().firm_stop_deceleration


def test_a_fall_latches_with_its_reason() -> None:
    gate = warm()
    now = T0 + TICK
    result = gate.filter(WalkCommand(now, 0.5, 0.0, 0.0), now, now, ego(now, pitch=1.3))
    assert result.command.vx == 0.0
    for k in range(2, 5):
        now = T0 + k * TICK
        result = gate.filter(WalkCommand(now, 0.5, 0.0, 0.0), now, now, ego(now))
        assert (result.verdict, result.command.vx) == ("stop", 0.0)
        assert "fallen" in result.faults[0]


def test_stops_before_a_person_but_may_turn_and_step_back() -> None:
    near = person(0.85)  # 0.32 m from the body
    ahead = ask(warm(0.5, 0.0, 0.5), 0.5, 0.0, near, yaw_rate=0.5)
    assert ahead.verdict == "keep distance"
    assert ahead.faults == ("too near to track 7",)
    assert (ahead.command.vx, ahead.command.vy, ahead.command.yaw_rate) == (0.0, 0.0, 0.5)
    back = ask(warm(-0.2), -0.2, 0.0, near)
    assert (back.verdict, back.command.vx) == ("pass", -0.2)


def test_the_nearer_the_slower_and_sooner_for_who_comes() -> None:
    speeds = [ask(warm(), 0.5, 0.0, person(x)).command.vx for x in (2.5, 1.3, 1.1, 1.0, 0.85)]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] == 0.5
    assert speeds[-1] == 0.0
    assert ask(warm(), 0.5, 0.0, person(1.3, vx=-1.2)).command.vx < ask(warm(), 0.5, 0.0, person(1.3)).command.vx


def test_passes_somebody_at_its_side() -> None:
    assert ask(warm(), 0.5, 0.0, person(0.0, 1.0)).command.vx == 0.5


@pytest.mark.parametrize(
    "track", [person(0.85, age_s=0.05), person(0.85, score=0.1), person(0.85, label=ObjectClass.BOX)]
)
def test_young_and_unsure_tracks_and_things_do_not_count(track: TrackedObject) -> None:
    assert ask(warm(), 0.5, 0.0, track).verdict == "pass"


number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-0.7, 0.7)
stamps = st.integers(T0 - 20 * TICK, T0 + 20 * TICK)
commands = st.none() | st.builds(WalkCommand, stamps, number, number, number)
sane = st.builds(WalkCommand, stamps, st.floats(-0.3, 0.6), st.floats(-0.3, 0.3), st.floats(-0.9, 0.9))
poses = st.builds(Pose2, number, number, number) | st.just(Pose2(0.0, 0.0, 0.0))
states = st.none() | st.builds(EgoState, stamps, poses, number, number, roll=number, pitch=number, rise=number)
place = st.floats(-3, 3)
people = st.lists(st.builds(person, place, place, number, number), max_size=3).map(tuple)
inputs = st.tuples(commands | sane, stamps, st.none() | stamps, states, people, st.booleans())


@settings(max_examples=300)
@given(st.lists(inputs, min_size=1, max_size=12))
def test_output_is_inside_the_envelope_for_any_input(sequence: list) -> None:
    gate, last, last_ns = SafetyGate(ENVELOPE), (0.0, 0.0, 0.0), None
    for command, now, perception, state, others, halt in sequence:
        result = gate.filter(command, now, perception, state, others, halt=halt)
        out = (result.command.vx, result.command.vy, result.command.yaw_rate)
        assert all(math.isfinite(v) for v in out)
        assert -ENVELOPE.max_backward <= out[0] <= ENVELOPE.max_forward
        assert abs(out[1]) <= ENVELOPE.max_sideways
        assert abs(out[2]) <= ENVELOPE.max_yaw_rate
        elapsed = 0.0 if last_ns is None else max(now - last_ns, 0) * 1e-9
        rates = (ENVELOPE.max_acceleration, ENVELOPE.max_acceleration, ENVELOPE.max_yaw_acceleration)
        for before, after, rate in zip(last, out, rates, strict=True):
            assert abs(after) <= abs(before) + rate * elapsed + 1e-9
            assert before * after >= 0.0
        assert not halt or out == (0.0, 0.0, 0.0)
        last, last_ns = out, now


@settings(max_examples=300)
@given(st.floats(-math.pi, math.pi), st.floats(0.0, 3.0), st.floats(-0.3, 0.6), st.floats(-0.3, 0.3), place, place)
def test_nothing_approaches_somebody_who_is_too_near(
    angle: float, distance: float, vx: float, vy: float, other_x: float, other_y: float
) -> None:
    someone = person(distance * math.cos(angle), distance * math.sin(angle), length=0.4, width=0.4)
    result = ask(warm(vx, vy), vx, vy, someone, person(other_x, other_y, track_id=8))
    local_x, local_y = (abs(v) - 0.2 for v in (someone.x, someone.y))
    gap = math.hypot(max(local_x, 0.0), max(local_y, 0.0)) - ENVELOPE.body_radius
    if 0.0 < gap < ENVELOPE.person_distance:
        nearest_x = max(min(0.0, someone.x + 0.2), someone.x - 0.2)
        nearest_y = max(min(0.0, someone.y + 0.2), someone.y - 0.2)
        reach = math.hypot(nearest_x, nearest_y)
        towards = (result.command.vx * nearest_x + result.command.vy * nearest_y) / reach
        assert towards <= 0.021


def test_the_shipped_envelope_is_the_default_one() -> None:
    assert load_envelope(FOLDER / "humanoid.yaml", WalkEnvelope) == WalkEnvelope()


def test_an_envelope_of_another_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="body is 'humanoid', expected 'car'"):
        load_envelope(FOLDER / "humanoid.yaml")
    with pytest.raises(ConfigError, match="body is 'car', expected 'humanoid'"):
        load_envelope(FOLDER / "car.yaml", WalkEnvelope)
    path = tmp_path / "bad.yaml"
    path.write_text("body: snake")
    with pytest.raises(ConfigError, match=r"snake.*known are \['car', 'humanoid'\]"):
        load_envelope(path, WalkEnvelope)


@pytest.mark.parametrize("name", [field.name for field in fields(WalkEnvelope)])
def test_every_limit_is_checked(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        WalkEnvelope(**{name: -1.0})
    with pytest.raises(ConfigError, match=r"below 0\.5"):
        WalkEnvelope(max_age_s=0.6)
