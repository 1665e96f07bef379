"""Where a box is, how it is turned and how large it is, from its outlines in several images.

One outline leaves range and size open; outlines from places half a metre apart do not. What the network and the table
say is the prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import least_squares

from autodrive.geometry import Array, Pose2, wrap_angle
from autodrive.humanoid.arm_task import BoxPose
from autodrive.vision.outline import Outline

KEPT = 14  # outlines
LEAST = 3
SIDES = 12  # directions in which an outline is compared
# of each side: a third of a pixel; of all together: how the body leans, and what odometry drifts while it walks
OUTLINE_STD_RAD, SWAY_STD_RAD, DRIFT_RAD_PER_M = 0.002, 0.004, 0.012
PRIOR_STD = (0.3, 0.3, 0.12, 0.3, 0.05, 0.05, 0.05)  # x, y, bottom [m], yaw [rad], length, width, height [m]
TABLE_STD_M = 0.08  # of the bottom of what stands on a table that is known
SMALLEST_M = 0.05
BELIEVED = 1.5  # so many standard deviations off the prior: outlines of something else, though they agree
SURE_M = 0.06  # standard deviation of x, y and the bottom of what counts as measured
ROUGH_M = 0.10  # up to here a fit is nearer to the truth than what it started from: 4 cm against 8 in the median
COARSE_TO_FINE = (10.0, 3.0, 1.0)  # times what outlines may be off: a poor start must not hold on to outliers
FITS_RAD = 0.002  # true ones do by 0.001; most of those above 0.004 are over 0.1 m off
_TURNS = np.linspace(0.0, 2 * math.pi, SIDES, endpoint=False)
_SIDES = np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])
_CORNERS = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])


@dataclass(frozen=True, slots=True)
class _View:
    """One outline in map: the eye (3,), a basis (3, 3) whose third row looks at the box, how far the outline reaches to
    every side (SIDES,), and how far the body had walked by then (1,)."""

    eye: Array
    basis: Array
    extents: Array
    walked: Array


@dataclass(frozen=True, slots=True)
class FittedBox:
    """A box that fits outlines, and the standard deviation [m] of its place."""

    pose: BoxPose
    std_m: float

    @property
    def sure(self) -> bool:
        """Whether it is known well enough for hands."""
        return self.std_m <= SURE_M


@dataclass
class BoxFit:
    """Outlines of one box, and the box that fits them."""

    views: list[_View] = field(default_factory=list)
    _walked: float = 0.0
    _eye: Array | None = None

    def add(self, outline: Outline, body: Pose2) -> None:
        """Take in an outline seen from ``body`` (base_link in map)."""
        eye, rays = np.array(outline.eye), np.array(outline.rays)
        eye[:2] = body.apply(eye[:2])
        rays[:, :2] = body.rotate(rays[:, :2])
        ahead = rays.mean(axis=0) / np.linalg.norm(rays.mean(axis=0))
        side = np.cross(ahead, (0.0, 0.0, 1.0))
        side /= np.linalg.norm(side)
        basis = np.array([side, np.cross(ahead, side), ahead])
        local = rays @ basis.T
        self._walked += 0.0 if self._eye is None else float(np.linalg.norm(eye - self._eye))
        self._eye = eye
        self.views.append(_View(eye, basis, _extents(local[:, :2] / local[:, 2:]), np.array([self._walked])))
        if len(self.views) > KEPT:
            self._thin_out()

    def _thin_out(self) -> None:
        """Of the two outlines from places nearest to each other the older one goes: the others tell more of range."""
        eyes = np.array([view.eye for view in self.views])
        apart = np.linalg.norm(eyes[:, None] - eyes[None], axis=-1) + 1e9 * np.tri(len(eyes))
        self.views.pop(int(np.unravel_index(apart.argmin(), apart.shape)[0]))

    def solve(self, prior: BoxPose, on_table: bool = False) -> FittedBox | None:
        """The box, given what is believed of it, and whether its bottom is a table's top.

        None while outlines are few, leave it open, or fit no box.
        """
        if len(self.views) < LEAST:
            return None
        deviation = np.array(PRIOR_STD)
        if on_table:
            deviation[2] = TABLE_STD_M
        start = np.array([prior.x, prior.y, prior.bottom, prior.yaw, prior.length, prior.width, prior.height])
        names = ("eye", "basis", "extents", "walked")
        views = _View(*(np.array([getattr(view, name) for view in self.views]) for name in names))
        whiten = _whiten(self._walked - views.walked[:, 0])
        box = start
        for slack in COARSE_TO_FINE:
            known = start, deviation, views, whiten / slack
            found = least_squares(_misfit, box, args=known, loss="soft_l1", max_nfev=30)
            box = found.x
        strange = (np.abs(box - start) / deviation)[[0, 1, 2, 4, 5, 6]].max() > BELIEVED
        if strange or _off(box, views) > FITS_RAD or box[4:].min() < SMALLEST_M:
            self.views = self.views[len(self.views) // 3 :]  # it was pushed, or was another box
            return None
        std_m = math.sqrt(float(np.linalg.inv(found.jac.T @ found.jac).diagonal()[:3].max()))
        if std_m > ROUGH_M:
            return None
        x, y, bottom, yaw, length, width, height = box.tolist()
        return FittedBox(BoxPose(x, y, bottom + height / 2, wrap_angle(yaw), length, width, height), std_m)


def _whiten(walked_m: Array) -> Array:
    """(K, SIDES, SIDES): turns what is alike in all sides of an outline into independent errors of deviation 1."""
    sway = np.hypot(SWAY_STD_RAD, DRIFT_RAD_PER_M * walked_m)[:, None, None]
    covariance = OUTLINE_STD_RAD**2 * np.eye(SIDES) + sway**2 * (_SIDES @ _SIDES.T)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))


def _misfit(box: Array, prior: Array, deviation: Array, views: _View, whiten: Array) -> Array:
    outlines = whiten @ (_seen(box, views) - views.extents)[..., None]
    return np.concatenate([outlines.ravel(), (box - prior) / deviation])


def _off(box: Array, views: _View) -> float:
    """By how much [rad] half of the outlines' sides are off at most, but for sway."""
    off = _seen(box, views) - views.extents
    off = off - off @ _SIDES @ _SIDES.T * (2.0 / SIDES)
    return float(np.median(np.abs(off)))


def _seen(box: Array, views: _View) -> Array:
    """Extents (views, SIDES) of a box (x, y, bottom, yaw, length, width, height)."""
    c, s = math.cos(box[3]), math.sin(box[3])
    local = _CORNERS * box[4:]
    corners = np.column_stack([c * local[:, 0] - s * local[:, 1], s * local[:, 0] + c * local[:, 1], local[:, 2]])
    corners = (corners + box[:3] - views.eye[:, None]) @ views.basis.transpose(0, 2, 1)
    return _extents(corners[..., :2] / np.maximum(corners[..., 2:], 0.1))


def _extents(points: Array) -> Array:
    """How far points (..., M, 2) reach to every side (..., SIDES)."""
    return np.asarray((points @ _SIDES.T).max(axis=-2))
