"""soak.png: how memory, descriptors and latencies went over a long run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from autodrive.soak import Sample

PANELS = (
    ("memory_mib", "own memory, MiB"),
    ("descriptors", "open descriptors"),
    ("threads", "threads"),
    ("load", "load of the whole machine, others included"),
    ("cpu_ms", "processor time for a frame, ms"),
    ("p50_ms", "median from the camera stamp, ms"),
)


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Write the picture: a panel for each kind of value, a line for each process or stage."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    for axes, (what, title) in zip(figure.subplots(3, 2).flat, PANELS, strict=True):
        for process in dict.fromkeys(s.process for s in samples if what in s.values):
            chosen = [s for s in samples if s.process == process and what in s.values]
            axes.plot([s.wall_s / 60 for s in chosen], [s.values[what] for s in chosen], label=process, lw=1.2)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("minutes")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=110)
