"""The recipe that the shipped network comes from: which folders of samples, how it is validated, how it is released.

A data folder holds ``{rig}_train`` and ``{rig}_val`` for every rig; the towns of the latter are never trained on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from autodrive.data.checkpoint import load_weights
from autodrive.data.dataset import Source, list_samples
from autodrive.data.evaluate_perception import Progress, evaluate_perception, evaluate_samples, headline, torch_runner
from autodrive.data.export import code_revision, describe_samples, export_network
from autodrive.data.generate import generate
from autodrive.data.sample import load_sample
from autodrive.data.train import Validate, loss_names, read_csv
from autodrive.errors import InputError
from autodrive.inference.manifest import load_manifest, write_manifest
from autodrive.rig import Rig
from autodrive.vision.network import VisionNetwork

VALIDATION_FRAMES = 40


@dataclass(frozen=True)
class DataSet:
    """Samples of one rig that are generated together; ``folder`` is below the data folder."""

    folder: str
    rig: str
    towns: tuple[str, ...]
    count: int
    seed: int


# the town "summit" is never trained on
DATA_SETS = (
    DataSet("car_train", "car", ("brook", "harbor"), 8000, 1),
    DataSet("humanoid_train", "humanoid", ("brook", "harbor"), 16000, 2),
    DataSet("car_val", "car", ("summit",), 300, 900001),
    DataSet("humanoid_val", "humanoid", ("summit",), 300, 900002),
)
# of four examples; boxes on tables, small and many, take longer to learn than cars
SHARES = {"car": 1, "humanoid": 3}


def generate_missing(data: Path, workers: int) -> None:
    """Make what the data folder lacks of DATA_SETS; files that exist and are whole stay."""
    for item in DATA_SETS:
        generate(item.rig, item.towns, item.count, item.seed, data / item.folder, workers)


def training_sources(data: Path, rigs: Sequence[Rig]) -> tuple[Source, ...]:
    """The training samples of each rig; raises InputError when a rig has none."""
    sources = tuple(Source(data, rig.name, rig.extent, SHARES.get(rig.name, 1)) for rig in rigs)
    for source in sources:
        if not source.files():
            raise InputError(f"{data} holds no samples of rig {source.rig!r}; add --generate to make them")
    return sources


def make_validator(data: Path, rigs: Sequence[Rig], frames: int = VALIDATION_FRAMES) -> Validate:
    """Scores a network on some frames of every ``{rig}_val`` folder; NaN for a rig that has none yet."""

    def validate(network: VisionNetwork) -> dict[str, float]:
        scores: dict[str, float] = {}
        run = torch_runner(network, bfloat16=True)
        for rig in rigs:
            files = list_samples(data / f"{rig.name}_val")
            # spread over the folder: neighbours show the same scene
            files = files[:: max(1, len(files) // frames)][:frames]
            metrics = evaluate_samples(run, (load_sample(f) for f in files), rig) if files else None
            scores |= headline(rig.name, metrics)
        return scores

    return validate


def draw_curves(out: Path) -> Path:
    """Draw log.csv and validation.csv of a run directory as curves.png."""
    log, scores = read_csv(out / "log.csv"), read_csv(out / "validation.csv")
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6), dpi=110)
    for name in ("loss", *loss_names()):
        if name in log:
            left.plot(log["step"], log[name], label=name, linewidth=2 if name == "loss" else 1)
    left.set(xlabel="step", ylabel="loss part (unweighted)", yscale="log", title="Training")
    for name, values in scores.items():
        # a class without truth in the validation frames has no curve
        if name not in ("step", "seconds") and any(v == v for v in values):
            right.plot(scores["step"], values, ".-", label=name)
    right.set(xlabel="step", ylabel="AP (car 2 m, humanoid 1 m) and IoU", ylim=(0, 1), title="Validation town")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    with tempfile.NamedTemporaryFile(dir=out, suffix=".png", delete=False) as file:
        figure.savefig(file, format="png")
    plt.close(figure)
    os.replace(file.name, out / "curves.png")
    return out / "curves.png"


def release(
    checkpoint: Path,
    data: Path,
    rigs: Sequence[Rig],
    out: Path,
    frames: int | None = None,
    progress: Progress | None = None,
    threads: int = 2,
    start: Path | None = None,
) -> Path:
    """Export a checkpoint, score the exported file on the validation folders, and state it all in the manifest.

    ``start`` is the manifest of the network that the run went on from.
    """
    network = VisionNetwork()
    done = load_weights(checkpoint, network)
    folders = sorted(
        f for rig in rigs for kind in ("train", "val") for f in data.glob(f"{rig.name}_{kind}*") if f.is_dir()
    )
    training: dict[str, Any] = {
        "steps": done.step,
        "seconds": round(done.seconds),
        "seed": done.seed,
        "code_revision": code_revision(),
        "torch": str(torch.__version__),
        "went_on_from_sha256": load_manifest(start).sha256 if start else "",
        "data": describe_samples(folders),
    }
    path = export_network(network, out, training)
    metrics = {}
    for rig in rigs:
        folder = data / f"{rig.name}_val"
        if list_samples(folder):
            metrics[rig.name] = evaluate_perception(path, rig, folder, frames, progress, threads)
    write_manifest(path, replace(load_manifest(path), metrics=metrics))
    return path
