"""A picture of a calibration: where the corners were, how far off they are, and what the lens does to the image."""

from __future__ import annotations

import io

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from autodrive.camera.calibrate import Result, corner_counts
from autodrive.camera.camera_info import Calibration


def draw_report(result: Result, example: NDArray[np.uint8]) -> bytes:
    """PNG; ``example`` is one of the images, RGB (H, W, 3)."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    _draw_corners(axes[0, 0], result)
    _draw_residuals(axes[0, 1], result)
    _draw_views(axes[0, 2], result)
    axes[1, 0].imshow(example)
    axes[1, 0].set_title("as the camera sees it")
    axes[1, 1].imshow(undistorted(result.calibration, example))
    axes[1, 1].set_title("without the lens: straight edges must be straight")
    _write_figures(axes[1, 2], result)
    file = io.BytesIO()
    canvas.print_png(file)
    return file.getvalue()


def undistorted(calibration: Calibration, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image that a pinhole camera of the same K would take."""
    c, size = calibration, (calibration.width, calibration.height)
    if c.model == "equidistant":
        maps = cv2.fisheye.initUndistortRectifyMap(c.K, c.distortion, np.eye(3), c.K, size, cv2.CV_16SC2)
    else:
        maps = cv2.initUndistortRectifyMap(c.K, c.distortion, np.eye(3), c.K, size, cv2.CV_16SC2)
    return np.asarray(cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR), np.uint8)


def _draw_corners(axes: Axes, result: Result) -> None:
    c = result.calibration
    extent = (-0.5, c.width - 0.5, c.height - 0.5, -0.5)
    axes.imshow(corner_counts(c, result.views), extent=extent, cmap="Greens", alpha=0.6)
    for view in result.views:
        axes.plot(*view.pixels.T, ".", markersize=2)
    axes.set_title(f"corners: {100 * result.coverage:.0f} % of the image")


def _draw_residuals(axes: Axes, result: Result) -> None:
    for residuals in result.residuals:
        axes.plot(*residuals.T, ".", markersize=3)
    axes.add_artist(Circle((0, 0), result.rms_px, fill=False, color="black"))
    axes.set_aspect("equal", "datalim")
    axes.set_title(f"found minus projected [px], RMS {result.rms_px:.3f}")
    axes.grid(alpha=0.3)


def _draw_views(axes: Axes, result: Result) -> None:
    axes.bar(range(len(result.views)), result.view_rms_px)
    axes.axhline(result.rms_px, color="black", linewidth=1)
    axes.set_title(f"RMS of each of {len(result.views)} views [px], {len(result.left_out)} left out")


def _write_figures(axes: Axes, result: Result) -> None:
    axes.axis("off")
    c = result.calibration
    fov = [np.degrees(2 * np.arctan(size / 2 / c.K[i, i])) for i, size in ((0, c.width), (1, c.height))]
    lines = [
        f"{c.name}: {c.width} x {c.height}, {c.model}",
        f"fx {c.K[0, 0]:.2f}  fy {c.K[1, 1]:.2f}  cx {c.K[0, 2]:.2f}  cy {c.K[1, 2]:.2f}",
        f"pinhole view {fov[0]:.1f} x {fov[1]:.1f} degrees",
        "distortion " + " ".join(f"{v:.4f}" for v in c.distortion),
        *(f"DOUBT: {doubt}" for doubt in result.doubts()),
    ]
    axes.text(0, 1, "\n".join(lines), va="top", wrap=True, family="monospace", fontsize=9)
