"""Whether a body on legs has fallen: by how its torso leans and how deep it has sunk."""

from __future__ import annotations

import math
from typing import Protocol

from autodrive.geometry import Array


class FallLimits(Protocol):
    """What still counts as standing."""

    @property
    def max_tilt(self) -> float:
        """Angle [rad] between the torso and the vertical."""

    @property
    def max_drop(self) -> float:
        """How far [m] the torso may sink below its nominal height."""


def fallen(roll: float, pitch: float, rise: float, limits: FallLimits) -> str:
    """Why the body counts as fallen, or an empty text; values that are not finite say nothing."""
    tilt = math.acos(math.cos(roll) * math.cos(pitch)) if math.isfinite(roll) and math.isfinite(pitch) else 0.0
    if tilt > limits.max_tilt:
        return f"fallen: the torso leans by {math.degrees(tilt):.0f} degrees"
    if math.isfinite(rise) and rise < -limits.max_drop:
        return f"fallen: the torso is {-rise:.2f} m below where it should be"
    return ""


def roll_pitch(quaternion: Array) -> tuple[float, float]:
    """Roll and pitch of an attitude (w, x, y, z), which need not be normalised; NaN for one that is none."""
    w, x, y, z = (float(v) for v in quaternion)
    norm = w * w + x * x + y * y + z * z
    if not (math.isfinite(norm) and norm > 1e-12):
        return math.nan, math.nan
    roll = math.atan2(2 * (w * x + y * z), w * w - x * x - y * y + z * z)
    return roll, math.asin(min(max(2 * (w * y - x * z) / norm, -1.0), 1.0))
