"""The car planner: candidate paths beside the route, speed policies on each, checked against everything predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.errors import InputError
from autodrive.geometry import Array
from autodrive.planning.behaviour import Behaviour, Rules
from autodrive.planning.collision import separation
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts, find_conflicts, first_blocked
from autodrive.planning.costs import evaluate
from autodrive.planning.ground_memory import GroundMemory
from autodrive.planning.obstacles import Obstacles, gather_obstacles
from autodrive.planning.path_candidates import (
    Blockage,
    LateralState,
    Paths,
    detour_profile,
    return_profile,
    sample_paths,
    shift_length,
)
from autodrive.planning.policies import Choice, build_policies
from autodrive.planning.reference_path import ReferencePath, build_reference_path
from autodrive.planning.speed_profile import RollOut, roll_out, speed_limit
from autodrive.scene import EgoState, Forecast, GroundGrid, GroundMarkings, ObjectClass, Route, Trajectory

NUDGES = (0.4, 0.8, -0.4, -0.8)
DETOURS = (1.2, 1.6, 2.0, 2.5, 3.0, 3.5, -1.2)
TIGHT_SPEED = 2.5  # below this, paths near full lock are worth trying
WHEEL_LOCK_CURVATURE = 0.25  # 1/m at 0.6 rad less some room for feedback
CRAWL = 1.2  # m/s through the tightest gaps
LOST_M = 0.7  # further than this from the planned path, planning starts from the measured pose


@dataclass(frozen=True)
class _Memory:
    """The last plan: its path d(s), whom it gave way to, and its acceleration over time."""

    stamp_ns: int
    s: Array
    d: Array
    target: float
    returns_at: float
    yields_to: frozenset[int]
    acceleration: Array


class Planner:
    """Plans one trajectory per call. Deterministic: time is only what the ego stamps say."""

    def __init__(self, config: PlannerConfig | None = None, route: Route | None = None) -> None:
        self.config = config or PlannerConfig()
        self._reference: ReferencePath | None = None
        if route is not None:
            self.set_route(route)

    def set_route(self, route: Route) -> None:
        """Start on a new route and forget everything; raises InputError for a degenerate polyline or speed limit."""
        if not (math.isfinite(route.speed_limit) and route.speed_limit > 0):
            raise InputError(f"route {route.name!r}: speed_limit must be positive m/s, got {route.speed_limit}")
        self._reference = build_reference_path(route.points)
        self._speed_limit = min(route.speed_limit, self.config.max_speed)
        self._ground = GroundMemory(self._reference)
        self._behaviour = Behaviour(self.config)
        self._ego_s: float | None = None
        self._memory: _Memory | None = None

    def plan(
        self,
        ego: EgoState,
        forecasts: tuple[Forecast, ...],
        free: GroundGrid | None,
        markings: GroundMarkings | None,
    ) -> Trajectory:
        """Plan from ``ego``; all inputs are taken as of its stamp. Raises InputError without a route or with NaN odometry."""
        reference = self._reference
        if reference is None:
            raise InputError("planner: no route was set; send one before asking for a plan")
        state = (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate)
        if not all(math.isfinite(v) for v in state):
            raise InputError(f"planner: odometry is not finite (x, y, yaw, speed, yaw_rate = {state})")
        config = self.config
        ego_s, ego_d, heading = reference.project(ego.pose.x, ego.pose.y, ego.pose.yaw, self._ego_s)
        self._ego_s = ego_s
        self._behaviour.observe(ego, forecasts)
        self._ground.update(ego, ego_s, free, markings, tuple(f.track for f in forecasts))

        s = ego_s + np.arange(round(config.path_length / config.path_step) + 1) * config.path_step
        cap = min(
            self._speed_limit,
            config.blind_speed if free is None else np.inf,
            config.unmarked_speed if markings is None else np.inf,
        )
        rules = self._behaviour.rules(ego, ego_s, s, reference, self._ground, forecasts, cap)
        obstacles = self._obstacles(ego, ego_s, forecasts)
        lateral, memory = self._lateral_state(ego_s, ego_d, heading)
        paths = self._base_paths(s, lateral, memory, ego.speed)
        conflicts = find_conflicts(paths, obstacles, ego, config)
        blockage = self._blockage(paths, conflicts)
        if blockage is not None:
            paths = self._with_detours(paths, blockage, obstacles, lateral, ego)
            conflicts = find_conflicts(paths, obstacles, ego, config)
        return self._decide(ego, ego_s, paths, conflicts, obstacles, rules, memory)

    def _obstacles(self, ego: EgoState, ego_s: float, forecasts: tuple[Forecast, ...]) -> Obstacles:
        config, reference = self.config, self._reference
        assert reference is not None
        steps = round(config.horizon_s / (config.dt * config.conflict_stride)) + 1
        times = np.arange(steps) * config.dt * config.conflict_stride
        rx, ry, _, _ = reference.at(np.arange(ego_s - 6.0, ego_s + config.path_length + 8.0, 3.0))

        def near(points: Array) -> Array:
            distance = (points[:, :1] - rx) ** 2 + (points[:, 1:] - ry) ** 2
            return np.asarray(distance.min(axis=1) < 9.0**2)

        scale = dict.fromkeys(self._memory.yields_to if self._memory else (), config.yield_margin_scale)
        scale |= self._behaviour.margin_scale(forecasts)
        return gather_obstacles(ego, forecasts, times, config, near=near, margin_scale=scale)

    def _lateral_state(self, ego_s: float, ego_d: float, heading: float) -> tuple[LateralState, _Memory | None]:
        """Where paths start from: the remembered path while the body is on it, else the measured pose."""
        memory = self._memory
        if memory is not None:
            near = np.interp(ego_s + np.array([-1.0, 0.0, 1.0]), memory.s, memory.d)
            if abs(near[1] - ego_d) < LOST_M:
                bend = float(near[0] - 2 * near[1] + near[2])
                return LateralState(float(near[1]), float(near[2] - near[0]) / 2, bend), memory
        return LateralState(ego_d, math.tan(max(min(heading, 0.8), -0.8)), 0.0), None

    def _base_paths(self, s: Array, lateral: LateralState, memory: _Memory | None, speed: float) -> Paths:
        """Path 0 continues the last plan (or equals path 1), path 1 returns to the route."""
        assert self._reference is not None
        centre = return_profile(lateral, s, self._return_length(lateral, speed))
        kept = centre if memory is None else np.interp(s, memory.s, memory.d)
        target = np.array([0.0 if memory is None else memory.target, 0.0])
        returns = np.array([-np.inf if memory is None else memory.returns_at, -np.inf])
        return sample_paths(self._reference, s, np.stack([kept, centre]), target, returns)

    def _return_length(self, lateral: LateralState, speed: float) -> float:
        effort = abs(lateral.d) + 4.0 * abs(lateral.slope)
        return shift_length(effort, speed, self.config.max_path_curvature * 0.7, 1.8)

    def _free_blocked(self, paths: Paths, free: Array) -> Array:
        """Samples (P, S) at which the body's front part would stand on ground that is surely not free."""
        config = self.config
        hurry = min(max(self._behaviour.patience_s - config.deadlock_wait_s, 0.0) / 5.0, 1.0)
        ahead = paths.s - paths.s[0]
        bad = (free < config.free_threshold * (1.0 - hurry)) & (ahead > config.footprint.front + 0.5)
        bad &= ahead < config.free_range
        reach = round(config.footprint.front / config.path_step)
        padded = np.pad(bad, ((0, 0), (0, reach)))
        return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, reach + 1, axis=1).any(axis=-1))

    def _blockage(self, paths: Paths, conflicts: Conflicts) -> Blockage | None:
        """The first blocked stretch of the path back to the route, stretches less than 12 m apart merged."""
        free = self._ground.free_along(paths.s, paths.d, 0.8)
        blocked = (conflicts.static[1] < self.config.comfort_slack) | self._free_blocked(paths, free)[
            1, :: round(self.config.conflict_step / self.config.path_step)
        ]
        at = conflicts.s[blocked & (conflicts.s < conflicts.s[0] + 45.0)]
        if len(at) == 0:
            return None
        gaps = np.flatnonzero(np.diff(at) > 12.0)
        last = at[gaps[0]] if len(gaps) else at[-1]
        return Blockage(float(at[0]) - self.config.conflict_step, float(last) + self.config.conflict_step)

    def _with_detours(
        self, paths: Paths, blockage: Blockage, obstacles: Obstacles, lateral: LateralState, ego: EgoState
    ) -> Paths:
        assert self._reference is not None
        offsets = NUDGES + (DETOURS if self._passable(blockage, obstacles) else ())
        base = paths.d[1]
        d, returns = [paths.d], [paths.returns_at]
        styles = [(self.config.max_path_curvature * 0.8, 1.6)]
        if ego.speed < TIGHT_SPEED:
            styles.append((self.config.max_path_curvature * 1.15, 0.0))
        for curvature, comfort_s in styles:
            for offset in offsets:
                length = shift_length(offset, ego.speed, curvature, comfort_s)
                ramp, back = detour_profile(paths.s, offset, blockage, length)
                d.append((base + ramp)[None])
                returns.append(np.array([back if abs(offset) > 1.0 else -np.inf]))
        target = np.concatenate([paths.target, offsets * len(styles)])
        return sample_paths(self._reference, paths.s, np.concatenate(d), target, np.concatenate(returns))

    def _passable(self, blockage: Blockage, obstacles: Obstacles) -> bool:
        """Whether everything that stands in the blocked stretch may be driven around."""
        assert self._reference is not None
        for i, track in enumerate(obstacles.tracks):
            if not obstacles.static[obstacles.track == i].any():
                continue
            point = np.array([[track.x, track.y]])
            s, d = self._reference.to_frenet(point, blockage.start - 15.0, blockage.end + 20.0)
            inside = blockage.start - 2.0 < s[0] < blockage.end + self.config.footprint.front + track.length / 2
            if inside and abs(d[0]) < 0.9 + track.width / 2 + 0.4 and not self._behaviour.may_pass(track, float(d[0])):
                return False
        return True

    def _behind_traffic(self, ego_s: float, obstacles: Obstacles) -> bool:
        """Whether the next thing that stands in the lane is traffic (a queue) rather than something to drive around."""
        assert self._reference is not None
        nearest = (np.inf, False)
        for i, track in enumerate(obstacles.tracks):
            if not obstacles.static[obstacles.track == i].any():
                continue
            s, d = self._reference.to_frenet(np.array([[track.x, track.y]]), ego_s, ego_s + 50.0)
            if s[0] > ego_s and abs(d[0]) < 0.9 + track.width / 2 + 0.3:
                nearest = min(nearest, (float(s[0]), self._behaviour.is_traffic(track)))
        return nearest[1]

    def _decide(
        self,
        ego: EgoState,
        ego_s: float,
        paths: Paths,
        conflicts: Conflicts,
        obstacles: Obstacles,
        rules: Rules,
        memory: _Memory | None,
    ) -> Trajectory:
        """Roll out every policy on every path, pick the best, remember it."""
        config, reference = self.config, self._reference
        assert reference is not None
        free = self._ground.free_along(paths.s, paths.d, 0.8)
        blocked = np.where(self._free_blocked(paths, free), -1.0, 1.0)
        gap = config.stop_gap if self._behind_traffic(ego_s, obstacles) else config.static_stop_gap
        static = np.minimum(conflicts.first_static() - gap, first_blocked(paths.s, blocked) - 1.0)
        stops = np.minimum(static, min(rules.stop, reference.goal_s))
        stops = np.maximum(stops, min(ego_s, reference.goal_s))
        steps = round(config.horizon_s / config.dt) + 1
        ids = tuple(obstacles.tracks[i].track_id for i in conflicts.moving_tracks)
        policies, choices = build_policies(conflicts, ids, stops, ego_s, steps, config)
        cap = self._clearance_cap(paths, obstacles, rules.cap)
        limit = speed_limit(
            paths.curvature, cap, config.path_step, lateral_acceleration=config.lateral_acceleration, deceleration=1.8
        )
        rolled = roll_out(
            policies,
            limit,
            start_s=ego_s,
            step=config.path_step,
            speed=max(ego.speed, 0.0),
            acceleration=self._planned_acceleration(ego),
            dt=config.dt,
            jerk=config.jerk,
            comfortable_deceleration=config.comfortable_deceleration,
            headway_s=config.headway_s,
        )
        result = evaluate(paths, policies.path, rolled, conflicts, free, config)
        undrivable = np.maximum(np.abs(paths.curvature[:, :30]).max(axis=1) - WHEEL_LOCK_CURVATURE, 0.0)
        cost = result.cost + 200.0 * undrivable[policies.path] + self._switch_cost(choices, conflicts, ids, paths, rolled, memory)
        fallback = not result.feasible.any()
        score = np.where(result.feasible, cost, 1e6) if not fallback else result.severity + 1e-3 * cost
        best = int(np.argmin(score))
        self._memory = self._remember(ego, paths, choices[best], rolled.acceleration[best])
        reason = self._reason(choices[best], paths, rolled, best, static, rules, fallback)
        return self._trajectory(ego, paths, choices[best].path, rolled, best, reason, fallback)

    def _switch_cost(
        self,
        choices: tuple[Choice, ...],
        conflicts: Conflicts,
        ids: tuple[int, ...],
        paths: Paths,
        rolled: RollOut,
        memory: _Memory | None,
    ) -> Array:
        """Price of changing one's mind, of unfinished passing, and of the last resort."""
        config = self.config
        cost = np.zeros(len(choices))
        touched = [(slack < 0).any(axis=(1, 2)) for slack in conflicts.moving]
        for i, choice in enumerate(choices):
            if memory is not None:
                present = {track for track, t in zip(ids, touched, strict=True) if t[choice.path]}
                dropped = len((memory.yields_to & present) - choice.yields_to)
                added = len(choice.yields_to - memory.yields_to)
                cost[i] += config.weight_switch * ((choice.path != 0) + min(dropped + 0.5 * added, 2.0))
            back = paths.returns_at[choice.path]
            if back > paths.s[0] and rolled.s[i, -1] < back:
                cost[i] += min(1.0 + 0.2 * (back - rolled.s[i, -1]), 5.0)
            cost[i] += 5.0 * choice.emergency
        return cost

    def _clearance_cap(self, paths: Paths, obstacles: Obstacles, cap: Array) -> Array:
        """Slow down beside people and narrow gaps: the closer, the slower."""
        config = self.config
        caps = np.repeat(cap[None], len(paths), axis=0)
        if len(obstacles) == 0:
            return caps
        steps = obstacles.poses.shape[1]
        soon = round(1.2 / (config.dt * config.conflict_stride))
        person = np.array([obstacles.tracks[i].label == ObjectClass.PEDESTRIAN for i in obstacles.track])
        wanted = (person & obstacles.hard)[:, None] & (np.arange(steps) <= soon)
        wanted |= (obstacles.static & ~person)[:, None] & (np.arange(steps) == 0)
        keep = wanted.ravel()
        if not keep.any():
            return caps
        boxes = obstacles.boxes
        chosen = type(boxes)(
            *(
                f[keep]
                for f in (
                    boxes.x,
                    boxes.y,
                    boxes.yaw,
                    boxes.half_length,
                    boxes.half_width,
                    boxes.margin_along,
                    boxes.margin_across,
                )
            )
        )
        stride = round(config.conflict_step / config.path_step)
        x, y, yaw = (v[:, ::stride] for v in (paths.x, paths.y, paths.yaw))
        gap = separation(x.ravel(), y.ravel(), yaw.ravel(), config.footprint, chosen)
        is_person = np.repeat(person, steps)[keep]
        slow = np.where(is_person, config.pedestrian_pass_speed, 3.5)
        slope = np.where(is_person, 6.0, 10.0)
        allowed = np.maximum(slow + slope * gap, CRAWL).min(axis=1).reshape(x.shape)
        fine = np.repeat(allowed, stride, axis=1)[:, : caps.shape[1]]
        return np.asarray(np.minimum(caps, fine))

    def _planned_acceleration(self, ego: EgoState) -> float:
        """The acceleration that the last plan meant for now (smoother than the measured one)."""
        memory = self._memory
        if memory is None:
            return 0.0
        age_s = (ego.stamp_ns - memory.stamp_ns) * 1e-9
        if not 0.0 <= age_s <= 1.0:
            return 0.0
        return float(np.interp(age_s, np.arange(len(memory.acceleration)) * self.config.dt, memory.acceleration))

    def _remember(self, ego: EgoState, paths: Paths, choice: Choice, acceleration: Array) -> _Memory:
        p = choice.path
        return _Memory(
            ego.stamp_ns,
            paths.s,
            paths.d[p],
            float(paths.target[p]),
            float(paths.returns_at[p]),
            choice.yields_to,
            acceleration,
        )

    def _reason(
        self, choice: Choice, paths: Paths, rolled: RollOut, best: int, static: Array, rules: Rules, fallback: bool
    ) -> str:
        assert self._reference is not None
        if fallback or choice.emergency:
            return "emergency stop"
        if choice.yields_to:
            return "yield to track " + ", ".join(map(str, sorted(choice.yields_to)))
        end = rolled.s[best, -1]
        if rules.stop < np.inf and end > rules.stop - 2.0:
            return rules.reason
        if end > static[choice.path] - 2.0:
            return "stop: blocked"
        if end > self._reference.goal_s - 2.0:
            return "goal"
        target = paths.target[choice.path]
        return (
            f"pass at {target:+.1f} m" if abs(target) > 0.1 and paths.returns_at[choice.path] > paths.s[0] else "cruise"
        )

    def _trajectory(
        self, ego: EgoState, paths: Paths, p: int, rolled: RollOut, best: int, reason: str, fallback: bool
    ) -> Trajectory:
        steps = round(self.config.output_s / self.config.dt) + 1
        s = rolled.s[best, :steps]
        x, y, yaw, curvature = (np.interp(s, paths.s, v[p]) for v in (paths.x, paths.y, paths.yaw, paths.curvature))
        t = np.arange(steps) * self.config.dt
        speed, acceleration = rolled.speed[best, :steps], rolled.acceleration[best, :steps]
        # a roll-out stores the acceleration that led to a step; a trajectory states the one that leaves it
        acceleration = np.append(rolled.acceleration[best, 1:steps], acceleration[-1])
        return Trajectory(ego.stamp_ns, t, x, y, yaw, speed, acceleration, curvature, reason, fallback)
