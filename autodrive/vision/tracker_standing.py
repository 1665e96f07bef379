"""Does a track stand still? A test on its last measured positions, with hysteresis: parked cars must not creep."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def slope(history: Array) -> tuple[Array, Array]:
    """Velocities (N, 2) by least squares through the positions of histories (N, W, 6), and their std (N,).

    Columns are time, x, y, position std, vx, vy; NaN rows are left out. The std is inf with fewer than two rows.
    """
    there = np.isfinite(history[:, :, 0])
    count = np.maximum(there.sum(axis=1), 1)
    rows = np.where(there[..., None], history, 0.0)
    centre = rows.sum(axis=1) / count[:, None]
    t = np.where(there, rows[:, :, 0] - centre[:, None, 0], 0.0)
    spread = (t * t).sum(axis=1)
    useful = spread > 1e-4
    safe = np.where(useful, spread, 1.0)
    velocity = np.einsum("nw,nwk->nk", t, rows[:, :, 1:3] - centre[:, None, 1:3]) / safe[:, None]
    std = np.where(useful, centre[:, 3] / np.sqrt(safe), np.inf)
    return np.where(useful[:, None], velocity, 0.0), std


def standing_still(history: Array, was_standing: Mask, speed: Array, xy: Array) -> Mask:
    """The new verdict (N,): enter only on clear evidence of rest, leave as soon as motion is likely.

    ``speed`` (N,) and ``xy`` (N, 2) are the filter's. While a track stands, its filtered position is in effect the mean
    of all measurements, so the newest four lying to one side of it mean that it has started.
    """
    velocity, std = slope(history)
    long_speed = np.hypot(velocity[:, 0], velocity[:, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a row without history has no mean: NaN compares false
        recent = np.nanmean(history[:, -4:], axis=1)
    seen_speed = np.hypot(recent[:, 4], recent[:, 5])
    offset = np.hypot(recent[:, 1] - xy[:, 0], recent[:, 2] - xy[:, 1])
    enter = (std < 0.6) & (long_speed < np.maximum(0.4, 2.0 * std)) & (speed < 1.5) & (seen_speed < 1.5)
    leave = (long_speed > np.maximum(0.7, 3.5 * std)) | (seen_speed > 2.0)
    leave |= was_standing & (offset > np.maximum(0.45, 1.6 * recent[:, 3]))
    return np.where(was_standing, ~leave, enter & ~leave)
