"""How fast one may pass: the closer to people and to what stands, the slower."""

from __future__ import annotations

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.collision import separation
from autodrive.planning.config import PlannerConfig
from autodrive.planning.obstacles import Obstacles
from autodrive.planning.path_candidates import Paths
from autodrive.scene import ObjectClass

SOON_S = 1.2


def clearance_cap(paths: Paths, obstacles: Obstacles, cap: Array, config: PlannerConfig) -> Array:
    """Speed caps (P, S): ``cap`` (S,), lowered where people (now and soon) or standing things are near the path."""
    caps = np.repeat(cap[None], len(paths), axis=0)
    if len(obstacles) == 0:
        return caps
    steps = np.arange(obstacles.poses.shape[1])
    person = np.array([obstacles.tracks[i].label == ObjectClass.PEDESTRIAN for i in obstacles.track])
    soon = steps <= round(SOON_S / (config.dt * config.conflict_stride))
    keep = (
        ((person & obstacles.hard)[:, None] & soon) | ((obstacles.static & ~person)[:, None] & (steps == 0))
    ).ravel()
    if not keep.any():
        return caps
    stride = round(config.conflict_step / config.path_step)
    x, y, yaw = (v[:, ::stride] for v in (paths.x, paths.y, paths.yaw))
    gap = separation(x.ravel(), y.ravel(), yaw.ravel(), config.footprint, obstacles.boxes.take(keep))
    is_person = np.repeat(person, len(steps))[keep]
    base = np.where(is_person, config.pedestrian_pass_speed, config.object_pass_speed)
    slope = np.where(is_person & (gap > 0), config.pedestrian_pass_slope, config.object_pass_slope)
    crawl = np.where(is_person, config.pedestrian_crawl_speed, config.crawl_speed)
    allowed = np.maximum(base + slope * gap, crawl).min(axis=1).reshape(x.shape)
    return np.asarray(np.minimum(caps, np.repeat(allowed, stride, axis=1)[:, : caps.shape[1]]))
