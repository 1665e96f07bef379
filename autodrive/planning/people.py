"""Whether a manoeuvre comes too near to somebody: the planner's own boxes and margins, looked up at the same times."""

from __future__ import annotations

import numpy as np

from autodrive.planning.collision import separation
from autodrive.planning.config import PlannerConfig
from autodrive.planning.obstacles import gather_obstacles
from autodrive.scene import EgoState, Forecast, ObjectClass, Trajectory

LOOK_S = 2.0
TOLERANCE_M = 0.02


def who_is_in_the_way(
    ego: EgoState, plan: Trajectory, forecasts: tuple[Forecast, ...], config: PlannerConfig
) -> int | None:
    """The first track (id) of a person to whom ``plan`` comes nearer than the margins, and nearer than it is now."""
    people = tuple(f for f in forecasts if f.track.label == ObjectClass.PEDESTRIAN)
    times = plan.t[plan.t <= LOOK_S]
    found = gather_obstacles(
        ego, people, times, config, near=lambda points: np.ones(len(points), dtype=bool), margin_scale={}
    )
    if len(found) == 0:
        return None
    n, count = len(times), len(found)
    x, y, yaw = plan.x[:n], plan.y[:n], plan.yaw[:n]
    gap = separation(x, y, yaw, config.footprint, found.boxes).reshape(n, count, n)
    together = gap[np.arange(n), :, np.arange(n)]  # (n, count)
    # standing still would give these; who walks into a body that stands is not its affair
    still = gap[0].T
    worse = (together < 0) & (together < still - TOLERANCE_M) & found.hard[None]
    hit = np.flatnonzero(worse.any(axis=0))
    return int(found.tracks[found.track[hit[0]]].track_id) if len(hit) else None
