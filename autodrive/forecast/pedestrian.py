"""How pedestrians may move: go on, stop, set off, or step onto the road and across.

The weights are judgement, not measurement, as in vehicle.py.
"""

from __future__ import annotations

import numpy as np

from autodrive.forecast import motion
from autodrive.forecast.ground import crosswalk_distance, free_probability
from autodrive.forecast.view import Array, ForecastConfig, View, Way
from autodrive.localization.route_line import RouteLine

EGO_WAITS = 0.5  # m/s, slower the ego counts as waiting


def pedestrian_ways(view: View, cfg: ForecastConfig) -> list[Way]:
    """All ways for rows that are pedestrians."""
    t = view.t
    speed = np.hypot(view.velocity[:, 0], view.velocity[:, 1])
    walking = speed >= cfg.standing_speed
    course = view.pose.copy()
    course[:, 2] = np.where(walking, np.arctan2(view.velocity[:, 1], view.velocity[:, 0]), view.pose[:, 2])
    onward = np.where(walking, 0.7, 0.0)
    stopping = np.where(walking, 0.2, 0.85)
    ways: list[Way] = []
    if view.line is not None:
        stroll, along = _strolling_way(view, view.line, course[:, 2], cfg)
        stroll = stroll * walking
        ways.append((0.55 * stroll, along))
        cross, across = _crossing_way(view, view.line, course[:, 2], speed * walking, cfg)
        ways.append((cross * (1.0 - 0.5 * stroll), across))
        onward = onward - 0.55 * stroll
        # who has crossed the middle of the lane hardly ever halts before it is left
        away = np.sin(course[:, 2] - view.line.heading(view.s)) * np.sign(view.d) > 0.7
        leaving = walking & away & (np.abs(view.d) > 0.5) & (np.abs(view.d) < cfg.lane_edge_m)
        stopping = np.where(leaving, 0.1, stopping)
    return [
        (onward, motion.constant_velocity(course, view.velocity, t)),
        (stopping, motion.braking(course, speed * walking, 2.0, t)),
        (0.1 * ~walking, motion.ahead(course, motion.speeding_up(speed, np.ones_like(speed), 1.0, t))),
        *ways,
    ]


def _strolling_way(view: View, line: RouteLine, course: Array, cfg: ForecastConfig) -> Way:
    """Going on along the road at the same distance from it, for who is beside the lane and heads along it.

    A velocity that is a few degrees off leads over seconds into the lane, and seen from afar most are: people on a
    pavement keep to it. The weight is 1 for who heads along the road and 0 for who clearly heads across.
    """
    angle = np.abs(np.arcsin(np.clip(np.sin(course - line.heading(view.s)), -1.0, 1.0)))
    weight = np.clip((cfg.across_angle - angle) / (cfg.across_angle - cfg.along_angle), 0.0, 1.0)
    beside = (np.abs(view.d) > cfg.lane_edge_m) & (view.s > line.s[0]) & (view.s < line.s[-1])
    backwards = np.cos(course - line.heading(view.s)) < 0
    speed = np.hypot(view.velocity[:, 0], view.velocity[:, 1]) * np.where(backwards, -1.0, 1.0)
    lateral = np.repeat(view.d[:, None], len(view.t), axis=1)
    return weight * beside, motion.along_route(line, view.s[:, None] + speed[:, None] * view.t, lateral, backwards)


def _crossing_way(view: View, line: RouteLine, course: Array, speed: Array, cfg: ForecastConfig) -> Way:
    """Stepping onto the road and across at a right angle, for who is at the edge of the ego's road ahead of it."""
    ahead_m = view.s - view.s_ego
    near = (np.abs(view.d) > 1.0) & (np.abs(view.d) < cfg.road_edge_m) & (ahead_m > -2.0) & (ahead_m < 60.0)
    across = line.heading(view.s) - np.sign(view.d) * 0.5 * np.pi
    facing = np.cos(course - across)
    weight = np.maximum(0.06 + 0.14 * facing, 0.02) + 0.4 * np.clip(facing - 0.5, 0.0, 0.5) * (speed > 0)
    crosswalk = crosswalk_distance(view.markings, view.ego.pose, view.pose[:, :2])
    weight *= np.where(crosswalk < cfg.crosswalk_reach_m, 2.5, 1.0)
    if view.ego.speed < EGO_WAITS:
        # who still stands although the ego waits does not want to go; without this both would wait for ever
        weight *= np.where(speed > 0, 1.0, 0.3)
    if view.free is not None:
        step = np.stack([np.cos(across), np.sin(across)], axis=1)
        edge = view.pose[:, None, :2] + step[:, None] * np.array([1.0, 2.0, 3.0])[None, :, None]
        road = free_probability(view.free, view.ego.pose, edge).max(axis=1) > 0.4
        weight *= np.where(road, 1.0, 0.3)
    start = view.pose.copy()
    start[:, 2] = across
    distance = motion.speeding_up(speed, np.maximum(speed, cfg.walking_speed), 1.5, view.t)
    return weight * near, motion.ahead(start, distance)
