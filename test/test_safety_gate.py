"""The safety gate: whatever comes in, what goes out is inside the envelope; silence and nonsense stop the car."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import ConfigError
from autodrive.geometry import Pose2
from autodrive.safety.emergency_brake import collision_imminent
from autodrive.safety.envelope import Envelope, load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.scene import Command, EgoState, ObjectClass, TrackedObject

TICK = 100_000_000
T0 = 5_000_000_000
SHIPPED = Path(__file__).parents[1] / "config" / "envelopes" / "car.yaml"


def ego(stamp: int = T0, speed: float = 6.0, yaw_rate: float = 0.0) -> EgoState:
    return EgoState(stamp, Pose2(0.0, 0.0, 0.0), speed, yaw_rate)


def car(x: float, y: float = 0.0, vx: float = 0.0, vy: float = 0.0, **changes: float) -> TrackedObject:
    values = {"score": 0.9, "age_s": 2.0} | changes
    return TrackedObject(
        7, ObjectClass.CAR, values["score"], x, y, 0.8, 0.0, 4.4, 1.8, 1.5, vx, vy, 0.0, values["age_s"]
    )


def test_a_good_command_passes_unchanged() -> None:
    gate = SafetyGate()
    gate.filter(Command(T0, 0.0, 0.5, 6.0), T0, T0, ego())
    now = T0 + TICK
    result = gate.filter(Command(now, 0.03, 1.0, 6.0), now, now, ego(now))
    assert result.verdict == "pass"
    assert (result.command.steering, result.command.acceleration, result.command.speed) == (0.03, 1.0, 6.0)
    assert result.faults == ()


def test_rate_and_jerk_are_limited() -> None:
    gate = SafetyGate()
    gate.filter(Command(T0, 0.0, 0.0, 6.0), T0, T0, ego())
    now = T0 + TICK
    result = gate.filter(Command(now, 0.5, 2.4, 6.0), now, now, ego(now))
    assert result.verdict == "limited"
    assert result.command.steering == pytest.approx(0.06)
    assert result.command.acceleration == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("command", "perception", "state", "word"),
    [
        (None, T0, ego(), "no command"),
        (Command(T0 - 6 * TICK, 0.0, 0.0, 5.0), T0, ego(), "command is 0.60 s old"),
        (Command(T0, math.nan, 0.0, 5.0), T0, ego(), "not finite"),
        (Command(T0, 0.0, math.inf, 5.0), T0, ego(), "not finite"),
        (Command(T0, 0.9, 0.0, 5.0), T0, ego(), "steering"),
        (Command(T0, 0.0, 5.0, 5.0), T0, ego(), "acceleration"),
        (Command(T0, 0.0, -7.0, 5.0), T0, ego(), "acceleration"),
        (Command(T0, 0.0, 0.0, 30.0), T0, ego(), "speed"),
        (Command(T0, 0.0, 0.0, 5.0), T0 - 6 * TICK, ego(), "perception is 0.60 s old"),
        (Command(T0, 0.0, 0.0, 5.0), None, ego(), "no perception"),
        (Command(T0, 0.0, 0.0, 5.0), T0, ego(T0 - 6 * TICK), "odometry is 0.60 s old"),
        (Command(T0, 0.0, 0.0, 5.0), T0, None, "no odometry"),
        (Command(T0, 0.0, 0.0, 5.0), T0, ego(speed=math.nan), "odometry is not finite"),
        (Command(T0 + 20 * TICK, 0.0, 0.0, 5.0), T0, ego(), "future"),
    ],
)
def test_faults_are_named_and_stop(
    command: Command | None, perception: int | None, state: EgoState | None, word: str
) -> None:
    result = SafetyGate().filter(command, T0, perception, state)
    assert result.verdict == "stop"
    assert any(word in fault for fault in result.faults)
    assert result.command.speed == 0.0


def test_silence_brakes_softly_then_firmly_then_holds_with_the_wheels_as_they_were() -> None:
    gate, speed, accelerations = SafetyGate(), 8.0, []
    gate.filter(Command(T0, 0.0, 0.0, 8.0), T0, T0, ego())
    gate.filter(Command(T0 + TICK, 0.05, 0.0, 8.0), T0 + TICK, T0 + TICK, ego(T0 + TICK))
    for k in range(2, 60):
        now = T0 + k * TICK
        result = gate.filter(None, now, now, ego(now, speed))
        accelerations.append(result.command.acceleration)
        assert result.command.steering == 0.05
        speed = max(speed + result.command.acceleration * 0.1, 0.0)
    assert accelerations[5] == -2.0
    assert min(accelerations) == -4.0
    assert speed == 0.0
    assert accelerations[-1] == -1.0


def test_recovers_by_itself() -> None:
    gate = SafetyGate()
    gate.filter(None, T0, T0, ego())
    for k in range(1, 6):
        now = T0 + k * TICK
        result = gate.filter(Command(now, 0.0, 1.0, 6.0), now, now, ego(now))
    assert result.verdict == "pass"


def test_an_emergency_may_brake_at_once() -> None:
    result = SafetyGate().filter(Command(T0, 0.0, -7.0, 0.0, emergency=True), T0, T0, ego())
    assert result.command.acceleration == -7.0


def test_brakes_for_what_the_planner_overlooks() -> None:
    result = SafetyGate().filter(Command(T0, 0.0, 0.0, 6.0), T0, T0, ego(), (car(8.0),))
    assert result.verdict == "emergency brake"
    assert result.command.acceleration == -Envelope().emergency_deceleration
    assert "track 7" in result.faults[0]


@pytest.mark.parametrize(
    ("state", "track", "acceleration"),
    [
        (ego(), car(14.0), 0.0),  # far enough: the planner's business
        (ego(), car(8.0, 2.1), 0.0),  # beside the way
        (ego(speed=0.5), car(6.1), 0.0),  # creeping
        (ego(), car(1.0), 0.0),  # overlaps already: a ghost
        (ego(), car(8.0, age_s=0.1), 0.0),  # just appeared
        (ego(), car(7.5, vx=6.0), 0.0),  # drives on ahead
        (ego(speed=2.0), car(6.9), -2.5),  # stops in time as commanded
        (ego(speed=3.0, yaw_rate=0.3), car(7.3, -2.0), 0.0),  # turns away from it
    ],
)
def test_does_not_brake_without_need(state: EgoState, track: TrackedObject, acceleration: float) -> None:
    assert collision_imminent(state, (track,), Command(T0, 0.0, acceleration, 6.0)) is None


def test_sees_who_crosses() -> None:
    walker = TrackedObject(3, ObjectClass.PEDESTRIAN, 0.9, 6.5, -2.2, 0.9, 1.57, 0.5, 0.5, 1.8, 0.0, 1.6, 0.0, 1.0)
    assert collision_imminent(ego(speed=7.0), (walker,), Command(T0, 0.0, 0.0, 7.0)) == 3


number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-8, 8)
stamps = st.integers(T0 - 20 * TICK, T0 + 20 * TICK)
commands = st.none() | st.builds(Command, stamps, number, number, number, st.booleans())
states = st.none() | st.builds(
    EgoState, stamps, st.builds(Pose2, number, number, number), number, number, number, number
)
tracks = st.lists(st.builds(car, st.floats(-5, 20), st.floats(-4, 4), st.floats(-9, 9)), max_size=2).map(tuple)
inputs = st.tuples(commands, stamps, st.none() | stamps, states, tracks)


@settings(max_examples=300)
@given(st.lists(inputs, min_size=1, max_size=12))
def test_output_is_inside_the_envelope_for_any_input(sequence: list) -> None:
    gate, envelope = SafetyGate(), Envelope()
    last_steering, last_ns = 0.0, None
    for command, now, perception, state, others in sequence:
        result = gate.filter(command, now, perception, state, others)
        out = result.command
        assert all(math.isfinite(v) for v in (out.steering, out.acceleration, out.speed))
        assert abs(out.steering) <= envelope.max_steering
        assert -envelope.emergency_deceleration <= out.acceleration <= envelope.max_acceleration
        assert 0.0 <= out.speed <= envelope.max_speed
        elapsed = 0.0 if last_ns is None else max(now - last_ns, 0) * 1e-9
        assert abs(out.steering - last_steering) <= envelope.max_steering_rate * elapsed + 1e-9
        assert result.verdict != "stop" or (result.faults and out.speed == 0.0)
        last_steering, last_ns = out.steering, now


def test_shipped_envelope_is_the_default_one() -> None:
    assert load_envelope(SHIPPED) == Envelope()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("max_speed: -3", "max_speed"),
        ("max_speed: .nan", "max_speed"),
        ("max_speed: fast", "max_speed"),
        ("max_sped: 3", "max_sped"),
        ("[1, 2]", "mapping"),
        ("max_speed: [", "YAML"),
        ("stop_deceleration: 5.0", "stop_deceleration"),
        ("max_deceleration: 9.0", "max_deceleration"),
    ],
)
def test_a_bad_envelope_file_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word) as error:
        load_envelope(path)
    assert "bad.yaml" in str(error.value)


def test_a_missing_envelope_file_says_where_the_shipped_one_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config/envelopes/car\.yaml"):
        load_envelope(tmp_path / "none.yaml")


@pytest.mark.parametrize(("age_ticks", "hard"), [(6, True), (11, False)])
def test_a_stop_turns_into_an_emergency_brake_for_what_was_seen_in_the_way(age_ticks: int, hard: bool) -> None:
    gate = SafetyGate()
    gate.filter(Command(T0, 0.0, 0.0, 6.0), T0, T0, ego())
    now = T0 + age_ticks * TICK
    result = gate.filter(None, now, T0, ego(now), (car(8.0),))
    assert "no command" in result.faults[0]
    assert result.verdict == ("emergency brake" if hard else "stop")
    assert (result.command.acceleration == -Envelope().emergency_deceleration) == hard
