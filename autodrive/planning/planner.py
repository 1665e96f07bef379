"""The planner: candidate paths beside the route, speed policies on each, checked against everything predicted."""

from __future__ import annotations

import math

import numpy as np

from autodrive.errors import InputError
from autodrive.geometry import Array
from autodrive.planning import detours
from autodrive.planning.behaviour import Behaviour, Rules
from autodrive.planning.clearance import clearance_cap
from autodrive.planning.config import PlannerConfig
from autodrive.planning.conflicts import Conflicts, find_conflicts, first_blocked
from autodrive.planning.costs import evaluate
from autodrive.planning.ground_memory import GroundMemory
from autodrive.planning.obstacles import Obstacles, gather_obstacles
from autodrive.planning.path_candidates import LateralState, Paths
from autodrive.planning.permanence import Permanence
from autodrive.planning.plan_memory import PlanMemory
from autodrive.planning.policies import build_policies
from autodrive.planning.reference_path import ReferencePath, build_reference_path
from autodrive.planning.selection import choose, reason_of
from autodrive.planning.speed_profile import RollOut, roll_out, speed_limit
from autodrive.scene import EgoState, Forecast, GroundGrid, GroundMarkings, Route, Trajectory


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
        self._reference = build_reference_path(route.points, self.config.reference)
        self._speed_limit = min(route.speed_limit, self.config.max_speed)
        self._ground = GroundMemory(self._reference, self.config.ground)
        self._behaviour = Behaviour(self.config)
        self._permanence = Permanence()
        self._ego_s: float | None = None
        self._memory: PlanMemory | None = None

    def plan(
        self,
        ego: EgoState,
        forecasts: tuple[Forecast, ...],
        free: GroundGrid | None,
        markings: GroundMarkings | None,
    ) -> Trajectory:
        """Plan from ``ego``; all inputs are as of its stamp, ``free`` and ``markings`` None where stale.

        Raises InputError without a route or with odometry that is not finite.
        """
        reference, config = self._route_reference(), self.config
        state = (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate)
        if not all(math.isfinite(v) for v in state):
            raise InputError(f"planner: odometry is not finite (x, y, yaw, speed, yaw_rate = {state})")
        ego_s, ego_d, heading = reference.project(ego.pose.x, ego.pose.y, ego.pose.yaw, self._ego_s)
        self._ego_s = ego_s
        forecasts = self._permanence.complete(ego, forecasts)
        self._behaviour.observe(ego, forecasts)
        self._ground.update(ego, ego_s, free, markings, tuple(f.track for f in forecasts))

        s = ego_s + np.arange(round(config.path_length / config.path_step) + 1, dtype=np.float64) * config.path_step
        blind = config.blind_speed if free is None else np.inf
        cap = min(self._speed_limit, blind, config.unmarked_speed if markings is None else np.inf)
        rules = self._behaviour.rules(ego, ego_s, s, reference, self._ground, forecasts, cap)
        obstacles = self._obstacles(ego, ego_s, forecasts)
        lateral = None if self._memory is None else self._memory.lateral_state(ego_s, ego_d, config)
        memory = None if lateral is None else self._memory
        lateral = lateral or LateralState(ego_d, math.tan(max(min(heading, 0.8), -0.8)), 0.0)
        paths = detours.base_paths(reference, s, lateral, memory, ego.speed, config)
        conflicts = find_conflicts(paths, obstacles, ego, config)
        more = self._with_detours(ego, ego_s, paths, conflicts, obstacles)
        if more is not paths:
            paths, conflicts = more, find_conflicts(more, obstacles, ego, config)
        return self._decide(ego, ego_s, paths, conflicts, obstacles, rules, memory)

    def _route_reference(self) -> ReferencePath:
        if self._reference is None:
            raise InputError("planner: no route was set; send one before asking for a plan")
        return self._reference

    def _obstacles(self, ego: EgoState, ego_s: float, forecasts: tuple[Forecast, ...]) -> Obstacles:
        config, reference = self.config, self._route_reference()
        steps = round(config.horizon_s / (config.dt * config.conflict_stride)) + 1
        times = np.arange(steps, dtype=np.float64) * config.dt * config.conflict_stride
        rx, ry, _, _ = reference.at(np.arange(ego_s - 6.0, ego_s + config.path_length + 8.0, 3.0))

        def near(points: Array) -> Array:
            distance = (points[:, :1] - rx) ** 2 + (points[:, 1:] - ry) ** 2
            return np.asarray(distance.min(axis=1) < config.near_route**2)

        scale = dict.fromkeys(self._memory.yields_to if self._memory else (), config.yield_margin_scale)
        scale |= self._behaviour.margin_scale(forecasts)
        return gather_obstacles(
            ego, forecasts, times, config, near=near, margin_scale=scale, wavering=self._behaviour.wavering()
        )

    def _with_detours(
        self,
        ego: EgoState,
        ego_s: float,
        paths: Paths,
        conflicts: Conflicts,
        obstacles: Obstacles,
    ) -> Paths:
        """``paths``, with ways around what blocks or slows the return to the route, if anything does."""
        config, reference = self.config, self._route_reference()
        free = self._ground.free_along(paths.s, paths.d, config.ground.half_width)
        leave_lane = True
        blockage = detours.find_blockage(conflicts, self._free_blocked(paths, free)[1], config)
        people = detours.find_people(conflicts, obstacles, config)
        # who is passed long before the blockage is reached gets room first
        if people is not None and (blockage is None or people.start < blockage.start - config.shifts.merge_gap):
            blockage, leave_lane = people, False
        elif blockage is not None:
            junctions = self._ground.stop_lines(ego_s) + [start for start, _ in self._ground.crosswalks(ego_s)]
            behaviour = self._behaviour
            leave_lane = detours.may_leave_lane(reference, blockage, obstacles, behaviour, junctions, config)
        else:
            blockage = detours.find_slow_cyclist(reference, obstacles, ego_s, self._speed_limit, config)
        if blockage is None:
            return paths
        return detours.with_detours(reference, paths, blockage, ego.speed, leave_lane, config)

    def _free_blocked(self, paths: Paths, free: Array) -> Array:
        """Samples (P, S) at which the body's front part would stand on ground that is surely not free.

        What the body stands on already, and what is just ahead of it, never blocks; nor does, after a while, the rest.
        """
        config = self.config
        hurry = min(max(self._behaviour.patience_s - config.deadlock_wait_s, 0.0) / 5.0, 1.0)
        ahead = paths.s - paths.s[0]
        bad = free < config.free_threshold * (1.0 - config.ground_lenience * hurry)
        bad &= ahead > config.footprint.front + config.ground.ignored
        bad &= ahead < config.free_range
        reach = round(config.footprint.front / config.path_step)
        padded = np.pad(bad, ((0, 0), (0, reach)))
        return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, reach + 1, axis=1).any(axis=-1))

    def _decide(
        self,
        ego: EgoState,
        ego_s: float,
        paths: Paths,
        conflicts: Conflicts,
        obstacles: Obstacles,
        rules: Rules,
        memory: PlanMemory | None,
    ) -> Trajectory:
        """Roll out every policy on every path, pick the best, remember it."""
        config, goal_s = self.config, self._route_reference().goal_s
        free = self._ground.free_along(paths.s, paths.d, config.ground.half_width)
        static_stop = self._static_stop(ego_s, paths, conflicts, obstacles, free)
        # a body at rest sets off only for a worthwhile stretch: else noise in where others stand makes it creep
        room = config.restart_room if ego.speed < config.standstill else 0.0
        obstructed = np.minimum(static_stop, rules.stop)
        stops = np.minimum(np.where(obstructed < ego_s + room, ego_s, obstructed), goal_s)
        ids = tuple(obstacles.tracks[i].track_id for i in conflicts.moving_tracks)
        steps = round(config.horizon_s / config.dt) + 1
        policies, choices = build_policies(conflicts, ids, stops, ego_s, room, steps, config)
        cap = clearance_cap(paths, obstacles, rules.cap, config)
        planned = 0.0 if self._memory is None else self._memory.acceleration_at(ego.stamp_ns)
        rolled = roll_out(
            policies,
            speed_limit(paths.curvature, cap, config),
            start_s=ego_s,
            speed=max(ego.speed, 0.0),
            acceleration=planned,
            config=config,
        )
        result = evaluate(paths, policies.path, rolled, conflicts, free, config)
        best, fallback = choose(result, choices, paths, rolled, conflicts, ids, memory, config)
        choice, p = choices[best], choices[best].path
        self._memory = PlanMemory(
            ego.stamp_ns,
            paths.s,
            paths.d[p],
            float(paths.target[p]),
            float(paths.returns_at[p]),
            choice.yields_to,
            rolled.acceleration[best],
            config.dt,
        )
        end_s = float(rolled.s[best, -1])
        reason = reason_of(choice, end_s, paths, static_stop, rules, goal_s, fallback, config)
        return self._trajectory(ego, paths, p, rolled, best, reason, fallback)

    def _static_stop(
        self, ego_s: float, paths: Paths, conflicts: Conflicts, obstacles: Obstacles, free: Array
    ) -> Array:
        """Arc lengths (P,) at which to stop before what stands or before ground that is not free."""
        config = self.config
        queue = detours.behind_traffic(self._route_reference(), ego_s, obstacles, self._behaviour, config)
        gap = config.stop_gap if queue else config.static_stop_gap
        blocked = np.where(self._free_blocked(paths, free), -1.0, 1.0)
        return np.minimum(conflicts.first_static() - gap, first_blocked(paths.s, blocked) - config.ground.stop_gap)

    def _trajectory(
        self, ego: EgoState, paths: Paths, p: int, rolled: RollOut, best: int, reason: str, fallback: bool
    ) -> Trajectory:
        steps = round(self.config.output_s / self.config.dt) + 1
        s = rolled.s[best, :steps]
        x, y, yaw, curvature = (np.interp(s, paths.s, v[p]) for v in (paths.x, paths.y, paths.yaw, paths.curvature))
        # a roll-out stores the acceleration that led to a step; a trajectory states the one that leaves it
        acceleration = rolled.acceleration[best, 1 : steps + 1]
        t = np.arange(steps, dtype=np.float64) * self.config.dt
        speed = rolled.speed[best, :steps]
        return Trajectory(ego.stamp_ns, t, x, y, yaw, speed, acceleration, curvature, reason, fallback)
