"""Batched extended Kalman filters of the tracker: one row per track, all rows at once.

The state of every row is five numbers. Rows that turn (vehicles, cyclists): x, y, yaw, v, yaw rate: constant turn rate
and velocity (CTRV: R. Schubert, E. Richter, G. Wanielik, "Comparison and evaluation of advanced motion models for
vehicle tracking", FUSION 2008). Rows that do not (pedestrians, static things): x, y, yaw, vx, vy: constant velocity.
The measurement is x, y, yaw, vx, vy in map for both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
STATES = 5


def wrap(angle: Array) -> Array:
    """Angles into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def predict(
    mean: Array, cov: Array, turning: Mask, accel_std: Array, turn_std: Array, dt: float
) -> tuple[Array, Array]:
    """Advance means (N, 5) and covariances (N, 5, 5) by ``dt``; ``turning`` (N,) picks the motion model.

    ``accel_std`` [m/s2] and ``turn_std`` [rad/s2 for turning rows, rad/s of heading walk for the others], (N,), are the
    white noise that drives the models.
    """
    _, _, yaw, v, w = mean.T
    half = 0.5 * w * dt
    sinc = np.sinc(half / np.pi)
    # derivative of sin(a)/a; its series near zero
    dsinc = np.where(np.abs(half) < 1e-3, -half / 3, (np.cos(half) - sinc) / np.where(half == 0, 1.0, half))
    c, s = np.cos(yaw + half), np.sin(yaw + half)
    flat = ~turning
    out = mean.copy()
    out[:, 0] += np.where(turning, v * dt * sinc * c, v * dt)
    out[:, 1] += np.where(turning, v * dt * sinc * s, w * dt)
    out[turning, 2] = wrap(yaw[turning] + w[turning] * dt)
    jacobian = np.broadcast_to(np.eye(STATES), cov.shape).copy()
    jacobian[:, 0, 2] = np.where(turning, -v * dt * sinc * s, 0.0)
    jacobian[:, 1, 2] = np.where(turning, v * dt * sinc * c, 0.0)
    jacobian[:, 0, 3] = np.where(turning, dt * sinc * c, dt)
    jacobian[:, 1, 3] = np.where(turning, dt * sinc * s, 0.0)
    jacobian[:, 0, 4] = np.where(turning, 0.5 * v * dt * dt * (dsinc * c - sinc * s), 0.0)
    jacobian[:, 1, 4] = np.where(turning, 0.5 * v * dt * dt * (dsinc * s + sinc * c), dt)
    jacobian[turning, 2, 4] = dt
    noise = np.zeros((len(mean), STATES, 3))
    noise[:, 0, 0] = np.where(turning, 0.5 * dt * dt * c, 0.5 * dt * dt) * accel_std
    noise[:, 1, 0] = np.where(turning, 0.5 * dt * dt * s, 0.0) * accel_std
    noise[:, 3, 0] = dt * accel_std
    noise[flat, 1, 1] = 0.5 * dt * dt * accel_std[flat]
    noise[flat, 4, 1] = dt * accel_std[flat]
    noise[turning, 2, 2] = 0.5 * dt * dt * turn_std[turning]
    noise[turning, 4, 2] = dt * turn_std[turning]
    noise[flat, 2, 2] = np.sqrt(dt) * turn_std[flat]
    return out, symmetric(jacobian @ cov @ jacobian.transpose(0, 2, 1) + noise @ noise.transpose(0, 2, 1))


def update(mean: Array, cov: Array, turning: Mask, measured: Array, noise: Array) -> tuple[Array, Array]:
    """Correct rows with measurements (N, 5) of noise (N, 5, 5); the Joseph form keeps the covariance positive."""
    _, _, yaw, v, w = mean.T
    c, s = np.cos(yaw), np.sin(yaw)
    expected = mean.copy()
    expected[:, 3] = np.where(turning, v * c, v)
    expected[:, 4] = np.where(turning, v * s, w)
    h = np.broadcast_to(np.eye(STATES), cov.shape).copy()
    h[turning, 3:, 3:] = 0.0
    h[turning, 3, 2] = (-v * s)[turning]
    h[turning, 4, 2] = (v * c)[turning]
    h[turning, 3, 3] = c[turning]
    h[turning, 4, 3] = s[turning]
    innovation = measured - expected
    innovation[:, 2] = wrap(innovation[:, 2])
    out, cov = _correct(mean, cov, h, innovation, noise)
    out[:, 2] = wrap(out[:, 2])
    return out, cov


def hold_still(mean: Array, cov: Array, std: float) -> tuple[Array, Array]:
    """Correct rows with the pseudo-measurement that both motion states are zero, of standard deviation ``std``."""
    h = np.zeros((len(mean), 2, STATES))
    h[:, 0, 3] = h[:, 1, 4] = 1.0
    noise = np.broadcast_to(np.eye(2) * std**2, (len(mean), 2, 2))
    return _correct(mean, cov, h, -mean[:, 3:], noise)


def freeze(mean: Array, cov: Array) -> tuple[Array, Array]:
    """Rows that cannot move: motion states zero, known almost exactly, and not correlated with the rest."""
    mean, cov = mean.copy(), cov.copy()
    mean[:, 3:] = 0.0
    cov[:, 3:, :] = 0.0
    cov[:, :, 3:] = 0.0
    cov[:, 3, 3] = cov[:, 4, 4] = 1e-6
    return mean, cov


def turn_around(mean: Array, cov: Array) -> tuple[Array, Array]:
    """Turning rows with the heading reversed and the same motion."""
    mean, cov = mean.copy(), cov.copy()
    mean[:, 2] = wrap(mean[:, 2] + np.pi)
    mean[:, 3] *= -1
    cov[:, 3, :] *= -1
    cov[:, :, 3] *= -1
    return mean, cov


def position_noise(xy: Array, ego_xy: Array, base_m: Array, per_metre: Array) -> Array:
    """Covariances (N, 2, 2) of positions seen from ``ego_xy``: cameras tell direction better than range.

    The standard deviation along the ray is ``base_m + per_metre * range``, across it 0.6 times that.
    """
    ray = xy - ego_xy
    distance = np.hypot(ray[:, 0], ray[:, 1])
    ray = ray / np.maximum(distance, 1e-6)[:, None]
    along = (base_m + per_metre * distance) ** 2
    across = 0.36 * along
    outer = ray[:, :, None] * ray[:, None, :]
    return across[:, None, None] * np.eye(2) + (along - across)[:, None, None] * outer


def symmetric(cov: Array) -> Array:
    """Remove the asymmetry that rounding leaves."""
    return 0.5 * (cov + cov.transpose(0, 2, 1))


def _correct(mean: Array, cov: Array, h: Array, innovation: Array, noise: Array) -> tuple[Array, Array]:
    ph = cov @ h.transpose(0, 2, 1)
    gain = np.linalg.solve(h @ ph + noise, ph.transpose(0, 2, 1)).transpose(0, 2, 1)
    keep = np.eye(STATES) - gain @ h
    corrected = keep @ cov @ keep.transpose(0, 2, 1) + gain @ noise @ gain.transpose(0, 2, 1)
    return mean + (gain @ innovation[..., None])[..., 0], symmetric(corrected)
