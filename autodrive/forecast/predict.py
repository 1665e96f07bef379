"""Forecasts: for each track several ways that it may move, with probabilities.

A learned predictor can take this function's place without any other stage noticing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodrive.forecast import motion
from autodrive.forecast.pedestrian import pedestrian_ways
from autodrive.forecast.vehicle import vehicle_ways
from autodrive.forecast.view import ForecastConfig, View, Way, look
from autodrive.scene import (
    VEHICLES,
    EgoState,
    Forecast,
    ForecastMode,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
)


def forecast(
    tracks: Sequence[TrackedObject],
    ego: EgoState,
    route: Route | None,
    free: GroundGrid | None,
    config: ForecastConfig | None = None,
    markings: GroundMarkings | None = None,
) -> tuple[Forecast, ...]:
    """One forecast per track, in the order of ``tracks``; modes are sorted by falling probability and sum to one.

    ``route`` is the ego's own in map, ``free`` and ``markings`` are in base_link at the stamp of ``ego``. Raises
    InputError when a track is not finite.
    """
    cfg = config or ForecastConfig()
    if not tracks:
        return ()
    view = look(tracks, ego, route, free, markings, cfg)
    vehicles = np.isin(view.label, [*VEHICLES, ObjectClass.CYCLIST])
    walkers = view.label == ObjectClass.PEDESTRIAN
    modes: dict[int, tuple[ForecastMode, ...]] = {}
    for mask, ways in ((vehicles, vehicle_ways), (walkers, pedestrian_ways), (~vehicles & ~walkers, _static_ways)):
        if mask.any():
            found = _modes(ways(view.pick(mask), cfg), cfg)
            modes |= zip(np.flatnonzero(mask).tolist(), found, strict=True)
    return tuple(Forecast(track, cfg.dt, modes[i]) for i, track in enumerate(tracks))


def _static_ways(view: View, cfg: ForecastConfig) -> list[Way]:
    return [(np.ones(len(view.pose)), motion.rest(view.pose, view.t))]


def _modes(ways: list[Way], cfg: ForecastConfig) -> list[tuple[ForecastMode, ...]]:
    """Normalise, and give the weight of a way that another one nearly equals to that other one."""
    weight = np.stack([w for w, _ in ways], axis=1).astype(np.float64)  # (N, M)
    poses = np.stack([p for _, p in ways], axis=1)  # (N, M, T, 3)
    weight /= weight.sum(axis=1, keepdims=True)
    difference = poses[:, :, None, :, :2] - poses[:, None, :, :, :2]
    alike = (difference**2).sum(axis=4).max(axis=3) < cfg.merge_m**2  # (N, M, M)
    for later in range(1, weight.shape[1]):
        for earlier in range(later):
            same = alike[:, earlier, later] & (weight[:, earlier] > 0)
            weight[same, earlier] += weight[same, later]
            weight[same, later] = 0.0
    poses[..., 2] = (poses[..., 2] + np.pi) % (2 * np.pi) - np.pi
    poses.setflags(write=False)
    order = np.argsort(-weight, axis=1, kind="stable")
    return [
        tuple(ForecastMode(float(weight[n, m]), poses[n, m]) for m in order[n] if weight[n, m] > 0)
        for n in range(len(weight))
    ]
