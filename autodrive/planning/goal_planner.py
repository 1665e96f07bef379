"""Walking to a goal pose: a route through what the floor was seen to be, the planner on it, and what needs no route.

The planner is the car's, with the parameters of ``walking_config``. Around it: when to route anew, turning on the spot
where the route starts behind, the last steps to the goal, and stepping back from what the body stands too near to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from autodrive.errors import InputError
from autodrive.geometry import Array, Pose2, distance_to_box, wrap_angle
from autodrive.planning.grid_route import GridRoute, find_route
from autodrive.planning.manoeuvres import ManoeuvreLimits, stand, step_to, turn
from autodrive.planning.obstacles import is_static
from autodrive.planning.occupancy import STANDING, Floor, OccupancyConfig, OccupancyMemory
from autodrive.planning.people import who_is_in_the_way
from autodrive.planning.planner import Planner
from autodrive.planning.selection import BLOCKED
from autodrive.planning.walking import walking_config
from autodrive.scene import EgoState, Forecast, GroundGrid, ObjectClass, Route, TrackedObject, Trajectory


@dataclass(frozen=True, slots=True)
class GoalPlannerConfig:
    """Tolerances and reaches of walking to a goal. SI units, radians."""

    limits: ManoeuvreLimits = field(default_factory=ManoeuvreLimits)
    # a grip does not stand what the legs do: manipulation.md
    carrying_limits: ManoeuvreLimits = field(
        default_factory=lambda: ManoeuvreLimits(yaw_rate=0.45, yaw_acceleration=0.8)
    )
    occupancy: OccupancyConfig = field(default_factory=OccupancyConfig)
    arrived_m: float = 0.08
    left_m: float = 0.15  # who has arrived stays so within this
    arrived_rad: float = 0.06
    left_rad: float = 0.15
    moved_m: float = 0.10  # a goal that moves further needs another route, ...
    jumped_m: float = 1.0  # ... and one that moves further at once is another goal
    step_reach_m: float = 0.35  # this near, a few steps do
    dock_reach_m: float = 0.75  # the same for a body that faces as it should at the goal
    dock_rad: float = 0.25
    dock_run_m: float = 0.50  # a goal without room to turn is walked to from this far behind it
    step_from_speed: float = 0.3
    turning_radius: float = 0.36  # half the body's diagonal
    retreat_m: float = 0.40
    behind_rad: float = 0.9  # a route that starts further round than this: turn first
    ahead_rad: float = 0.2
    look_ahead_m: float = 0.4
    strayed_m: float = 0.45
    check_ahead_m: float = 3.5
    check_near_m: float = 1.0
    closed_s: float = 1.0  # a route that is closed further off is given up after so long
    check_from_m: float = 0.4
    reroute_s: float = 0.5
    retry_s: float = 1.5
    patience_s: float = 2.0
    squeeze_after_s: float = 0.6
    boxes_m: float = 2.5  # what stands further away is the ground's business alone
    held_m: float = 0.65  # boxes this near are the ones in the hands while carrying, ...
    # ... and so are those that appear out of nothing this near ahead: a box in the hands is taken for one further away
    phantom_m: float = 1.7
    phantom_rad: float = 0.6
    speed_share: float = 0.4  # of a new speed estimate; gait shakes it


class GoalPlanner:
    """Plans one trajectory per frame towards a goal. Deterministic: time is only what the ego stamps say."""

    def __init__(self, config: GoalPlannerConfig | None = None) -> None:
        self.config = config or GoalPlannerConfig()
        self.memory = OccupancyMemory(self.config.occupancy)
        self.route: GridRoute | None = None
        self._planners = {carrying: Planner(walking_config(carrying=carrying)) for carrying in (False, True)}
        self._carrying = False
        self._goal: Pose2 | None = None
        self._end: Pose2 | None = None
        self._routed_ns = 0
        self._index = 0
        self._arrived = self._there = self._turning = False
        self._from_behind = False  # the goal has no room to turn: it is stepped up to
        self._retreat: Pose2 | None = None
        self._waiting_since_ns: int | None = None
        self._blocked_ns: int | None = None  # since when the planner finds no room
        self._closed_ns: int | None = None  # since when the floor of the route is not free further off
        self._speed = 0.0
        self._targets: tuple[TrackedObject, ...] = ()
        self._box_ids: frozenset[int] = frozenset()  # boxes of the last frame that are not in the hands

    def plan(
        self,
        ego: EgoState,
        forecasts: tuple[Forecast, ...],
        free: GroundGrid | None,
        goal: Pose2 | None,
        *,
        carrying: bool = False,
        target_ids: frozenset[int] = frozenset(),
    ) -> Trajectory:
        """Plan from ``ego`` to ``goal`` (base_link in map, None: stand); all inputs are as of ego's stamp.

        ``free`` is None where stale. ``target_ids`` are the tracks that the goal stands before: the body may come near
        to them. ``reason`` of the result says what it does or why it stands. Raises InputError for odometry or a goal
        that is not finite.
        """
        _check(ego, goal)
        held = self._held_ones(ego, tuple(f.track for f in forecasts), carrying)
        forecasts = tuple(f for f in forecasts if f.track not in held)
        tracks = tuple(f.track for f in forecasts)
        self.memory.update(ego, free, tracks, held)
        self._speed += self.config.speed_share * (math.hypot(ego.speed, ego.lateral_speed) - self._speed)
        if goal is None:
            self._forget()
            return stand(ego, "no goal")
        self._take(goal, carrying)
        self._targets = tuple(t for t in tracks if t.track_id in target_ids)
        floor = self.memory.floor(tracks, target_ids)
        assert self._end is not None
        if (plan := self._at_the_end(ego)) is not None:
            return plan
        if (plan := self._steps(ego, forecasts, floor)) is not None:
            return plan
        return self._walk(ego, forecasts, floor)

    def _held_ones(self, ego: EgoState, tracks: tuple[TrackedObject, ...], carrying: bool) -> tuple[TrackedObject, ...]:
        """The tracks that show what is in the hands; boxes that were there before keep what they are."""
        config, known = self.config, self._box_ids
        boxes = [track for track in tracks if track.label == ObjectClass.BOX]
        held = []
        for track in boxes if carrying else []:
            ahead = ego.pose.inverse().apply(np.array([track.x, track.y]))
            distance, bearing = math.hypot(*ahead), abs(math.atan2(ahead[1], ahead[0]))
            appeared = track.track_id not in known and distance < config.phantom_m and bearing < config.phantom_rad
            if distance < config.held_m or appeared:
                held.append(track)
        ids = {track.track_id for track in held}
        self._box_ids = frozenset(track.track_id for track in boxes if track.track_id not in ids)
        return tuple(held)

    def _forget(self) -> None:
        self._goal = self._end = self._retreat = self.route = self._waiting_since_ns = self._blocked_ns = None
        self._arrived = self._there = self._turning = self._from_behind = False

    def _take(self, goal: Pose2, carrying: bool) -> None:
        """Take over a goal; one that moves by a little at a time (somebody who is followed) keeps its route a while."""
        moved = math.inf if self._goal is None else _distance(goal, self._goal)
        if moved > self.config.jumped_m or carrying != self._carrying:
            self._forget()
            self._carrying = carrying
            moved = math.inf
        if moved > self.config.moved_m or self.route is None or self.route.shortfall_m == 0.0:
            self._end = goal
        if moved > self.config.moved_m:
            self._goal, self._from_behind = goal, False

    def _at_the_end(self, ego: EgoState) -> Trajectory | None:
        """Stand at the end, once turned to its yaw; None where the body is not there."""
        config, end = self.config, self._end
        assert end is not None
        self._there = _distance(ego.pose, end) < (config.left_m if self._there else config.arrived_m)
        if not self._there:
            self._arrived = False
            return None
        error = abs(wrap_angle(end.yaw - ego.pose.yaw))
        self._arrived = error < (config.left_rad if self._arrived else config.arrived_rad)
        if not self._arrived:
            return turn(ego, end.yaw, self._limits, "turn at the goal")
        short = self.route is not None and self.route.shortfall_m > 0.0
        return stand(ego, self.route.reason if short and self.route is not None else "goal")

    def _steps(self, ego: EgoState, forecasts: tuple[Forecast, ...], floor: Floor) -> Trajectory | None:
        """A few slow steps: away from what is too near to turn, or the last ones to the end."""
        config, end = self.config, self._end
        assert end is not None
        if self._retreat is not None:
            if _distance(ego.pose, self._retreat) > config.arrived_m and _line_is_free(floor, ego.pose, self._retreat):
                return self._step(ego, self._retreat, forecasts, "step back")
            self._retreat = None
        distance = _distance(ego.pose, end)
        facing = abs(wrap_angle(end.yaw - ego.pose.yaw)) < config.dock_rad
        reach = config.dock_reach_m if facing else config.step_reach_m
        if distance > reach or self._speed > config.step_from_speed:
            return None
        if not _line_is_free(floor, ego.pose, end):
            # no nearer than this, but near enough
            self._there = distance < config.left_m
            return self._at_the_end(ego) if self._there else None
        if not facing and not self._has_room(floor, end):
            return None
        # turning comes last: the body steps as it faces now
        return self._step(ego, replace_yaw(end, end.yaw if facing else ego.pose.yaw), forecasts, "steps to the goal")

    def _step(self, ego: EgoState, goal: Pose2, forecasts: tuple[Forecast, ...], reason: str) -> Trajectory:
        plan = step_to(ego, goal, self._limits, reason)
        who = who_is_in_the_way(ego, plan, forecasts, self._planner.config)
        return plan if who is None else stand(ego, f"yield to track {who}")

    def _walk(self, ego: EgoState, forecasts: tuple[Forecast, ...], floor: Floor) -> Trajectory:
        """Along the route, turning on the spot first where it starts behind."""
        config, end = self.config, self._end
        assert end is not None
        aim = self._aim(floor, end)
        if aim is not end:
            distance = _distance(ego.pose, aim)
            if distance < (config.left_m if self._turning else config.arrived_m):
                self._turning = True
                if abs(wrap_angle(aim.yaw - ego.pose.yaw)) < config.arrived_rad:
                    # ``_steps`` would have gone on from here
                    return stand(ego, "no room for the last steps")
                return turn(ego, aim.yaw, self._limits, "turn before the goal")
            slow = self._speed < config.step_from_speed
            if distance < config.step_reach_m and slow and _line_is_free(floor, ego.pose, aim):
                return self._step(ego, replace_yaw(aim, ego.pose.yaw), forecasts, "steps before the goal")
        if self._why_reroute(ego, floor, aim):
            self._reroute(ego, forecasts, floor, aim)
        route = self.route
        assert route is not None
        if not route.found:
            return self._turn_beside(ego, end) or stand(ego, route.reason)
        heading = self._heading_of_route(ego)
        error = abs(wrap_angle(heading - ego.pose.yaw))
        self._turning = error > (config.ahead_rad if self._turning else config.behind_rad)
        if self._turning:
            return self._turn_to(ego, heading, floor, forecasts)
        state = replace(ego, speed=self._speed * max(math.cos(error), 0.0))
        plan = self._planner.plan(state, self._relevant(ego, forecasts), floor.ground(ego.pose), None)
        self._observe_waiting(ego, plan)
        if plan.reason != BLOCKED:
            self._blocked_ns = None
            return plan
        self._blocked_ns = ego.stamp_ns if self._blocked_ns is None else self._blocked_ns
        return self._squeeze(ego, forecasts, floor) or plan

    def _turn_beside(self, ego: EgoState, end: Pose2) -> Trajectory | None:
        """Where the last steps have no room, the body at least faces as it shall: then the end may be near enough."""
        away = abs(wrap_angle(end.yaw - ego.pose.yaw)) > self.config.left_rad
        if not away or _distance(ego.pose, end) > self.config.step_reach_m:
            return None
        return turn(ego, end.yaw, self._limits, "turn beside the goal")

    def _squeeze(self, ego: EgoState, forecasts: tuple[Forecast, ...], floor: Floor) -> Trajectory | None:
        """Where the planner finds no room for a walking body, and the floor has it: a few steps along the route."""
        assert self._blocked_ns is not None
        blocked_s = (ego.stamp_ns - self._blocked_ns) * 1e-9
        if blocked_s < self.config.squeeze_after_s or self._speed > self.config.step_from_speed:
            return None
        x, y = self._ahead(ego)
        ahead = Pose2(x, y, math.atan2(y - ego.pose.y, x - ego.pose.x))
        if _distance(ego.pose, ahead) < self.config.arrived_m or not _line_is_free(floor, ego.pose, ahead):
            return None
        return self._step(ego, ahead, forecasts, "steps along the route")

    def _relevant(self, ego: EgoState, forecasts: tuple[Forecast, ...]) -> tuple[Forecast, ...]:
        """Who may move, and of what stands only what is near: the rest is in the free ground."""
        reach = self.config.boxes_m

        def matters(track: TrackedObject) -> bool:
            return track.label not in STANDING or math.hypot(track.x - ego.pose.x, track.y - ego.pose.y) < reach

        return tuple(f for f in forecasts if matters(f.track))

    @property
    def _limits(self) -> ManoeuvreLimits:
        return self.config.carrying_limits if self._carrying else self.config.limits

    @property
    def _planner(self) -> Planner:
        return self._planners[self._carrying]

    def _has_room(self, floor: Floor, pose: Pose2) -> bool:
        """Whether the body can turn on the spot there."""
        point, radius = np.array([pose.x, pose.y]), self.config.turning_radius
        return bool(floor.passable_at(point, radius)) and all(_gap(t, point) > radius for t in self._targets)

    def _aim(self, floor: Floor, end: Pose2) -> Pose2:
        """Where the route leads: the end, or a point behind it from which the body steps up to what it is to face.

        What the floor near a goal is seen to be flickers; once found to be narrow, a goal stays so.
        """
        self._from_behind |= not self._has_room(floor, end)
        if not self._from_behind:
            return end
        run = end @ Pose2(-self.config.dock_run_m, 0.0, 0.0)
        return run if self._has_room(floor, run) else end

    def _why_reroute(self, ego: EgoState, floor: Floor, aim: Pose2) -> str:
        config, route = self.config, self.route
        age_s = (ego.stamp_ns - self._routed_ns) * 1e-9
        if route is None:
            return "no route yet"
        if not route.found or route.shortfall_m > 0.0:
            return "try again" if age_s > config.retry_s else ""
        if age_s < config.reroute_s:
            return ""
        points = route.points
        if math.hypot(aim.x - points[-1, 0], aim.y - points[-1, 1]) > config.moved_m:
            return "the goal moved"
        near = points[self._index : self._index + 20]
        gap = np.hypot(near[:, 0] - ego.pose.x, near[:, 1] - ego.pose.y)
        self._index += int(np.argmin(gap))
        if float(gap.min()) > config.strayed_m:
            return "strayed"
        step = float(np.hypot(*(points[1] - points[0]))) if len(points) > 1 else 0.1
        first, near_end, last = (
            self._index + round(m / max(step, 0.01))
            for m in (config.check_from_m, config.check_near_m, config.check_ahead_m)
        )
        passable = floor.passable_at(points[first:last], config.occupancy.tight_radius)
        if passable.all():
            self._closed_ns = None
        else:
            # what the floor far off is seen to be flickers, and every other route begins with a turn
            self._closed_ns = ego.stamp_ns if self._closed_ns is None else self._closed_ns
            closed_s = (ego.stamp_ns - self._closed_ns) * 1e-9
            if closed_s >= config.closed_s or not passable[: near_end - first].all():
                return "blocked"
        waiting_s = 0.0 if self._waiting_since_ns is None else (ego.stamp_ns - self._waiting_since_ns) * 1e-9
        return "waited" if waiting_s > config.patience_s and age_s > config.patience_s else ""

    def _reroute(self, ego: EgoState, forecasts: tuple[Forecast, ...], floor: Floor, aim: Pose2) -> None:
        people = [f.track for f in forecasts if f.track.label == ObjectClass.PEDESTRIAN and is_static(f.track)]
        start = (ego.pose.x, ego.pose.y)
        self.route, self._routed_ns, self._index = (
            find_route(floor, start, (aim.x, aim.y), people=people),
            ego.stamp_ns,
            0,
        )
        self._closed_ns = None
        points = self.route.points
        if not self.route.found:
            return
        assert self._goal is not None and self._end is not None
        if self.route.shortfall_m > 0.0:
            x, y = (float(v) for v in points[-1])
            self._end = Pose2(x, y, math.atan2(self._goal.y - y, self._goal.x - x))
        length = float(np.hypot(*np.diff(points, axis=0).T).sum())
        if length < self._planner.config.reference.min_length:
            # too short to walk: a few steps will do, or the body is there already
            self.route = GridRoute(np.zeros((0, 2)), self.route.shortfall_m, self._short_reason(self.route))
            return
        first = Pose2(ego.pose.x, ego.pose.y, ego.pose.yaw)
        self._planner.set_route(Route(points, first, self._planner.config.max_speed, "walk"))

    def _short_reason(self, route: GridRoute) -> str:
        return route.reason if route.shortfall_m > 0.0 else "no room for the last steps"

    def _heading_of_route(self, ego: EgoState) -> float:
        """Direction from the body to where the route is a little ahead of it."""
        x, y = self._ahead(ego)
        if math.hypot(x - ego.pose.x, y - ego.pose.y) < 0.1:
            return ego.pose.yaw
        return math.atan2(y - ego.pose.y, x - ego.pose.x)

    def _ahead(self, ego: EgoState) -> tuple[float, float]:
        """Where the route is a little ahead of the body."""
        assert self.route is not None
        points = self.route.points
        near = points[self._index : self._index + 20]
        at = self._index + int(np.argmin(np.hypot(near[:, 0] - ego.pose.x, near[:, 1] - ego.pose.y)))
        x, y = points[min(at + round(self.config.look_ahead_m / 0.1), len(points) - 1)]
        return float(x), float(y)

    def _turn_to(self, ego: EgoState, heading: float, floor: Floor, forecasts: tuple[Forecast, ...]) -> Trajectory:
        """Turn on the spot, after a step back where that gives the room for it."""
        config = self.config
        if not self._has_room(floor, ego.pose):
            back = ego.pose @ Pose2(-config.retreat_m, 0.0, 0.0)
            if self._has_room(floor, back) and _line_is_free(floor, ego.pose, back):
                self._retreat = back
                return self._step(ego, back, forecasts, "step back")
        return turn(ego, heading, self._limits, "turn to the route")

    def _observe_waiting(self, ego: EgoState, plan: Trajectory) -> None:
        standing = self._speed < self._planner.config.standstill and plan.speed.max() < self._planner.config.standstill
        if not standing:
            self._waiting_since_ns = None
        elif self._waiting_since_ns is None:
            self._waiting_since_ns = ego.stamp_ns


def replace_yaw(pose: Pose2, yaw: float) -> Pose2:
    """The same place, facing elsewhere."""
    return Pose2(pose.x, pose.y, yaw)


def _check(ego: EgoState, goal: Pose2 | None) -> None:
    state = (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate, ego.lateral_speed)
    if not all(math.isfinite(v) for v in state):
        raise InputError(f"goal planner: odometry is not finite (x, y, yaw, speed, yaw_rate, lateral_speed = {state})")
    if goal is not None and not all(math.isfinite(v) for v in (goal.x, goal.y, goal.yaw)):
        raise InputError(f"goal planner: the goal is not finite ({goal})")


def _distance(a: Pose2, b: Pose2) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


def _gap(track: TrackedObject, point: Array) -> float:
    """Distance of a point from a track's box."""
    return distance_to_box((point[0], point[1]), track.x, track.y, track.yaw, track.length, track.width)


def _line_is_free(floor: Floor, a: Pose2, b: Pose2) -> bool:
    """Whether the body may step straight from ``a`` to ``b``; what it is too near to already it may only leave."""
    share = np.linspace(0.0, 1.0, max(int(_distance(a, b) / 0.05), 1) + 1)[:, None]
    points = np.array([a.x, a.y]) + share * np.array([b.x - a.x, b.y - a.y])
    radius = min(floor.memory.config.tight_radius, float(floor.clearance_at(points[0])) - 0.02)
    i, j = floor.memory.index(points)
    leaving = floor.near_target[i[0], j[0]]
    clear = floor.clearance[i, j] > radius
    return bool(clear.all() and (leaving or not floor.near_target[i, j].any()))
