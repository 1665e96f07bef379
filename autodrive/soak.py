"""What a long run does to a machine: growth of every process, drift of every stage, and the verdict on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WARM_UP = 0.1  # share of the run in which caches fill and allocators settle; it is shown and not judged
SHARE = 0.2  # of what is judged: its first part against its last
# how much more of each there may be at the end: as a share, and in its own unit, for a few kilobytes, one descriptor or
# a millisecond more are no leak and no drift whatever their share; scenes differ, and processors' caches are shared
LIMITS = {
    "memory_mib": (0.05, 4.0),
    "descriptors": (0.05, 2.0),
    "threads": (0.05, 1.0),
    "shared_memory_mib": (0.05, 4.0),
    "cpu_ms": (0.25, 2.0),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process (``process`` "machine": what all share) at ``wall_s``.

    ``memory_mib`` is its own; ``cpu_ms`` is the processor time that it took for a frame since the look before.
    """

    wall_s: float
    process: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trend:
    """From the median of the first part to that of the last, ``growth`` as a share of the first."""

    process: str
    what: str
    first: float
    last: float

    @property
    def growth(self) -> float:
        """0.05 is five per cent more at the end."""
        return (self.last - self.first) / self.first if self.first else 0.0

    @property
    def too_much(self) -> bool:
        """Whether this is growth that must not be."""
        share, amount = LIMITS.get(self.what, (math.inf, 0.0))
        return self.growth > share and self.last - self.first > amount


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """Growth of every value of every process, in the order in which they first appear.

    Latencies are shown and not limited: on a machine that is shared they follow its other users. Drift is told from
    ``cpu_ms``, which hardly does.
    """
    series: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for sample in samples:
        for what, value in sample.values.items():
            series.setdefault((sample.process, what), []).append((sample.wall_s, value))
    return [Trend(process, what, *_first_and_last(np.array(points))) for (process, what), points in series.items()]


def _first_and_last(points: np.ndarray) -> tuple[float, float]:
    judged = points[points[:, 0] >= points[0, 0] + WARM_UP * (points[-1, 0] - points[0, 0]), 1]
    part = max(1, round(SHARE * len(judged)))
    return float(np.median(judged[:part])), float(np.median(judged[-part:]))
