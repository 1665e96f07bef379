"""The runtimes of this GPU beside onnxruntime on the CPU: do they see alike, and how long does a frame take?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autodrive.camera.gpu_preprocess import GpuFrontEnd
from autodrive.data.compare_engines import compare_engines
from autodrive.data.dataset import list_samples
from autodrive.data.export import example_inputs
from autodrive.data.sample import load_sample
from autodrive.errors import EngineError, EnvironmentProblem, InputError
from autodrive.gpu_check.kernels import random_images, ring_of_cameras
from autodrive.gpu_check.report import Table
from autodrive.inference.engine import GPU_RUNTIMES, Engine, load_engine
from autodrive.inference.manifest import read_network
from autodrive.inference.timing import time_in_turns
from autodrive.inference.torch_engine import TorchEngine
from autodrive.rig import Rig
from autodrive.vision.perceiver import Perceiver

LEAST_COSINE = 0.999
MOST_AP_POINTS_LOST = 1.0
CAMERA_COUNTS = (2, 4, 8)
ROUNDS = 100
WARM_UP = 5


def load_all(manifest: Path, threads: int) -> tuple[list[Engine], list[str]]:
    """onnxruntime on the CPU first, then every runtime that computes on the GPU here, and why others do not.

    Raises EnvironmentProblem when none does.
    """
    stated, data = read_network(manifest)
    engines: list[Engine] = [load_engine(manifest, threads=threads)]
    reasons = []
    if torch.cuda.is_available():
        engines += [TorchEngine(data, stated, threads, half) for half in (False, True)]
    else:
        reasons.append(f"Left out: torch {torch.__version__} sees no GPU; the pinned one is built for CPUs")
    for runtime in GPU_RUNTIMES:
        try:
            engines.append(load_engine(manifest, runtime))
        except EngineError as error:
            reasons.append(f"Left out: {error}")
    if len(engines) == 1:
        raise EnvironmentProblem("; ".join(("no runtime computes on this GPU", *reasons)))
    return engines, reasons


def check_parity(engines: Sequence[Engine], reasons: Sequence[str], rigs: Sequence[Rig], frames: Path) -> Table:
    """Lowest cosine of every output and the precision of what is decoded, on labelled frames."""
    reference, *candidates = engines
    rows: list[dict[str, Any]] = []
    for rig in rigs:
        files = list_samples(frames / rig.name)
        if not files:
            raise InputError(f"{frames / rig.name} holds no frames; `make gpu-check` makes them")
        for candidate in candidates:
            result = compare_engines(reference, candidate, rig, (load_sample(file) for file in files))
            lowest = {f"cosine {name}": round(value, 6) for name, value in result.cosine.items()}
            points = round(result.ap_points_lost, 3)
            rows.append(
                {
                    "runtime": candidate.runtime,
                    "rig": rig.name,
                    "frames": len(files),
                    **lowest,
                    "AP points lost": points,
                }
            )
    # where there was no truth, points are NaN and say nothing; outputs that are not finite have a cosine of NaN
    passed = not any(
        row["AP points lost"] > MOST_AP_POINTS_LOST
        or not all(value >= LEAST_COSINE for name, value in row.items() if name.startswith("cosine"))
        for row in rows
    )
    notes = (
        f"Reference: {reference.runtime}, float32, on the CPU. Frames of an unseen town, with memory.",
        f"Wanted: cosine at least {LEAST_COSINE}, at most {MOST_AP_POINTS_LOST} AP points lost.",
        *reasons,
    )
    return Table("Runtimes against onnxruntime", tuple(rows), passed, notes)


def measure_latency(engines: Sequence[Engine]) -> Table:
    """Host arrays in, host arrays out; the runtimes take turns."""
    rows = []
    for cameras in CAMERA_COUNTS:
        times = time_in_turns(engines, example_inputs(cameras), ROUNDS, time.perf_counter)
        reference = float(np.median(times[0]))
        for engine, taken in zip(engines, times, strict=True):
            rows.append({"cameras": cameras, "runtime": engine.runtime, **_milliseconds(taken, reference)})
    note = f"{ROUNDS} frames each, in turns, memory included: images copied in, all outputs copied out."
    return Table("Latency of the network", tuple(rows), None, (note,))


def measure_chain(engines: Sequence[Engine], rig: Rig, source: Path) -> Table:
    """Camera images of the host to decoded objects: all on the CPU, network on the GPU, both on the GPU."""
    rows = []
    cpu, gpu = engines[0], engines[1]
    for count, size in ((4, (640, 400)), (8, (1280, 960))):
        ring = ring_of_cameras(rig, count, *size, (-0.25, 0.08, 0.001, -0.0005, -0.01))
        images = random_images(ring, 1)
        ways = {
            f"CPU, then {cpu.runtime}": Perceiver(cpu, ring),
            f"CPU, then {gpu.runtime}": Perceiver(gpu, ring),
            f"kernel, then {gpu.runtime}": Perceiver(gpu, ring, front_end=GpuFrontEnd(gpu, ring, source)),
        }
        times = _in_turns([_frame(perceiver, images) for perceiver in ways.values()])
        reference = float(np.median(times[0]))
        for name, taken in zip(ways, times, strict=True):
            rows.append({"cameras": f"{count} x {size[0]}x{size[1]}", "way": name, **_milliseconds(taken, reference)})
    note = "Pre-processing, network and decoding of random images through the Perceiver that the node runs, in turns."
    return Table("Whole chain, images to objects", tuple(rows), None, (note,))


def _frame(perceiver: Perceiver, images: list[NDArray[np.uint8]]) -> Callable[[], object]:
    return lambda: perceiver(images, 0, None)


def _in_turns(works: Sequence[Callable[[], object]]) -> list[list[float]]:
    taken: list[list[float]] = [[] for _ in works]
    for round_ in range(WARM_UP + ROUNDS // 2):
        for work, seconds in zip(works, taken, strict=True):
            begin = time.perf_counter()
            work()
            if round_ >= WARM_UP:
                seconds.append(time.perf_counter() - begin)
    return taken


def _milliseconds(seconds: Sequence[float], reference: float) -> dict[str, float]:
    median = float(np.median(seconds))
    return {
        "p50, ms": round(median * 1e3, 3),
        "p99, ms": round(float(np.quantile(seconds, 0.99)) * 1e3, 3),
        "times as fast as the first": round(reference / median, 2),
    }
