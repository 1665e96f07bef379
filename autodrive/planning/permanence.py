"""Who was seen a moment ago is still there: people whom perception loses stay in the plan for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autodrive.geometry import Array
from autodrive.scene import EgoState, Forecast, ForecastMode, ObjectClass

HOLD_S = 0.8
LEAST_AGE_S = 1.0  # of a track that is worth remembering: what flickers was never there
RANGE_M = 20.0
SAME_PERSON_M = 1.5  # somebody new this near is the one who was lost


@dataclass(frozen=True)
class _Seen:
    stamp_ns: int
    forecast: Forecast


class Permanence:
    """Remembers the last forecast of each person near the body; time is the ego stamps only."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def complete(self, ego: EgoState, forecasts: tuple[Forecast, ...]) -> tuple[Forecast, ...]:
        """``forecasts`` and, aged, those of people who vanished less than HOLD_S ago and did not come back."""
        people = [f for f in forecasts if f.track.label == ObjectClass.PEDESTRIAN]
        present = {f.track.track_id for f in people}
        lost = []
        for key, seen in list(self._seen.items()):
            age_s = (ego.stamp_ns - seen.stamp_ns) * 1e-9
            if key in present or not 0.0 <= age_s <= HOLD_S:
                del self._seen[key]
                continue
            aged = _aged(seen.forecast, age_s)
            if not any(_distance(aged, other) < SAME_PERSON_M for other in people):
                lost.append(aged)
        for forecast in people:
            track = forecast.track
            near = math.hypot(track.x - ego.pose.x, track.y - ego.pose.y) < RANGE_M
            if near and track.age_s >= LEAST_AGE_S:
                self._seen[track.track_id] = _Seen(ego.stamp_ns, forecast)
        return forecasts + tuple(lost)


def _distance(a: Forecast, b: Forecast) -> float:
    return math.hypot(a.track.x - b.track.x, a.track.y - b.track.y)


def _aged(forecast: Forecast, age_s: float) -> Forecast:
    """The forecast as it was, ``age_s`` later: everybody has gone on as expected."""
    track = forecast.track
    moved = replace(track, x=track.x + track.vx * age_s, y=track.y + track.vy * age_s)
    modes = tuple(ForecastMode(m.probability, _later(forecast, m, age_s)) for m in forecast.modes)
    return Forecast(moved, forecast.dt, modes)


def _later(forecast: Forecast, mode: ForecastMode, age_s: float) -> Array:
    """Poses of a mode ``age_s`` on; the last one stays."""
    track = forecast.track
    knots = np.vstack([[track.x, track.y, mode.poses[0, 2]], mode.poses])
    knots[:, 2] = np.unwrap(knots[:, 2])
    index = np.arange(len(knots))
    at = np.minimum(index[1:] + age_s / forecast.dt, index[-1])
    return np.stack([np.interp(at, index, column) for column in knots.T], axis=1)
