"""Frames to calibrate an int8 network with: samples of every rig, as the network meets them on the road."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from autodrive.data.augment import plain_view
from autodrive.data.dataset import list_samples
from autodrive.data.evaluate_perception import Arrays, Run, network_inputs
from autodrive.data.sample import load_sample
from autodrive.errors import InputError
from autodrive.rig import Rig


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """``count`` files evenly spread over the list, all where there are fewer."""
    if count < 1:
        raise InputError(f"at least one calibration frame is needed, got {count}")
    step = max(1.0, len(files) / count)
    return [files[int(index * step)] for index in range(min(count, len(files)))]


def calibration_inputs(run: Run, sources: Sequence[tuple[Path, Rig]], count: int) -> Iterator[Arrays]:
    """Inputs of both frames of ``count`` samples of every folder: one without memory, one with what ``run`` remembered.

    Raises InputError that names a folder without samples.
    """
    for folder, rig in sources:
        files = list_samples(folder)
        if not files:
            raise InputError(f"{folder} holds no samples to calibrate with; make some: autodrive train --generate")
        for file in spread(files, count):
            view = plain_view(load_sample(file), rig.extent)
            first = network_inputs(view, view.previous_images, None)
            yield first
            yield network_inputs(view, view.images, run(first)["features"])
