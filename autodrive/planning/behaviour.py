"""Rules of the road that geometry alone does not give: crosswalks, stop lines, who may be passed, and patience."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.config import PlannerConfig
from autodrive.planning.ground_memory import GroundMemory
from autodrive.planning.obstacles import is_static
from autodrive.planning.reference_path import ReferencePath
from autodrive.scene import ROAD_USERS, VEHICLES, EgoState, Forecast, ObjectClass, TrackedObject

MOVED_SPEED = 1.2  # a track that was faster than this ...
MOVED_NS = 800_000_000  # ... for so long is traffic, not a parked car: seen from afar, parked cars seem to jump
MOVED_RANGE_M = 25.0
WAVER_S = 1.0  # who stood, or was not yet seen, this time ago ...
WAVER_SPEED = 3.0  # ... and is slower than this may stand still
FORGET_S = 5.0
CLEAR_NS = 800_000_000  # estimates from afar are noisy: what makes a car a parked one must last
LANE_HALF_M = 1.65
CROSSWALK_REACH_M = 8.0  # people further than this from the route do not matter yet
KERB_M = 2.6  # who stands this near to the route may be about to cross, ...
KERB_WAIT_S = 1.5  # ... and has so long to begin
SAME_CROSSWALK_M = 4.0
LEFT_S = 0.8  # who will have left the lane so soon no longer claims it


@dataclass(frozen=True)
class Rules:
    """What the rules ask now: a speed cap (S,) along the path samples and an arc length not to pass (inf: none)."""

    cap: Array
    stop: float
    reason: str


@dataclass
class _History:
    seen_ns: int
    moved: bool
    rest_since_ns: int
    slow_ns: int  # when it was last slow, or too far to tell
    still_ns: int  # when it last stood; who is new may
    vehicle: bool
    slow: bool = True  # below WAVER_SPEED
    passable: bool = False
    clear_since_ns: int | None = None


class Behaviour:
    """The planner's memory of other road users and of its own waiting; time is the ego stamps only."""

    def __init__(self, config: PlannerConfig) -> None:
        self._config = config
        self._history: dict[int, _History] = {}
        self._last_ns: int | None = None
        self._offered: float | None = None
        self.waited_s = 0.0
        self.patience_s = 0.0

    def observe(self, ego: EgoState, forecasts: tuple[Forecast, ...]) -> None:
        """Update waiting times; patience grows at rest and drains at half that rate when moving."""
        dt = 0.0 if self._last_ns is None else min(max((ego.stamp_ns - self._last_ns) * 1e-9, 0.0), 1.0)
        self._last_ns = ego.stamp_ns
        if ego.speed < self._config.standstill:
            self.waited_s += dt
            self.patience_s = min(self.patience_s + dt, 20.0)
        else:
            self.waited_s = 0.0
            self.patience_s = max(self.patience_s - dt / 2, 0.0)
        for forecast in forecasts:
            self._observe_track(ego, forecast.track)
        oldest = ego.stamp_ns - int(FORGET_S * 1e9)
        self._history = {k: h for k, h in self._history.items() if h.seen_ns >= oldest}

    def _observe_track(self, ego: EgoState, track: TrackedObject) -> None:
        now_ns = ego.stamp_ns
        history = self._history.setdefault(
            track.track_id, _History(now_ns, False, now_ns, now_ns, now_ns, track.label in VEHICLES)
        )
        history.seen_ns = now_ns
        history.slow = track.speed < WAVER_SPEED
        near = math.hypot(track.x - ego.pose.x, track.y - ego.pose.y) < MOVED_RANGE_M
        if not near or track.speed <= MOVED_SPEED:
            history.slow_ns = now_ns
        history.moved |= now_ns - history.slow_ns >= MOVED_NS
        if is_static(track):
            history.still_ns = now_ns
        else:
            history.rest_since_ns = now_ns

    def may_pass(self, track: TrackedObject, d: float, before_junction: bool) -> bool:
        """Whether to drive around a standing object ``d`` metres beside the route rather than wait behind it.

        Who stands aside is parked; who stands in the lane is, too, unless it was seen driving or a junction or
        crosswalk just ahead explains why it waits.
        """
        if track.label not in ROAD_USERS:
            return True
        history = self._history.get(track.track_id)
        if history is None or self._last_ns is None:
            return False
        # once granted it stays: waiting ends as soon as the body pulls out
        aside = abs(d) > 0.35 * track.width + 0.1
        parked = is_static(track) and self._waited_out(history, track, aside, before_junction)
        history.passable = is_static(track) and (history.passable or parked)
        return history.passable

    def _waited_out(self, history: _History, track: TrackedObject, aside: bool, before_junction: bool) -> bool:
        assert self._last_ns is not None
        config, rest_s = self._config, (self._last_ns - history.rest_since_ns) * 1e-9
        if track.label == ObjectClass.PEDESTRIAN:
            return self.waited_s > config.pass_wait_s
        if history.moved:
            return rest_s > config.moved_pass_wait_s
        history.clear_since_ns = (history.clear_since_ns or self._last_ns) if aside or not before_junction else None
        if history.clear_since_ns is not None and self._last_ns - history.clear_since_ns >= CLEAR_NS:
            return True
        return rest_s > config.pass_wait_s and self.waited_s > config.pass_wait_s

    def wavering(self) -> frozenset[int]:
        """Slow vehicles (track ids) that stood a moment ago: their motion may be the noise of their speed estimate."""
        if self._last_ns is None:
            return frozenset()
        since = self._last_ns - int(WAVER_S * 1e9)
        return frozenset(k for k, h in self._history.items() if h.vehicle and h.slow and h.still_ns >= since)

    def is_traffic(self, track: TrackedObject) -> bool:
        """Whether a track was ever seen driving."""
        history = self._history.get(track.track_id)
        return history is not None and history.moved

    def margin_scale(self, forecasts: tuple[Forecast, ...]) -> dict[int, float]:
        """Margins shrink when everybody waits for everybody: only towards those that stand or crawl."""
        excess = self.patience_s - self._config.deadlock_wait_s
        if excess <= 0:
            return {}
        scale = max(1.0 - excess / 8.0, self._config.least_margin_scale)
        return {f.track.track_id: scale for f in forecasts if f.track.speed < 0.8}

    def rules(
        self,
        ego: EgoState,
        ego_s: float,
        s: Array,
        reference: ReferencePath,
        ground: GroundMemory,
        forecasts: tuple[Forecast, ...],
        base_cap: float,
    ) -> Rules:
        """Caps and stops from paint on the ground and the people near it."""
        config = self._config
        cap = np.full(len(s), base_cap)
        front = config.footprint.front
        for line in ground.stop_lines(ego_s):
            if line - front > ego_s - 1.0:
                cap[(s >= line - front - 1.0) & (s <= line + 1.0)] = min(config.stop_line_speed, base_cap)
        stop, reason = np.inf, ""
        walkers = [f.track for f in forecasts if f.track.label == ObjectClass.PEDESTRIAN]
        crosswalks = ground.crosswalks(ego_s)
        self._offer(ego_s, crosswalks)
        if not walkers or not crosswalks:
            return Rules(cap, stop, reason)
        points = np.array([(w.x, w.y) for w in walkers])
        ws, wd = reference.to_frenet(points, ego_s - 10.0, ego_s + 50.0)
        ahead = reference.to_frenet(
            points + 0.5 * np.array([(w.vx, w.vy) for w in walkers]), ego_s - 10.0, ego_s + 50.0
        )
        speed_d = (ahead[1] - wd) / 0.5
        going = np.where(wd > 0, speed_d, -speed_d)
        coming = (np.abs(wd) < LANE_HALF_M) | ((np.abs(wd) < CROSSWALK_REACH_M) & (going < 0.4))
        for start, end in crosswalks:
            near = (ws > start - 2.0) & (ws < end + 2.0) & coming
            if start - front < ego_s - 0.5 or not near.any():
                continue
            cap[(s >= start - front - 3.0) & (s <= end)] = min(config.crosswalk_speed, base_cap)
            line = start - front - 1.0
            stoppable = ego.speed**2 / (2 * config.hard_deceleration) < max(line - ego_s, 0.0) + 1.5
            offered = self._offered is not None and abs(start - self._offered) < SAME_CROSSWALK_M
            claim = [
                w
                for w, n, d, v in zip(walkers, near, wd, speed_d, strict=True)
                if n and _claims(float(d), float(v), offered)
            ]
            if claim and stoppable and line < stop:
                stop, reason = max(line, ego_s), f"give way at crosswalk to track {claim[0].track_id}"
        return Rules(cap, stop, reason)

    def _offer(self, ego_s: float, crosswalks: list[tuple[float, float]]) -> None:
        """Remember the crosswalk before which the body has waited: those at its kerb have had their chance."""
        if self.waited_s < KERB_WAIT_S:
            return
        front = ego_s + self._config.footprint.front
        near = [start for start, end in crosswalks if start - 8.0 < front < end]
        self._offered = near[0] if near else self._offered


def _claims(d: float, speed_d: float, offered: bool) -> bool:
    """Whether a pedestrian at offset ``d`` moving across at ``speed_d`` is on our lane or about to step on it.

    ``offered``: the body has waited before this crosswalk already.
    """
    towards = -speed_d if d > 0 else speed_d
    if abs(d) < LANE_HALF_M:
        return towards > -0.4 or (LANE_HALF_M - abs(d)) / -towards > LEFT_S
    if towards > 0.4:
        return (abs(d) - LANE_HALF_M) / towards < 3.0
    # somebody who stands at the kerb gets a chance to go, then we do
    return abs(d) < KERB_M and abs(speed_d) < 0.25 and not offered
