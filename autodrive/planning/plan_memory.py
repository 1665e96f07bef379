"""What a planner keeps from one plan to the next, so that it does not change its mind for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.config import PlannerConfig
from autodrive.planning.path_candidates import LateralState

FRESH_S = 1.0


@dataclass(frozen=True)
class PlanMemory:
    """The last plan: its path d(s), whom (track ids) it gave way to, and its acceleration every ``dt`` seconds."""

    stamp_ns: int
    s: Array
    d: Array
    target: float
    returns_at: float
    yields_to: frozenset[int]
    acceleration: Array
    dt: float

    def lateral_state(self, s: float, d: float, config: PlannerConfig) -> LateralState | None:
        """The planned offset and its derivatives at ``s``; None if the body (at offset ``d``) is not on that path."""
        step = config.conflict_step
        near = np.interp(s + step * np.array([-1.0, 0.0, 1.0]), self.s, self.d)
        if abs(near[1] - d) >= config.lost:
            return None
        bend = float(near[0] - 2 * near[1] + near[2]) / step**2
        return LateralState(float(near[1]), float(near[2] - near[0]) / (2 * step), bend)

    def acceleration_at(self, stamp_ns: int) -> float:
        """What the last plan meant to do now: smoother than what is measured; 0 if the plan is old."""
        age_s = (stamp_ns - self.stamp_ns) * 1e-9
        if not 0.0 <= age_s <= FRESH_S:
            return 0.0
        return float(np.interp(age_s, np.arange(len(self.acceleration)) * self.dt, self.acceleration))
