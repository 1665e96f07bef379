"""A driver for tests that reads the ground truth: pure pursuit along the route, and a stop for what is in the way."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from autodrive.scene import Command, DetectedObject, Route
from autodrive.sim.car_model import FRONT_OVERHANG_M, WHEELBASE_M
from autodrive.sim.world import GroundTruth

FRONT_M = WHEELBASE_M + FRONT_OVERHANG_M
HALF_CORRIDOR_M = 1.05
LOOK_AHEAD_S = 2.5
DECELERATION = 2.5
GAP_M = 4.0


class ExpertDriver:
    """``command`` once per tick; knows the truth, so it never serves in the driving graph."""

    def __init__(self, route: Route, speed: float = 7.0) -> None:
        steps = np.hypot(*np.diff(route.points, axis=0).T)
        arc = np.concatenate([[0.0], np.cumsum(steps)])
        self._arc = np.arange(0.0, arc[-1], 0.5)
        self._line = np.stack([np.interp(self._arc, arc, route.points[:, k]) for k in (0, 1)], axis=1)
        self._nearest = 0
        self._speed = speed

    def command(self, truth: GroundTruth) -> Command:
        """Steer at a point ahead; keep a speed from which it can stop before anything on the path."""
        window = slice(self._nearest, self._nearest + 60)
        offset = self._line[window] - (truth.ego.x, truth.ego.y)
        self._nearest += int(np.argmin(np.hypot(*offset.T)))
        aim = self._line[min(self._nearest + int(2 * (3.0 + 0.4 * truth.speed)), len(self._line) - 1)]
        x, y = truth.ego.inverse().apply(aim)
        steering = math.atan2(2 * WHEELBASE_M * float(y), max(float(x * x + y * y), 1.0))
        free = min(self._free_distance(truth), self._arc[-1] - self._arc[self._nearest])
        limit = math.sqrt(2 * DECELERATION * max(0.0, free))
        target = min(self._speed, limit, math.sqrt(1.8 / max(self._curvature(), 1e-3)))
        acceleration = max(-7.0, min(1.5, 1.5 * (target - truth.speed)))
        if free < 0.3:
            acceleration = -3.0
        return Command(truth.stamp_ns, steering, acceleration, target)

    def _curvature(self) -> float:
        ahead = self._line[self._nearest : self._nearest + 30 : 4]
        if len(ahead) < 3:
            return 0.0
        heading = np.unwrap(np.arctan2(*np.diff(ahead, axis=0).T[::-1]))
        return float(np.abs(np.diff(heading)).max() / 2.0)

    def _free_distance(self, truth: GroundTruth) -> float:
        path = self._line[self._nearest : self._nearest + 80]
        free = math.inf
        for item in truth.objects:
            if math.hypot(item.x - truth.ego.x, item.y - truth.ego.y) > 45.0:
                continue
            for seconds in np.arange(0.0, LOOK_AHEAD_S, 0.5):
                hit = np.flatnonzero(_near(item, float(seconds), path))
                if len(hit) and truth.ego.inverse().apply(np.array([item.x, item.y]))[0] > 0:
                    free = min(free, 0.5 * int(hit[0]) - FRONT_M - GAP_M)
                    break
        return free


def _near(item: DetectedObject, seconds: float, path: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which path points the box, moved on at its velocity, comes within half a corridor of."""
    dx, dy = path[:, 0] - item.x - item.vx * seconds, path[:, 1] - item.y - item.vy * seconds
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    ahead = np.maximum(np.abs(c * dx + s * dy) - item.length / 2, 0.0)
    aside = np.maximum(np.abs(-s * dx + c * dy) - item.width / 2, 0.0)
    return np.asarray(np.hypot(ahead, aside) < HALF_CORRIDOR_M)
