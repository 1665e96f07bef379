"""A camera's lens from views of a board, and how far the result can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.camera.boards import View
from autodrive.camera.camera_info import Calibration
from autodrive.errors import InputError

FEWEST_VIEWS = 5
OUTLIER = 3.0  # times the median error of the views: a blurred or bent board
CELLS = (8, 6)  # of the image, in which corners are counted
NEW_VIEW = 0.02  # of the image's width: views whose corners moved less are the same


@dataclass(frozen=True)
class Result:
    """``calibration`` from ``views``; ``residuals`` (N, 2) [px] of each: found minus projected.

    ``left_out`` names the views that fitted far worse.
    """

    calibration: Calibration
    views: tuple[View, ...]
    residuals: tuple[NDArray[np.float64], ...]
    left_out: tuple[str, ...]

    @property
    def rms_px(self) -> float:
        """Root mean square distance between where corners were found and where they are projected to."""
        return _rms(np.concatenate(self.residuals))

    @property
    def view_rms_px(self) -> tuple[float, ...]:
        """The same for each view."""
        return tuple(_rms(r) for r in self.residuals)

    @property
    def coverage(self) -> float:
        """Share of the image's CELLS in which any corner lay."""
        return float((corner_counts(self.calibration, self.views) > 0).mean())

    def doubts(self) -> list[str]:
        """Why this calibration should not be trusted; empty if nothing speaks against it."""
        found = []
        if self.rms_px > 1.0:
            found.append(f"{self.rms_px:.2f} px mean error: is the board flat, its size right, the model this lens's?")
        if self.coverage < 0.6:
            found.append(f"corners in {100 * self.coverage:.0f} % of the image only: hold the board into its corners")
        if len(self.views) < 10:
            found.append(f"{len(self.views)} views only: tilt and turn the board more")
        return found


def corner_counts(calibration: Calibration, views: Sequence[View]) -> NDArray[np.float64]:
    """How many corners lay in each of the image's CELLS (rows, columns)."""
    pixels = np.concatenate([view.pixels for view in views])
    extent = [[-0.5, calibration.height - 0.5], [-0.5, calibration.width - 0.5]]
    counts, _, _ = np.histogram2d(pixels[:, 1], pixels[:, 0], bins=CELLS[::-1], range=extent)
    return np.asarray(counts, np.float64)


def is_new(view: View, views: Sequence[View], width: int) -> bool:
    """Whether the board moved since every view so far: a video shows it thirty times at one place."""
    return all(
        len(view.pixels) != len(old.pixels) or np.abs(view.pixels - old.pixels).mean() > NEW_VIEW * width
        for old in views
    )


def calibrate(name: str, width: int, height: int, views: Sequence[View], model: str) -> Result:
    """Solve for ``model``, leaving out views that fit far worse than the others.

    Raises InputError when there are too few views, or when they do not determine the lens.
    """
    kept, left_out = list(views), list[str]()
    while True:
        if len(kept) < FEWEST_VIEWS:
            raise InputError(
                f"camera {name}: {len(kept)} usable views of the board, at least {FEWEST_VIEWS} are needed"
            )
        calibration, residuals = _solve(name, width, height, kept, model)
        errors = np.array([_rms(r) for r in residuals])
        worst = int(errors.argmax())
        if errors[worst] <= max(OUTLIER * float(np.median(errors)), 0.1):
            return Result(calibration, tuple(kept), tuple(residuals), tuple(left_out))
        left_out.append(kept.pop(worst).name)


def _solve(
    name: str, width: int, height: int, views: Sequence[View], model: str
) -> tuple[Calibration, list[NDArray[np.float64]]]:
    points, pixels = [v.points for v in views], [v.pixels for v in views]
    start = np.array([[0.8 * width, 0, (width - 1) / 2], [0, 0.8 * width, (height - 1) / 2], [0, 0, 1.0]])
    try:
        if model == "equidistant":
            flags = cv2.CALIB_RECOMPUTE_EXTRINSIC | cv2.CALIB_FIX_SKEW
            flags |= cv2.CALIB_USE_INTRINSIC_GUESS
            objects, images = ([a[None].astype(np.float64) for a in part] for part in (points, pixels))
            _, K, d, turns, moves = cv2.fisheye.calibrate(
                objects, images, (width, height), start, np.zeros(4), flags=flags
            )
            seen = [cv2.fisheye.projectPoints(p, r, t, K, d)[0] for p, r, t in zip(objects, turns, moves, strict=True)]
        else:
            flags = cv2.CALIB_RATIONAL_MODEL if model == "rational_polynomial" else 0
            _, K, d, turns, moves = cv2.calibrateCamera(
                points, pixels, (width, height), start, np.zeros(5), flags=flags
            )
            seen = [cv2.projectPoints(p, r, t, K, d)[0] for p, r, t in zip(points, turns, moves, strict=True)]
    except cv2.error as error:
        raise InputError(f"camera {name}: these views do not determine a {model} lens ({error.err})") from error
    distortion = np.asarray(d, np.float64).ravel()[
        : {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    ]
    if not (np.isfinite(K).all() and np.isfinite(distortion).all() and K[0, 0] > 0 and K[1, 1] > 0):
        raise InputError(f"camera {name}: these views do not determine a {model} lens (no finite solution)")
    residuals = [v.pixels - np.asarray(s, np.float64).reshape(-1, 2) for v, s in zip(views, seen, strict=True)]
    return Calibration(name, width, height, np.asarray(K, np.float64), distortion, model), residuals


def _rms(residuals: NDArray[np.float64]) -> float:
    return float(np.sqrt((residuals**2).sum(-1).mean()))
