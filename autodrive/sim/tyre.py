"""Tyre forces: Magic Formula (PAC2002, pure and combined slip) with first-order relaxation, for one wheel.

Formula and notation: Pacejka, Tyre and Vehicle Dynamics, 2nd ed., ch. 4.3.2; coefficients: the tyre of the CommonRoad
vehicle models (BSD). Horizontal and vertical shifts are left out, so the tyre is symmetric and a car drives straight.
Plain floats on purpose: for four wheels numpy costs several times more than the arithmetic.
"""

from __future__ import annotations

from math import atan, cos, sin

# pure longitudinal slip: shape, peak friction, curvature, slip stiffness over load
_PCX, _PDX, _PEX, _PKX = 1.6411, 1.1739, 0.46403, 22.303
# pure lateral slip
_PCY, _PDY, _PEY, _PKY = 1.3507, 1.0489, -0.0074722, -21.92
# combined slip: how slip angle weakens Fx, and how slip ratio weakens Fy
_RBX1, _RBX2, _RCX, _REX = 13.276, -13.778, 1.2568, 0.65225
_RBY1, _RBY2, _RCY, _REY = 7.1433, 9.1916, 1.0719, -0.27572

RELAXATION_X_M = 0.3
RELAXATION_Y_M = 0.5
# Below this speed the stored slip is bounded ever tighter: an unbounded one is a wound spring that throws a car back
# at 2 m/s after a locked stop. The bounds at rest and their growth were tuned on that manoeuvre.
_BOUND_SPEED = 5.0
_SLIP_BOUND_REST, _SLIP_BOUND_GROWTH = 0.06, 0.94
_ANGLE_BOUND_REST, _ANGLE_BOUND_GROWTH = 0.08, 1.1
# The relaxation spring has no damping of its own at rest.
_DAMPED_SPEED = 3.0
_DAMPING_S_PER_M = 0.04


def pac2002(slip: float, tan_slip_angle: float, load: float, friction: float = 1.0) -> tuple[float, float]:
    """Steady force (Fx forward, Fy left) in N of a wheel under ``load`` [N].

    ``slip`` > 0 drives, < 0 brakes; ``tan_slip_angle`` > 0 means that the wheel slides to its left, so Fy < 0.
    """
    if load <= 0.0:
        return 0.0, 0.0
    alpha = atan(tan_slip_angle)
    peak = _PDX * load * friction
    b = _PKX * load / (_PCX * peak) * slip
    fx = peak * sin(_PCX * atan(b - _PEX * (b - atan(b))))
    peak = _PDY * load * friction
    b = _PKY * load / (_PCY * peak) * alpha
    fy = peak * sin(_PCY * atan(b - _PEY * (b - atan(b))))
    b = _RBX1 * cos(atan(_RBX2 * slip)) * alpha
    # the fit turns negative at extreme slip, where it was never measured: no tyre pushes along its slide
    fx *= max(0.0, cos(_RCX * atan(b - _REX * (b - atan(b)))))
    b = _RBY1 * cos(atan(_RBY2 * alpha)) * slip
    fy *= max(0.0, cos(_RCY * atan(b - _REY * (b - atan(b)))))
    return fx, fy


class Tyre:
    """The transient tyre of one wheel: slip builds up over the relaxation length, regular at standstill."""

    def __init__(self, friction: float = 1.0) -> None:
        self._friction = friction
        self._slip = 0.0
        self._slide = 0.0

    def reset(self) -> None:
        """Forget the stored deflection (the wheel left the ground, or a new episode starts)."""
        self._slip = self._slide = 0.0

    def force(self, forward: float, rolling: float, left: float, load: float, dt: float) -> tuple[float, float]:
        """Advance by ``dt`` [s] and return (Fx, Fy) [N].

        ``forward`` and ``left``: velocity of the wheel centre along the ground [m/s]; ``rolling``: spin times radius.
        """
        speed = abs(forward)
        slip_speed = rolling - forward
        # implicit Euler of  sigma ds/dt + |vx| s = v_slip
        slip = (self._slip + dt / RELAXATION_X_M * slip_speed) / (1.0 + dt / RELAXATION_X_M * speed)
        slide = (self._slide + dt / RELAXATION_Y_M * left) / (1.0 + dt / RELAXATION_Y_M * speed)
        moving = min(1.0, speed / _BOUND_SPEED)
        bound = _SLIP_BOUND_REST + _SLIP_BOUND_GROWTH * moving
        self._slip = slip = max(-bound, min(1.5 * bound, slip))
        bound = _ANGLE_BOUND_REST + _ANGLE_BOUND_GROWTH * moving
        self._slide = slide = max(-bound, min(bound, slide))
        damping = max(0.0, 1.0 - speed / _DAMPED_SPEED) * _DAMPING_S_PER_M
        return pac2002(slip + damping * slip_speed, slide + damping * left, load, self._friction)
