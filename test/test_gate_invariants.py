"""Whatever the gate was fed: jerk stays limited, verdicts tell the truth, and silence brings bodies to rest in time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_safety_gate import TICK, car
from test_safety_gate import inputs as car_inputs
from test_walking_gate import inputs as walk_inputs
from test_walking_gate import person

from autodrive.body import WalkCommand
from autodrive.geometry import Pose2
from autodrive.safety.envelope import Envelope, WalkEnvelope
from autodrive.safety.gate import SafetyGate
from autodrive.safety.verdict import TOLERANCE
from autodrive.scene import Command, EgoState

STEPS = st.sampled_from([TICK // 5, TICK // 2, TICK, 2 * TICK])
CAR, WALK = Envelope(), WalkEnvelope()
flags = st.fixed_dictionaries(
    {"halt": st.booleans(), "by_hand": st.booleans(), "reasons": st.sampled_from([(), ("planning is silent",)])}
)


def ego(stamp_ns: int, speed: float) -> EgoState:
    return EgoState(stamp_ns, Pose2(0.0, 0.0, 0.0), speed, 0.0)


def fed(gate: SafetyGate[Any], sequence: list[tuple[Any, ...]]) -> int:
    """Run a gate through any inputs; the latest time that it was told."""
    for (command, now, perception, state, others, *_), switches in sequence:
        gate.filter(command, now, perception, state, others, **switches)
    return max(now for (_, now, *_), _ in sequence)


@settings(max_examples=200)
@given(st.lists(st.tuples(car_inputs, flags), min_size=1, max_size=12))
def test_acceleration_changes_no_faster_than_the_envelope_allows(sequence: list[tuple[Any, ...]]) -> None:
    gate, last, last_ns = SafetyGate(CAR), 0.0, None
    for (command, now, perception, state, others), switches in sequence:
        result = gate.filter(command, now, perception, state, others, **switches)
        out, elapsed = result.command, 0.0 if last_ns is None else max(now - last_ns, 0) * 1e-9
        assert math.isfinite(out.acceleration) and -CAR.emergency_deceleration <= out.acceleration
        # braking in an emergency may come at once; it is let go no faster than anything else
        assert out.acceleration <= last + CAR.max_jerk * elapsed + 1e-9
        assert out.emergency or out.acceleration >= last - CAR.max_jerk * elapsed - 1e-9
        assert (result.verdict in ("pass", "limited")) == (result.faults == ())
        if result.verdict == "pass":
            assert abs(out.steering - command.steering) <= TOLERANCE
            assert abs(out.acceleration - command.acceleration) <= TOLERANCE
        if switches["halt"]:
            assert out.speed == 0.0
        last, last_ns = out.acceleration, now


@settings(max_examples=200)
@given(st.lists(st.tuples(car_inputs, flags), max_size=8), st.lists(STEPS, min_size=1, max_size=8), st.floats(0, 14.0))
def test_a_car_without_inputs_stands_in_bounded_time(before: list, steps: list[int], speed: float) -> None:
    gate = SafetyGate(CAR)
    began = now = (fed(gate, before) if before else 0) + TICK
    firm, wheels = CAR.firm_stop_deceleration, None
    # a second of soft braking, the ramps, and the firm rest of it
    deadline_s = 1.0 + (CAR.max_acceleration + firm) / CAR.max_jerk + speed / firm + 2.0
    for k in range(2000):
        result = gate.filter(None, now, None, ego(now, speed) if k % 3 else None)
        assert result.verdict == "stop" and result.faults
        assert wheels in (None, result.command.steering)
        wheels = result.command.steering
        step = steps[k % len(steps)]
        speed, now = max(speed + result.command.acceleration * step * 1e-9, 0.0), now + step
        if speed == 0.0 and result.command.acceleration < 0:
            break
    assert (now - began) * 1e-9 <= deadline_s


@settings(max_examples=200)
@given(st.lists(st.tuples(walk_inputs, flags), max_size=8), st.lists(STEPS, min_size=1, max_size=8), st.booleans())
def test_a_walker_without_inputs_stands_within_half_a_second(before: list, steps: list[int], sees: bool) -> None:
    gate = SafetyGate(WALK)
    began = now = (fed(gate, before) if before else 0) + TICK
    for k in range(2000):
        others = (person(0.9),) if sees else ()
        out = gate.filter(None, now, now if sees else None, ego(now, 0.3), others).command
        assert all(math.isfinite(v) for v in (out.vx, out.vy, out.yaw_rate))
        if (now - began) * 1e-9 >= 0.5 - WALK.max_age_s:  # so old were the inputs already when they counted as lost
            assert (out.vx, out.vy, out.yaw_rate) == (0.0, 0.0, 0.0)
        now += steps[k % len(steps)]
        if now - began > 10 * TICK:
            return


@pytest.mark.parametrize("back_s", [0.01, 2.0, 3600.0])
def test_a_clock_that_jumps_back_stops_both_bodies_and_is_got_over(back_s: float) -> None:
    """What is stamped before the jump is of the future after it; a stop that began before it begins anew."""
    walker, driver = SafetyGate(WALK), SafetyGate(CAR)
    now = int(7200e9)
    for _ in range(20):
        walker.filter(WalkCommand(now, 0.5, 0.0, 0.0), now, now, ego(now, 0.5))
        driver.filter(Command(now, 0.0, 1.0, 8.0), now, now, ego(now, 8.0))
        now += TICK
    old, now = now, now - int(back_s * 1e9)
    for k in range(12):
        walked = walker.filter(WalkCommand(old, 0.5, 0.0, 0.0), now, old, ego(old, 0.5))
        driven = driver.filter(Command(old, 0.0, 1.0, 8.0), now, old, ego(old, 8.0))
        if back_s >= 1.0:
            assert walked.verdict == driven.verdict == "stop"
            assert any("future" in fault for fault in walked.faults)
            assert k < 2 or walked.command.vx == 0.0
            assert k < 4 or driven.command.acceleration <= -CAR.stop_deceleration
        now += TICK
    for _ in range(12):
        now += TICK
        walked = walker.filter(WalkCommand(now, 0.5, 0.0, 0.0), now, now, ego(now, 0.5))
        driven = driver.filter(Command(now, 0.0, 1.0, 8.0), now, now, ego(now, 8.0))
    assert walked.verdict == driven.verdict == "pass"


@settings(max_examples=100)
@given(st.lists(st.tuples(car_inputs, flags), min_size=1, max_size=8))
def test_the_same_inputs_give_the_same_outputs(sequence: list[tuple[Any, ...]]) -> None:
    one, two = SafetyGate(CAR), SafetyGate(CAR)
    for (command, now, perception, state, others), switches in sequence:
        first = one.filter(command, now, perception, state, others, **switches)
        assert repr(first) == repr(two.filter(command, now, perception, state, others, **switches))


@settings(max_examples=150)
@given(st.floats(0.9, 14.0), st.floats(2.0, 9.0), st.booleans(), st.floats(-0.5, 0.5))
def test_an_emergency_brake_is_full_and_stays_inside_the_envelope(
    speed: float, gap: float, by_hand: bool, steering: float
) -> None:
    """Even an operator does not drive into what stands in the way."""
    gate, now = SafetyGate(CAR), 10**10
    result = gate.filter(
        Command(now, steering, 1.0, 8.0), now, now, ego(now, speed), (car(gap + 4.0),), by_hand=by_hand
    )
    if result.verdict == "emergency brake":
        assert result.command.acceleration == -CAR.emergency_deceleration
        assert result.command.emergency and result.command.speed == 0.0
        assert result.command.steering == 0.0  # no time has passed
    else:
        assert gap + 4.0 - 2.2 - 3.55 > speed * 0.3  # far enough for a full braking
