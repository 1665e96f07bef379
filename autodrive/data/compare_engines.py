"""Two engines that should see alike, on the same labelled frames: their outputs, what they find, and their speed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.data.evaluate_perception import Arrays, Progress, evaluate_frame
from autodrive.data.metrics import BANDS, DISTANCES_M, EvaluatedFrame, summarise
from autodrive.data.sample import Sample
from autodrive.errors import InputError
from autodrive.inference.engine import Engine
from autodrive.rig import Rig


@dataclass(frozen=True)
class Side:
    """One of the two. ``map_percent`` by matching distance, over the whole range, None where there was no truth."""

    file: str
    sha256: str
    runtime: str
    network_ms: float
    map_percent: dict[str, float | None]
    ground_iou: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """``cosine``: per output, the lowest cosine similarity of any run; NaN when a run gave anything that is not finite.

    ``ap_points_lost``: mean over the matching distances of what the candidate finds less, negative when it finds more;
    NaN where there was no truth. ``speed_up``: the reference's median time of a run over the candidate's, runs in turn.
    """

    rig: str
    frames: int
    reference: Side
    candidate: Side
    cosine: dict[str, float]
    ap_points_lost: float
    speed_up: float


@dataclass
class _Watched:
    """An engine, and what its runs on the current frame gave and took."""

    engine: Engine
    seconds: list[float] = field(default_factory=list)
    outputs: list[Arrays] = field(default_factory=list)
    frames: list[EvaluatedFrame] = field(default_factory=list)

    def run(self, inputs: Arrays) -> Arrays:
        begin = time.perf_counter()
        result = self.engine.run(inputs)
        self.seconds.append(time.perf_counter() - begin)
        self.outputs.append(result)
        return result

    def side(self, rig: Rig) -> Side:
        band = BANDS.get(rig.name, ((0.0, rig.extent.x_max - rig.extent.x_min),))[-1]
        metrics = next(iter(summarise(self.frames, (band,))["bands"].values()))
        percent = {key: None if value is None else round(100 * value, 2) for key, value in metrics["map"].items()}
        manifest = self.engine.manifest
        return Side(
            manifest.file,
            manifest.sha256,
            self.engine.runtime,
            float(np.median(self.seconds)) * 1e3,
            percent,
            metrics["ground_iou"],
        )


def compare_engines(
    reference: Engine, candidate: Engine, rig: Rig, samples: Iterable[Sample], progress: Progress | None = None
) -> Comparison:
    """Run both on every sample as on the road, each with its own memory; raises InputError without samples.

    Scores are those of ``autodrive evaluate perception``.
    """
    one, other = _Watched(reference), _Watched(candidate)
    cosine: dict[str, float] = {}
    for sample in samples:
        for side in (one, other):
            side.outputs.clear()
            side.frames.append(evaluate_frame(side.run, sample, rig.extent))
        for stated, found in zip(one.outputs, other.outputs, strict=True):
            for name in stated:
                similarity = cosine_similarity(stated[name], found[name])
                # min() would drop a NaN
                cosine[name] = float(np.minimum(cosine.get(name, 1.0), similarity))
        if progress:
            progress(len(one.frames), 0)
    if not one.frames:
        raise InputError(f"no frames of rig {rig.name!r} to compare engines on")
    left, right = one.side(rig), other.side(rig)
    lost = [_difference(left.map_percent[f"{d:g}"], right.map_percent[f"{d:g}"]) for d in DISTANCES_M]
    return Comparison(
        rig.name,
        len(one.frames),
        left,
        right,
        cosine,
        float(np.mean(lost)),
        left.network_ms / right.network_ms,
    )


def cosine_similarity(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Of two arrays of one shape as vectors; 1 for two zeros, NaN when anything is not finite.

    Raises InputError when the shapes differ.
    """
    if a.shape != b.shape:
        raise InputError(f"outputs of shapes {a.shape} and {b.shape} cannot be compared")
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return float("nan")
    scale = float(np.linalg.norm(x) * np.linalg.norm(y))
    if scale == 0.0:
        return 1.0 if not (x.any() or y.any()) else 0.0
    return float(x @ y) / scale


def _difference(reference: float | None, candidate: float | None) -> float:
    if reference is None or candidate is None:
        return float("nan")
    return reference - candidate
