"""Score the network on labelled frames: the shipped engine by its runtime, or the weights of a run in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autodrive.data.augment import View, plain_view
from autodrive.data.dataset import list_samples, normalise
from autodrive.data.metrics import BANDS, GROUPS, EvaluatedFrame, summarise
from autodrive.data.sample import Sample, load_sample
from autodrive.data.targets import ground_targets, visible_objects
from autodrive.errors import InputError
from autodrive.inference.engine import load_engine
from autodrive.rig import Rig
from autodrive.scene import DetectedObject, GridExtent, GroundClass, ObjectClass
from autodrive.vision.decode import DecodeConfig, decode_objects
from autodrive.vision.layout import GRID_CELLS, MEMORY_CHANNELS
from autodrive.vision.network import ExportedNetwork, VisionNetwork

# average precision needs the low-scoring predictions too
EVALUATION = DecodeConfig(score_threshold=0.03, max_objects=150)
Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]
Progress = Callable[[int, int], None]


def network_inputs(view: View, images: NDArray[np.uint8], features: NDArray[np.float32] | None) -> Arrays:
    """Inputs of one frame of a view; ``features`` of the earlier frame, None for none."""
    motion = view.previous_from_current
    memory = np.zeros((1, MEMORY_CHANNELS, GRID_CELLS, GRID_CELLS), np.float32) if features is None else features
    tensors = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return {
        "images": normalise(tensors).contiguous().numpy(),
        "intrinsics": view.intrinsics,
        "optical_from_base": view.told_optical_from_base,
        "extent": view.extent.as_array(),
        "memory": memory,
        "previous_from_current": np.array([motion.x, motion.y, motion.yaw], np.float32),
        "memory_dt": np.array([0.0 if features is None else view.dt], np.float32),
    }


def evaluate_frame(
    run: Run, sample: Sample, extent: GridExtent, images: NDArray[np.uint8] | None = None
) -> EvaluatedFrame:
    """Run a sample's two frames as on the road (the earlier one as memory) and put the truth beside the result.

    ``images`` replaces the current images, for the control that feeds another frame's.
    """
    view = plain_view(sample, extent)
    features = run(network_inputs(view, view.previous_images, None))["features"]
    outputs = run(network_inputs(view, view.images if images is None else images, features))
    ground_truth, ground_weight = ground_targets(view, sample.masks, sample.mask_half_extent)
    return EvaluatedFrame(
        extent,
        decode_objects(outputs["heat"][0], outputs["box"][0], extent, EVALUATION),
        tuple(_truth(row) for row in sample.objects.tolist()),
        visible_objects(view),
        outputs["ground"][0],
        ground_truth > 0.5,
        ground_weight > 0,
    )


def _truth(row: Sequence[float]) -> DetectedObject:
    label, x, y, z, yaw, length, width, height, vx, vy, _ = row
    return DetectedObject(ObjectClass(int(label)), 1.0, x, y, z, yaw, length, width, height, vx, vy)


def evaluate_samples(
    run: Run,
    samples: Iterable[Sample],
    rig: Rig,
    progress: Progress | None = None,
    total: int = 0,
    shuffle: bool = False,
) -> dict[str, Any]:
    """All metrics over samples of one rig.

    ``shuffle`` is a control: every frame is shown the images of the frame before it, so that what is still found was
    never seen.
    """
    frames: list[EvaluatedFrame] = []
    other: NDArray[np.uint8] | None = None
    for sample in samples:
        current = plain_view(sample, rig.extent, memory=False).images
        if not shuffle or other is not None:
            frames.append(evaluate_frame(run, sample, rig.extent, other if shuffle else None))
        other = current
        if progress:
            progress(len(frames), total)
    if not frames:
        raise InputError(f"no frames of rig {rig.name!r} to evaluate")
    size = rig.extent.x_max - rig.extent.x_min
    return summarise(frames, BANDS.get(rig.name, ((0.0, size / 4), (size / 4, size / 2), (0.0, size / 2))))


def evaluate_perception(
    engine_manifest: Path,
    rig: Rig,
    samples: Iterable[Sample] | Path,
    frames: int | None = None,
    progress: Progress | None = None,
    threads: int = 2,
) -> dict[str, Any]:
    """Score a shipped engine on ``samples``: a directory of them, or any iterable (freshly generated, say).

    Returns plain JSON values: engine, runtime, rig, towns, and the metrics of ``summarise``.
    """
    engine = load_engine(engine_manifest, threads=threads)
    if isinstance(samples, Path):
        files = list_samples(samples)[:frames]
        if not files:
            raise InputError(f"{samples} holds no samples")
        samples = (load_sample(file) for file in files)
        frames = len(files)
    towns: set[str] = set()
    result = evaluate_samples(engine.run, _noting_towns(samples, towns), rig, progress, frames or 0)
    identity = {"file": engine.manifest.file, "sha256": engine.manifest.sha256, "runtime": engine.runtime}
    return {"engine": identity, "rig": rig.name, "towns": sorted(towns), **result}


def _noting_towns(samples: Iterable[Sample], towns: set[str]) -> Iterator[Sample]:
    for sample in samples:
        towns.add(sample.town)
        yield sample


def torch_runner(network: VisionNetwork, bfloat16: bool = False) -> Run:
    """The network as a function of the shipped engine's inputs, for weights that are not exported yet."""
    module = ExportedNetwork(network).eval()
    device = next(network.parameters()).device

    def run(inputs: Arrays) -> Arrays:
        tensors = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            outputs = module(**tensors)
        names = ("heat", "box", "ground", "features")
        return {name: value.float().cpu().numpy() for name, value in zip(names, outputs, strict=True)}

    return run


def headline(rig_name: str, metrics: dict[str, Any] | None) -> dict[str, float]:
    """The few numbers that a training curve shows, prefixed with the rig's name; NaN where there was no truth.

    Average precision at 2 m within 20 m for the car, at 1 m within the whole range for any other rig.
    """
    distance, band = ("2", "0-20") if rig_name == "car" else ("1", None)
    content = {"map": {}, "classes": {}} if metrics is None else metrics["bands"][band or list(metrics["bands"])[-1]]
    result = {f"{rig_name}_map": content["map"].get(distance)}
    for label in GROUPS:
        found = content["classes"].get(label)
        result[f"{rig_name}_{label}"] = found["ap"][distance] if found else None
    for kind in GroundClass:
        name = kind.name.lower()
        result[f"{rig_name}_iou_{name}"] = metrics["ground_iou"][name] if metrics else None
    return {name: float("nan") if value is None else float(value) for name, value in result.items()}
