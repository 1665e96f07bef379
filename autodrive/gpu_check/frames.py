"""Labelled frames to compare runtimes on: of a town that training never saw, and of halls."""

from __future__ import annotations

from pathlib import Path

from autodrive.data.dataset import list_samples
from autodrive.data.generate import generate

TOWNS = ("summit",)
COUNT = 20
SEED = 900003


def ensure_frames(folder: Path, rigs: tuple[str, ...]) -> Path:
    """Make what is missing in ``folder``/rig, which takes the simulator a minute or two; returns ``folder``."""
    for rig in rigs:
        if not list_samples(folder / rig):
            generate(rig, TOWNS, COUNT, SEED, folder / rig)
    return folder
