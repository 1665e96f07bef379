"""The last check of joint commands: inside the limits whatever comes in, nonsense is held back and then reported."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.body import JointCommand
from autodrive.errors import ConfigError
from autodrive.safety.envelope import WalkEnvelope
from autodrive.safety.fall import fallen, roll_pitch
from autodrive.safety.joint_limits import JointGuard, JointLimits

TICK = 20_000_000
NAMES = ("hip", "knee", "ankle")
LIMITS = JointLimits(
    NAMES, np.array([-1.0, 0.0, -0.5]), np.array([1.0, 2.0, 0.5]), np.full(3, 10.0), np.array([80.0, 80.0, 40.0])
)


def command(position: object = (0.0, 0.5, 0.0), effort: object = (0.0, 0.0, 0.0), names: tuple = NAMES) -> JointCommand:
    return JointCommand(0, names, np.array(position, dtype=float), np.array(effort, dtype=float))


def test_a_good_command_passes_unchanged() -> None:
    verdict = JointGuard(LIMITS).check(command(), TICK)
    assert (verdict.verdict, verdict.reason, verdict.fault) == ("pass", "", "")
    assert verdict.command is not None
    assert verdict.command.position.tolist() == [0.0, 0.5, 0.0]
    assert verdict.command.stamp_ns == TICK


def test_small_excess_is_cut_off_and_named() -> None:
    guard = JointGuard(LIMITS)
    guard.check(command(), TICK)
    verdict = guard.check(command((0.9, 0.5, 0.7), (0.0, 100.0, 0.0)), 2 * TICK)
    assert verdict.verdict == "limited"
    assert verdict.reason == "at the limit: hip, knee, ankle"
    assert verdict.command is not None
    assert verdict.command.position.tolist() == pytest.approx([0.2, 0.5, 0.2])  # 10 rad/s for 20 ms
    assert verdict.command.effort.tolist() == [0.0, 80.0, 0.0]


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (None, "no joint command"),
        (command((math.nan, 0.5, 0.0)), "position of hip is not finite"),
        (command(effort=(0.0, math.inf, 0.0)), "effort of knee is not finite"),
        (command((0.0, 0.5, 3.0)), "position of ankle"),
        (command(effort=(0.0, 0.0, 500.0)), "effort of ankle"),
        (command(names=("knee", "hip", "ankle")), "another order"),
        (command((0.0, 0.5), (0.0, 0.0), NAMES[:2]), "missing ['ankle']"),
        (command((0.0, 0.5)), "shape"),
    ],
)
def test_nonsense_holds_the_last_good_command_and_then_is_a_fault(bad: JointCommand | None, word: str) -> None:
    guard = JointGuard(LIMITS, patience=3)
    assert guard.check(bad, TICK).command is None
    good = guard.check(command((0.1, 0.6, 0.1)), 2 * TICK).command
    assert good is not None
    for k in range(3):
        verdict = guard.check(bad, (3 + k) * TICK)
        assert verdict.verdict == "held"
        assert word in verdict.reason
        assert verdict.command is not None
        assert verdict.command.position.tolist() == good.position.tolist()
        assert (verdict.fault != "") == (k == 2)
    assert guard.check(command((0.1, 0.6, 0.1)), 9 * TICK).fault == ""


number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-3, 3)
vectors = st.lists(number, min_size=2, max_size=4)
commands = st.none() | st.builds(
    command, vectors, vectors.map(lambda v: [100 * x for x in v]), st.sampled_from([NAMES, NAMES, NAMES, NAMES[:2]])
)


@settings(max_examples=300)
@given(st.lists(st.tuples(commands, st.integers(-TICK, 8 * TICK)), max_size=12))
def test_output_is_inside_the_limits_for_any_input(sequence: list) -> None:
    guard, now, last = JointGuard(LIMITS), 0, None
    for wanted, step in sequence:
        now += step
        out = guard.check(wanted, now).command
        if out is None:
            assert last is None
            continue
        assert out.names == NAMES
        assert (out.position >= LIMITS.lower).all()
        assert (out.position <= LIMITS.upper).all()
        assert (np.abs(out.effort) <= LIMITS.effort).all()
        if last is not None:
            assert (np.abs(out.position - last) <= LIMITS.velocity * max(step, 0) * 1e-9 + 1e-9).all()
        last = out.position


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"names": ("hip", "hip", "ankle")}, "unique"),
        ({"lower": np.array([-1.0, 3.0, -0.5])}, "knee"),
        ({"velocity": np.array([1.0, 0.0, 1.0])}, "positive"),
        ({"effort": np.array([1.0, 1.0])}, "effort"),
        ({"upper": np.array([1.0, math.nan, 1.0])}, "upper"),
    ],
)
def test_bad_limits_are_named(changes: dict, word: str) -> None:
    values = {name: getattr(LIMITS, name) for name in ("names", "lower", "upper", "velocity", "effort")}
    with pytest.raises(ConfigError, match=word):
        JointLimits(**(values | changes))


@pytest.mark.parametrize(
    ("roll", "pitch", "rise", "word"),
    [
        (0.0, 0.2, -0.05, ""),
        (0.0, 1.2, 0.0, "leans by 69 degrees"),
        (0.7, 0.7, 0.0, "leans"),
        (0.0, 0.0, -0.4, "0.40 m below"),
        (math.pi, 0.0, 0.0, "180 degrees"),
        (math.nan, math.nan, math.nan, ""),
    ],
)
def test_falls_are_seen(roll: float, pitch: float, rise: float, word: str) -> None:
    reason = fallen(roll, pitch, rise, WalkEnvelope())
    assert (word in reason) if word else reason == ""


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1), st.floats(0.1, 3.0))
def test_roll_and_pitch_of_an_attitude(roll: float, pitch: float, yaw: float, scale: float) -> None:
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    q = [cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy]
    q += [cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy]
    assert roll_pitch(scale * np.array(q)) == pytest.approx((roll, pitch), abs=1e-6)
    assert math.isnan(roll_pitch(np.zeros(4))[0])
