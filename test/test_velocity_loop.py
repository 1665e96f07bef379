"""The loop around the walking policy, on a body that is a lag with a gain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.body import WalkCommand
from autodrive.errors import InputError
from autodrive.geometry import IDENTITY
from autodrive.humanoid.velocity_loop import LoopConfig, VelocityLoop
from autodrive.scene import EgoState

DT = 0.02
DELIVERY = np.array([0.8, 0.55, 0.9])


def ego(velocity: np.ndarray) -> EgoState:
    vx, vy, rate = velocity.tolist()
    return EgoState(0, IDENTITY, vx, rate, lateral_speed=vy)


def run(loop: VelocityLoop, asked: tuple[float, float, float], gain: np.ndarray, seconds: float) -> np.ndarray:
    """Velocities (T, 3) of a body that walks ``gain`` times what it is told, half a second late, seen a bit later."""
    body, seen, history = np.zeros(3), np.zeros(3), []
    for _ in range(round(seconds / DT)):
        told = loop.step(WalkCommand(0, *asked), ego(seen), DT)
        body = body + DT / 0.4 * (gain * [told.vx, told.vy, told.yaw_rate] - body)
        seen = seen + DT / 0.4 * (body - seen)
        history.append(body)
    return np.array(history)


@given(
    st.tuples(*(st.floats(-limit, limit) for limit in (0.6, 0.25, 0.7))),
    st.tuples(st.floats(0.65, 1.0), st.floats(0.4, 0.75), st.floats(0.75, 1.1)),
)
def test_it_gets_what_is_asked_without_a_great_overshoot(
    asked: tuple[float, float, float], gain: tuple[float, float, float]
) -> None:
    history = run(VelocityLoop(DELIVERY), asked, np.array(gain), 12.0)
    wanted = np.array(asked) if np.linalg.norm(asked) >= 0.01 else np.zeros(3)
    np.testing.assert_allclose(history[-1], wanted, atol=0.02)
    assert (np.abs(history) <= 1.35 * np.abs(wanted) + 0.03).all()


def test_standing_goes_through_and_is_forgetful() -> None:
    loop, blocked = VelocityLoop(DELIVERY), ego(np.zeros(3))
    fresh = loop.step(WalkCommand(0, 0.2, 0.0, 0.0), blocked, DT)
    for _ in range(200):
        wound = loop.step(WalkCommand(0, 0.2, 0.0, 0.0), blocked, DT)
    assert wound.vx > fresh.vx + 0.1
    stand = WalkCommand(5, 0.0, 0.0, 0.0)
    assert loop.step(stand, blocked, DT) is stand
    assert loop.step(WalkCommand(0, 0.2, 0.0, 0.0), blocked, DT) == fresh


def test_a_body_that_is_held_fast_winds_nothing_up_beyond_the_limits() -> None:
    loop, config = VelocityLoop(DELIVERY), LoopConfig()
    for _ in range(1000):
        told = loop.step(WalkCommand(0, 0.6, 0.25, -0.8), ego(np.zeros(3)), DT)
    assert np.all(np.abs([told.vx, told.vy, told.yaw_rate]) <= config.most)
    backwards = [loop.step(WalkCommand(0, -0.3, 0.0, 0.0), ego(np.zeros(3)), DT).vx for _ in range(100)]
    assert backwards[-1] < -0.3


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_and_leaves_no_trace(bad: float) -> None:
    loop, still = VelocityLoop(DELIVERY), ego(np.zeros(3))
    with pytest.raises(InputError, match="not finite"):
        loop.step(WalkCommand(0, bad, 0.0, 0.0), still, DT)
    with pytest.raises(InputError, match="not finite"):
        loop.step(WalkCommand(0, 0.2, 0.0, 0.0), ego(np.array([0.0, bad, 0.0])), DT)
    expected = VelocityLoop(DELIVERY).step(WalkCommand(0, 0.2, 0.0, 0.0), still, DT)
    assert loop.step(WalkCommand(0, 0.2, 0.0, 0.0), still, DT) == expected
