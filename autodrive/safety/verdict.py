"""Words and numbers that the gate and what it knows of the bodies share."""

from __future__ import annotations

import math

PASS, LIMITED, STOP, EMERGENCY, DISTANCE = "pass", "limited", "stop", "emergency brake", "keep distance"

# rounding in messages must not count as leaving the envelope
TOLERANCE = 1e-3


def finite(*values: float) -> bool:
    """Whether all values are finite."""
    return all(math.isfinite(value) for value in values)
