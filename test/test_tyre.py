"""The tyre: symmetric, bounded by friction, weakened by combined slip, and still at standstill."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.sim.tyre import RELAXATION_Y_M, Tyre, pac2002

LOAD = 2700.0
slips = st.floats(-1.0, 1.0)
angles = st.floats(-2.0, 2.0)
loads = st.floats(0.0, 8000.0)


@given(slips, angles, loads)
def test_is_symmetric_and_bounded(slip: float, angle: float, load: float) -> None:
    fx, fy = pac2002(slip, angle, load)
    mirrored = pac2002(-slip, -angle, load)
    assert mirrored == pytest.approx((-fx, -fy), abs=1e-6)
    assert abs(fx) <= 1.1739 * load + 1e-9
    assert abs(fy) <= 1.0489 * load + 1e-9


@given(slips, angles)
def test_opposes_the_slide(slip: float, angle: float) -> None:
    fx, fy = pac2002(slip, angle, LOAD)
    assert fx * slip >= 0.0
    assert fy * angle <= 0.0


def test_initial_stiffness_is_the_published_one() -> None:
    fx, _ = pac2002(1e-4, 0.0, LOAD)
    _, fy = pac2002(0.0, 1e-4, LOAD)
    assert fx == pytest.approx(22.303 * LOAD * 1e-4, rel=1e-3)
    assert fy == pytest.approx(-21.92 * LOAD * 1e-4, rel=1e-3)


def test_combined_slip_weakens_both() -> None:
    pure_x, _ = pac2002(-0.1, 0.0, LOAD)
    _, pure_y = pac2002(0.0, 0.1, LOAD)
    fx, fy = pac2002(-0.1, 0.1, LOAD)
    assert abs(fx) < 0.9 * abs(pure_x)
    assert abs(fy) < 0.9 * abs(pure_y)


def test_friction_scales_the_peak() -> None:
    dry = max(pac2002(s / 100, 0.0, LOAD)[0] for s in range(100))
    wet = max(pac2002(s / 100, 0.0, LOAD, friction=0.5)[0] for s in range(100))
    assert wet == pytest.approx(0.5 * dry, rel=0.02)


@pytest.mark.parametrize("dt", [0.001, 0.005])
def test_relaxation_length(dt: float) -> None:
    """After one relaxation length of rolling, the side force has reached 63 % of its steady value."""
    speed, slide = 10.0, 0.1
    steady = pac2002(0.0, slide / speed, LOAD)[1]
    tyre = Tyre()
    for _ in range(round(RELAXATION_Y_M / speed / dt)):
        fy = tyre.force(speed, speed, slide, LOAD, dt)[1]
    assert fy / steady == pytest.approx(1 - math.exp(-1), abs=0.03)


@given(st.lists(st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(-10, 10)), min_size=1, max_size=30))
def test_any_motion_gives_finite_bounded_forces(motion: list[tuple[float, float, float]]) -> None:
    tyre = Tyre()
    for forward, rolling, left in motion:
        fx, fy = tyre.force(forward, rolling, left, LOAD, 0.005)
        assert math.hypot(fx, fy) < 1.6 * LOAD


def test_reset_forgets() -> None:
    tyre = Tyre()
    for _ in range(100):
        tyre.force(10.0, 10.0, 1.0, LOAD, 0.005)
    tyre.reset()
    assert tyre.force(10.0, 10.0, 0.0, LOAD, 0.005) == (0.0, 0.0)
