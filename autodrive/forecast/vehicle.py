"""How vehicles and cyclists may move: as now, straight, along the route, faster, off to a side, braking, staying.

The weights are judgement, not measurement: they rank the ways and never give one of them up while it is possible.
"""

from __future__ import annotations

import numpy as np

from autodrive.forecast import motion
from autodrive.forecast.ground import free_probability
from autodrive.forecast.view import Array, ForecastConfig, Mask, View, Way
from autodrive.localization.route_line import RouteLine
from autodrive.scene import GroundGrid

PULL_OUT_SPEED = 4.0
GATHER_SPEED = 8.0
SETTING_OFF = 1.4  # m/s2
TURN_MIN_SPEED = 2.5


def vehicle_ways(view: View, cfg: ForecastConfig) -> list[Way]:
    """All ways for rows that are vehicles or cyclists."""
    v, t = view.along, view.t
    moving = np.abs(v) >= cfg.standing_speed
    # a noisy yaw rate at speed would bend the way more than tyres can
    limit = cfg.max_lateral_acceleration / np.maximum(np.abs(v), 1.0)
    rate = np.clip(view.yaw_rate, -limit, limit)
    keeping = _keeping_lane(view, view.line, rate, cfg) if view.line is not None else np.zeros_like(v)
    ways: list[Way] = [
        (0.35 * moving * (1.0 - 0.8 * keeping), motion.constant_turn(view.pose, v, rate, t)),
        (0.25 * moving * (1.0 - 0.6 * keeping), motion.ahead(view.pose, v[:, None] * t)),
        (0.12 * moving, motion.braking(view.pose, v, cfg.braking, t)),
        (0.1 * moving, motion.braking(view.pose, v, cfg.slowing, t)),
        (0.92 * ~moving, motion.rest(view.pose, t)),
    ]
    # who stands may pull out, who rolls slowly may gather speed
    target = np.where(moving, np.maximum(v, GATHER_SPEED), PULL_OUT_SPEED)
    faster = motion.speeding_up(v * moving, target, SETTING_OFF, t)
    weight = np.where(moving, 0.12 * (v > 0) * np.clip(1.5 - v / GATHER_SPEED, 0.0, 1.0), 0.08)
    if view.line is None:
        ways.append((weight, motion.ahead(view.pose, faster)))
    else:
        ways += _route_ways(view, view.line, weight, faster, keeping, cfg)
    if view.free is not None:
        ways += [_turn_way(view, view.free, side, cfg) for side in (1.0, -1.0)]
    return ways


def _near_route(view: View, line: RouteLine, agreement: Array, cfg: ForecastConfig) -> Mask:
    """Which rows drive along the route or against it, on any lane; ``agreement``: cosine of headings."""
    near = (np.abs(view.d) < cfg.route_reach_m) & (np.abs(agreement) > np.cos(cfg.route_angle))
    return np.asarray(near & (view.s > line.s[0]) & (view.s < line.s[-1]))


def _keeping_lane(view: View, line: RouteLine, rate: Array, cfg: ForecastConfig) -> Array:
    """How surely (0..1) each row drives in a lane along the road: it heads along it and hardly turns.

    A heading or yaw rate that is a little off leads over seconds into the next lane, and seen from afar most are.
    """
    agreement = np.cos(view.pose[:, 2] - line.heading(view.s))
    angle = np.arccos(np.clip(np.abs(agreement), 0.0, 1.0))
    straight = np.clip((cfg.route_angle - angle) / (cfg.route_angle - cfg.lane_angle), 0.0, 1.0)
    calm = np.clip((cfg.turning_rate - np.abs(rate)) / (cfg.turning_rate - cfg.calm_rate), 0.0, 1.0)
    return np.asarray(straight * calm * _near_route(view, line, agreement, cfg))


def _route_ways(
    view: View, line: RouteLine, weight: Array, faster: Array, keeping: Array, cfg: ForecastConfig
) -> list[Way]:
    """Following the route's bends at constant offset, and the ``faster`` way (N, T) [m] of ``weight`` along it."""
    v, t, pose = view.along, view.t, view.pose
    agreement = np.cos(pose[:, 2] - line.heading(view.s))
    near = _near_route(view, line, agreement, cfg)
    backwards = agreement < 0
    sign = np.where(backwards, -1.0, 1.0)[:, None]
    s, d = view.s[:, None], np.repeat(view.d[:, None], len(t), axis=1)
    follow = motion.along_route(line, s + sign * v[:, None] * t, d, backwards)
    # who parks at the side of the lane moves into its middle as it pulls out
    ease = np.clip(t / 3.0, 0.0, 1.0)
    ease = ease**2 * (3 - 2 * ease)
    moving = np.abs(v) >= cfg.standing_speed
    lateral = np.where((backwards | moving)[:, None], d, d * (1 - ease))
    gather = motion.along_route(line, s + sign * faster, lateral, backwards)
    gather = np.where(near[:, None, None], gather, motion.ahead(pose, faster))
    return [((0.4 + 0.4 * keeping) * (moving & near), follow), (weight, gather)]


def _turn_way(view: View, free: GroundGrid, side: float, cfg: ForecastConfig) -> Way:
    """Turning off to one side (1 left, -1 right): likelier for the slow and for those that already swing that way."""
    v = view.along
    openness, start, radius = _freest_turn(view, free, side, cfg)
    target = np.clip(v, TURN_MIN_SPEED, cfg.turn_speed)
    distance = motion.speeding_up(np.maximum(v, 0.0), target, 2.0, view.t)
    able = (openness > 0.5) & (v > cfg.standing_speed) & (v < cfg.turn_max_speed)
    slow = 1.0 - np.clip(v / cfg.turn_max_speed, 0.0, 1.0)
    swing = np.clip(1.0 + 3.0 * side * view.yaw_rate, 0.2, 3.0)
    return able * (0.08 + 0.2 * slow) * swing, motion.turn(view.pose, distance, start, side * radius)


def _freest_turn(view: View, free: GroundGrid, side: float, cfg: ForecastConfig) -> tuple[Array, Array, Array]:
    """Of a few quarter circles per row the freest: lowest free probability on it, metres before it begins, radius."""
    count = len(view.pose)
    radius, start = (a.ravel() for a in np.meshgrid(cfg.turn_radii, cfg.turn_starts_m, indexing="ij"))  # (K,)
    reach = np.linspace(0.3, 1.0, 8) * (start + 0.5 * np.pi * radius + 3.0)[:, None]  # (K, P), 3 m into the side road
    path = motion.turn(
        np.repeat(view.pose, len(radius), axis=0),
        np.tile(reach, (count, 1)),
        np.tile(start, count),
        side * np.tile(radius, count),
    )[:, :, :2].reshape(count, len(radius), -1, 2)
    probability = free_probability(free, view.ego.pose, path)
    # the ground under the vehicle itself is never free
    beyond = reach[None] > (0.5 * view.length + 0.5)[:, None, None]
    openness = np.where(beyond, probability, 1.0).min(axis=2)
    best = openness.argmax(axis=1)
    return openness[np.arange(count), best], start[best], radius[best]
