"""Hold the dead-reckoned pose to the lane that the cameras see.

Dead reckoning drifts by a percent of the way. The route runs along the middle of the driven lane, so on straight
stretches paint should lie half a lane to its left, and paint or the end of free ground half a lane to its right.
Where both agree for several frames, a Kalman filter learns how far the true pose lies from the dead-reckoned one. It
moves slowly, is bounded, and does nothing in bends, at junctions and in doubt: a wrong correction is worse than none.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.localization.lane_evidence import LaneEvidence, LaneEvidenceConfig, look_at_lane
from autodrive.localization.route_line import Array, RouteLine
from autodrive.scene import EgoState, GroundGrid, GroundMarkings, Route


@dataclass(frozen=True, slots=True)
class LateralCorrection:
    """How far the body truly is from its dead-reckoned pose, in that pose's axes; all zero without evidence.

    ``offset_m`` to the left, ``yaw_rad`` further turned to the left, ``confidence`` 0..1. ``along_m`` (forward) is what
    was to the side on an earlier street of another direction.
    """

    offset_m: float = 0.0
    yaw_rad: float = 0.0
    confidence: float = 0.0
    along_m: float = 0.0

    def apply(self, pose: Pose2) -> Pose2:
        """The corrected pose of a dead-reckoned ``pose``."""
        return pose @ Pose2(self.along_m, self.offset_m, self.yaw_rad)


@dataclass(frozen=True, kw_only=True)
class LaneAlignerConfig:
    """Bounds and noise of the filter, and when it may learn."""

    evidence: LaneEvidenceConfig = field(default_factory=LaneEvidenceConfig)
    max_offset_m: float = 1.5
    max_yaw: float = 0.1
    max_rate_mps: float = 0.15  # how fast the shown correction may move, so that no planner sees a jump
    max_yaw_rate: float = 0.01
    drift_per_m: float = 0.015  # standard deviation of the position drift after 1 m, grows with the root of the way
    yaw_drift_per_s: float = 0.0007  # radians after 1 s, likewise: what a gyro's noise adds up to
    offset_noise_m: float = 0.4
    yaw_noise: float = 0.04
    window: int = 10  # frames, of which so many must have seen the lane, and alike
    frames: int = 6
    spread_m: float = 0.25
    turning_yaw_rate: float = 0.08
    min_speed: float = 1.0


class LaneAligner:
    """Call ``update`` with every frame and the uncorrected ego state.

    The state is the error of the dead-reckoned pose in map: dx, dy and dyaw. On one straight street only the part
    across it can be seen; what was learnt there stays when the next street shows the other part.
    """

    def __init__(self, config: LaneAlignerConfig | None = None) -> None:
        """No correction yet: the start pose is taken as right to 0.1 m and 0.003 rad."""
        self._config = config or LaneAlignerConfig()
        self._route: Route | None = None
        self._line: RouteLine | None = None
        self._error = np.zeros(3)
        self._shown = np.zeros(3)  # follows the error at a bounded rate
        self._cov = np.diag([0.1**2, 0.1**2, 0.003**2])
        self._last: EgoState | None = None
        self._recent: deque[float | None] = deque(maxlen=self._config.window)
        self._learnt = False

    def update(self, ego: EgoState, route: Route, free: GroundGrid, markings: GroundMarkings) -> LateralCorrection:
        """Learn from one frame (``free`` and ``markings`` in base_link at the stamp of ``ego``); return the correction.

        Raises InputError when the ego state is not finite or time does not go forward; nothing has changed then.
        """
        if not np.isfinite([ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate]).all():
            raise InputError(f"lane alignment: ego state is not finite: {ego}; check the localization")
        if self._last is not None and ego.stamp_ns <= self._last.stamp_ns:
            raise InputError(f"lane alignment: stamp {ego.stamp_ns} ns does not come after {self._last.stamp_ns} ns")
        if self._line is None or route is not self._route:
            self._line, self._route = RouteLine(route), route
        dt = self._predict(ego)
        seen = self._look(ego, self._line, free, markings)
        self._recent.append(None if seen is None else seen.offset_m)
        if seen is not None and self._consistent():
            self._learn(seen)
        self._last = ego
        return self._show(ego, dt)

    def _predict(self, ego: EgoState) -> float:
        """Carry the error along with the motion since the last frame; returns the seconds since then."""
        if self._last is None:
            return 0.0
        cfg = self._config
        dt = (ego.stamp_ns - self._last.stamp_ns) * 1e-9
        dx, dy = ego.pose.x - self._last.pose.x, ego.pose.y - self._last.pose.y
        # a heading that is wrong by dyaw turns every further step by it
        transition = np.array([[1.0, 0.0, -dy], [0.0, 1.0, dx], [0.0, 0.0, 1.0]])
        self._error = transition @ self._error
        self._shown = transition @ self._shown
        drift = cfg.drift_per_m**2 * math.hypot(dx, dy)
        self._cov = transition @ self._cov @ transition.T + np.diag([drift, drift, cfg.yaw_drift_per_s**2 * dt])
        return dt

    def _look(self, ego: EgoState, line: RouteLine, free: GroundGrid, markings: GroundMarkings) -> LaneEvidence | None:
        cfg = self._config
        if not (abs(ego.yaw_rate) < cfg.turning_yaw_rate and ego.speed > cfg.min_speed):
            return None
        dx, dy, dyaw = self._error
        believed = Pose2(ego.pose.x + dx, ego.pose.y + dy, ego.pose.yaw + dyaw)
        return look_at_lane(believed, line, free, markings, cfg.evidence)

    def _consistent(self) -> bool:
        offsets = [offset for offset in self._recent if offset is not None]
        return len(offsets) >= self._config.frames and float(np.std(offsets)) < self._config.spread_m

    def _learn(self, seen: LaneEvidence) -> None:
        cfg = self._config
        h = np.array([[-math.sin(seen.route_yaw), math.cos(seen.route_yaw), 0.0], [0.0, 0.0, 1.0]])
        # neighbouring frames see the same paint: their errors are alike, hence the large noise
        noise = np.diag(np.square([cfg.offset_noise_m, cfg.yaw_noise])) * seen.noise_factor**2
        gain = self._cov @ h.T @ np.linalg.inv(h @ self._cov @ h.T + noise)
        self._error = self._error + gain @ np.array([seen.offset_m, seen.yaw])
        keep = np.eye(3) - gain @ h
        self._cov = keep @ self._cov @ keep.T + gain @ noise @ gain.T
        self._error = self._bounded(self._error)
        self._learnt = True

    def _show(self, ego: EgoState, dt: float) -> LateralCorrection:
        """Let the shown error follow the learnt one, and express it in the axes of the dead-reckoned body."""
        cfg = self._config
        if not self._learnt:
            return LateralCorrection()
        gap = self._error - self._shown
        step = min(1.0, cfg.max_rate_mps * dt / max(math.hypot(gap[0], gap[1]), 1e-9))
        turn = float(np.clip(gap[2], -cfg.max_yaw_rate * dt, cfg.max_yaw_rate * dt))
        self._shown = self._bounded(self._shown + np.array([gap[0] * step, gap[1] * step, turn]))
        forward = np.array([math.cos(ego.pose.yaw), math.sin(ego.pose.yaw), 0.0])
        left = np.array([-forward[1], forward[0], 0.0])
        std = math.sqrt(float(left @ self._cov @ left))
        return LateralCorrection(
            offset_m=float(left @ self._shown),
            yaw_rad=float(self._shown[2]),
            confidence=math.exp(-std / 0.5),
            along_m=float(forward @ self._shown),
        )

    def _bounded(self, error: Array) -> Array:
        size = math.hypot(error[0], error[1])
        shift = error[:2] * min(1.0, self._config.max_offset_m / max(size, 1e-9))
        return np.append(shift, np.clip(error[2], -self._config.max_yaw, self._config.max_yaw))
