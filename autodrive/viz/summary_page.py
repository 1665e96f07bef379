"""What the summary pages of all bodies share: colours, time series, figures, latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

matplotlib.use("agg")

INK, ACCENT, WARN, PALE = "#1b1f24", "#1f77b4", "#d62728", "#9aa4b1"


def series(
    axes: Axes, label: str, t: NDArray[np.float64], values: NDArray[np.float64], color: str = ACCENT, name: str = ""
) -> None:
    """A line over time; several calls draw several lines."""
    axes.plot(t, values, color=color, lw=1.2, label=name or None)
    axes.set_ylabel(label)
    axes.set_xlabel("t [s]")
    axes.grid(visible=True, alpha=0.3)


def numbers(axes: Axes, lines: Sequence[tuple[str, str]]) -> None:
    """Names on the left, values on the right."""
    axes.axis("off")
    for k, (name, value) in enumerate(lines):
        y = 1 - (k + 0.5) / len(lines)
        axes.text(0, y, name, transform=axes.transAxes, color=PALE, va="center")
        axes.text(1, y, value, transform=axes.transAxes, color=INK, va="center", ha="right", weight="bold")


def latency(axes: Axes, latency_ms: Mapping[str, Mapping[str, float]]) -> None:
    """Median and 99th percentile per stage."""
    stages = list(latency_ms)
    y = np.arange(len(stages))
    axes.barh(y, [latency_ms[s]["p99"] for s in stages], color=PALE, label="p99")
    axes.barh(y, [latency_ms[s]["p50"] for s in stages], color=ACCENT, height=0.5, label="p50")
    axes.set_yticks(y, stages)
    axes.invert_yaxis()
    axes.set_xlabel("camera stamp to output [ms, wall]")
    axes.legend(frameon=False)
