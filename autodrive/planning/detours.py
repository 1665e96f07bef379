"""When the way back to the route is blocked or slow: where, by whom, and candidate paths around it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array
from autodrive.planning.behaviour import Behaviour
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts
from autodrive.planning.obstacles import Obstacles
from autodrive.planning.path_candidates import (
    Blockage,
    LateralState,
    Paths,
    detour_profile,
    return_profile,
    sample_paths,
    shift_length,
)
from autodrive.planning.plan_memory import PlanMemory
from autodrive.planning.reference_path import ReferencePath
from autodrive.scene import ObjectClass

Mask = NDArray[np.bool_]

QUEUE_M = 18.0  # a car that stands this near to a junction may wait for its turn
SLOW_SPEED = 5.5  # m/s; a cyclist below this is worth overtaking


def base_paths(
    reference: ReferencePath,
    s: Array,
    lateral: LateralState,
    memory: PlanMemory | None,
    speed: float,
    config: PlannerConfig,
) -> Paths:
    """Path 0 continues the last plan (or equals path 1), path 1 returns to the route."""
    effort = abs(lateral.d) + 4.0 * abs(lateral.slope)
    length = shift_length(effort, speed, config.max_path_curvature * 0.7, 1.8, config.shifts.min_length)
    centre = return_profile(lateral, s, length)
    kept = centre if memory is None else np.interp(s, memory.s, memory.d)
    target = np.array([0.0 if memory is None else memory.target, 0.0])
    returns = np.array([-np.inf if memory is None else memory.returns_at, -np.inf])
    return sample_paths(reference, s, np.stack([kept, centre]), target, returns)


def find_blockage(conflicts: Conflicts, free_blocked: Mask, config: PlannerConfig) -> Blockage | None:
    """The first stretch where path 1 is blocked or tight, near ones merged; ``free_blocked`` (S,) is its ground."""
    stride = round(config.conflict_step / config.path_step)
    return _first_stretch(conflicts, (conflicts.static[1] < config.comfort_slack) | free_blocked[::stride], config)


def find_people(conflicts: Conflicts, obstacles: Obstacles, config: PlannerConfig) -> Blockage | None:
    """The first stretch of path 1 on which people who walk will be too near: worth a nudge aside."""
    tight = np.zeros(len(conflicts.s), dtype=bool)
    for slack, track in zip(conflicts.moving, conflicts.moving_tracks, strict=True):
        if obstacles.tracks[track].label == ObjectClass.PEDESTRIAN:
            tight |= (slack[1] < config.comfort_slack / 2).any(axis=-1)
    return _first_stretch(conflicts, tight, config)


def _first_stretch(conflicts: Conflicts, blocked: Mask, config: PlannerConfig) -> Blockage | None:
    at = conflicts.s[blocked & (conflicts.s < conflicts.s[0] + config.shifts.look_ahead)]
    if len(at) == 0:
        return None
    gaps = np.flatnonzero(np.diff(at) > config.shifts.merge_gap)
    last = at[gaps[0]] if len(gaps) else at[-1]
    return Blockage(float(at[0]) - config.conflict_step, float(last) + config.conflict_step)


def find_slow_cyclist(
    reference: ReferencePath, obstacles: Obstacles, ego_s: float, limit: float, config: PlannerConfig
) -> Blockage | None:
    """The stretch beside which a slow cyclist ahead would be overtaken, or None."""
    nearest: Blockage | None = None
    for track in obstacles.tracks:
        if track.label != ObjectClass.CYCLIST or not 0.5 < track.speed < min(SLOW_SPEED, 0.75 * limit):
            continue
        s, d = (float(v[0]) for v in reference.to_frenet(np.array([[track.x, track.y]]), ego_s, ego_s + 25.0))
        gap = s - ego_s - config.footprint.front
        heading = float(reference.at(np.array(s))[2])
        if not (0.0 < gap < 20.0 and abs(d) < 1.8 and math.cos(track.yaw - heading) > 0.8):
            continue
        alongside_s = (gap + 6.0) / (limit - track.speed)
        end = s + track.speed * alongside_s + 6.0
        if nearest is None or s < nearest.start:
            nearest = Blockage(max(s - config.footprint.front - 4.0, ego_s), end)
    return nearest


def with_detours(
    reference: ReferencePath,
    paths: Paths,
    blockage: Blockage,
    speed: float,
    leave_lane: bool,
    config: PlannerConfig,
) -> Paths:
    """``paths`` and ways around the blockage: nudges inside the lane, and wide ones where ``leave_lane``."""
    shifts = config.shifts
    offsets = shifts.nudges + (shifts.detours if leave_lane else ())
    styles = [(config.max_path_curvature * 0.8, 1.6)]
    if speed < shifts.tight_speed:
        styles.append((config.max_path_curvature * 1.15, 0.0))
    d, returns = [paths.d], [paths.returns_at]
    for curvature, comfort_s in styles:
        for offset in offsets:
            length = shift_length(offset, speed, curvature, comfort_s, shifts.min_length)
            ramp, back = detour_profile(paths.s, offset, blockage, length)
            d.append((paths.d[1] + ramp)[None])
            returns.append(np.array([back if abs(offset) > shifts.leaves_lane else -np.inf]))
    target = np.concatenate([paths.target, offsets * len(styles)])
    return sample_paths(reference, paths.s, np.concatenate(d), target, np.concatenate(returns))


def may_leave_lane(
    reference: ReferencePath,
    blockage: Blockage,
    obstacles: Obstacles,
    behaviour: Behaviour,
    junctions: list[float],
    config: PlannerConfig,
) -> bool:
    """Whether everything that stands in the blocked stretch may be driven around.

    ``junctions`` are arc lengths of stop lines and crosswalks; a tight bend of the route counts as one, too.
    """
    allowed = True
    for i, track in enumerate(obstacles.tracks):
        if not obstacles.static[obstacles.track == i].any():
            continue
        point = np.array([[track.x, track.y]])
        s, d = (float(v[0]) for v in reference.to_frenet(point, blockage.start - 15.0, blockage.end + 20.0))
        inside = blockage.start - 2.0 < s < blockage.end + config.footprint.front + track.length / 2
        if inside and abs(d) < config.footprint.width / 2 + track.width / 2 + 0.4:
            ahead = np.arange(s, s + QUEUE_M, 1.0)
            bend = float(np.abs(reference.at(ahead)[3]).max())
            before_junction = bend > config.shifts.junction_bend or any(s - 2.0 < at < s + QUEUE_M for at in junctions)
            # every object is asked, so that each one's time at rest is counted
            allowed &= behaviour.may_pass(track, d, before_junction)
    return allowed


def behind_traffic(
    reference: ReferencePath, ego_s: float, obstacles: Obstacles, behaviour: Behaviour, config: PlannerConfig
) -> bool:
    """Whether the next thing that stands in the lane is traffic (a queue) rather than something to drive around."""
    nearest = (np.inf, False)
    for i, track in enumerate(obstacles.tracks):
        if not obstacles.static[obstacles.track == i].any():
            continue
        s, d = reference.to_frenet(np.array([[track.x, track.y]]), ego_s, ego_s + 50.0)
        if s[0] > ego_s and abs(d[0]) < config.footprint.width / 2 + track.width / 2 + 0.3:
            nearest = min(nearest, (float(s[0]), behaviour.is_traffic(track)))
    return nearest[1]
