"""The runtimes of this GPU beside onnxruntime on the CPU: do they see alike, and how long does a frame take?"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autodrive.camera.gpu_preprocess import GpuFrontEnd, GpuPreprocessor
from autodrive.camera.pixel_formats import PixelFormat
from autodrive.data.compare_engines import compare_engines
from autodrive.data.dataset import list_samples
from autodrive.data.export import example_inputs
from autodrive.data.sample import load_sample
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.gpu_check.kernels import LENSES, random_images, ring_of_cameras
from autodrive.gpu_check.report import Table
from autodrive.inference.build_engine import CAMERAS, build_engine
from autodrive.inference.cuda_driver import Device
from autodrive.inference.engine import IMAGES, DeviceImages, Engine, load_engine
from autodrive.inference.manifest import read_network
from autodrive.inference.plan import RTX_CAPABILITIES
from autodrive.inference.signing import development_key
from autodrive.inference.tensorrt_load import load_tensorrt
from autodrive.inference.timing import time_in_turns
from autodrive.inference.torch_engine import TorchEngine
from autodrive.rig import Rig
from autodrive.vision.perceiver import Perceiver

LEAST_COSINE = 0.999
MOST_AP_POINTS_LOST = 1.0
CAMERA_COUNTS = (2, 4, 8)
ROUNDS = 100
BUILD_TARGETS = {"tensorrt": "host", "tensorrt_rtx": "rtx"}
WARM_UP = 5


@dataclass(frozen=True)
class Loaded:
    """``engines``: onnxruntime on the CPU first, then all that compute on the GPU here.

    ``left_out``: why others cannot be here; ``broken``: what should work on this card and did not.
    """

    engines: tuple[Engine, ...]
    left_out: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def load_all(manifest: Path, device: Device, threads: int, cache: Path) -> Loaded:
    """Every runtime in float32 and float16; TensorRT's engines are built for this card and kept in ``cache``.

    Raises EnvironmentProblem when none computes on the GPU.
    """
    stated, data = read_network(manifest)
    engines: list[Engine] = [load_engine(manifest, threads=threads)]
    left_out, broken = [], []
    if torch.cuda.is_available():
        engines += [TorchEngine(data, stated, threads, half) for half in (False, True)]
    else:
        left_out.append(f"Left out: torch {torch.__version__} sees no GPU; the pinned one is built for CPUs")
    for runtime, target in BUILD_TARGETS.items():
        if reason := _absent(runtime, device):
            left_out.append(f"Left out: {reason}")
            continue
        try:
            for precision in ("fp32", "fp16"):
                build_engine(manifest, target, precision, CAMERAS, cache / precision, development_key())
                engines.append(load_tensorrt(runtime, stated, cache=cache / precision))
        except Exception as error:  # the other runtimes still have something to show
            broken.append(f"Broken: {runtime}: {type(error).__name__}: {error}")
    if len(engines) == 1:
        raise EnvironmentProblem("; ".join(("no runtime computes on this GPU", *left_out, *broken)))
    return Loaded(tuple(engines), tuple(left_out), tuple(broken))


def _absent(runtime: str, device: Device) -> str:
    """Why a runtime cannot be expected to work here; empty when it can."""
    if runtime == "tensorrt_rtx" and device.capability not in RTX_CAPABILITIES:
        return f"{runtime} is for capabilities {', '.join(RTX_CAPABILITIES)}, this card has {device.capability}"
    if importlib.util.find_spec(runtime) is None:
        return f"{runtime} is not installed; docs/engines.md says how"
    return ""


def check_parity(loaded: Loaded, rigs: Sequence[Rig], frames: Path) -> Table:
    """Lowest cosine of every output and the precision of what is decoded, on labelled frames."""
    reference, *candidates = loaded.engines
    rows: list[dict[str, Any]] = []
    for rig in rigs:
        files = list_samples(frames / rig.name)
        if not files:
            raise InputError(f"{frames / rig.name} holds no frames")
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
    passed = not loaded.broken and not any(
        row["AP points lost"] > MOST_AP_POINTS_LOST
        or not all(value >= LEAST_COSINE for name, value in row.items() if name.startswith("cosine"))
        for row in rows
    )
    notes = (
        f"Reference: {reference.runtime}, float32, on the CPU. Frames of an unseen town, with memory.",
        f"Wanted: cosine at least {LEAST_COSINE}, at most {MOST_AP_POINTS_LOST} AP points lost.",
        *loaded.left_out,
        *loaded.broken,
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
    for count, size, ring in _rings(rig):
        images = random_images(ring, 1)
        ways = {
            f"CPU, then {cpu.runtime}": Perceiver(cpu, ring),
            f"CPU, then {gpu.runtime}": Perceiver(gpu, ring),
            **{
                f"kernel, then {engine.runtime}": Perceiver(engine, ring, front_end=GpuFrontEnd(engine, ring, source))
                for engine in engines[1:]
            },
        }
        times = _in_turns([_frame(perceiver, images) for perceiver in ways.values()])
        reference = float(np.median(times[0]))
        for name, taken in zip(ways, times, strict=True):
            rows.append({"cameras": f"{count} x {size[0]}x{size[1]}", "way": name, **_milliseconds(taken, reference)})
    note = "Pre-processing, network and decoding of random images through the Perceiver that the node runs, in turns."
    return Table("Whole chain, images to objects", tuple(rows), None, (note,))


def measure_device_path(engines: Sequence[Engine], rig: Rig, source: Path) -> Table:
    """Camera images in page-locked memory, where a driver may write them, to the network's outputs on the host."""
    rows = []
    for count, size, ring in _rings(rig):
        times = _in_turns([_device_frame(engine, ring, source) for engine in engines[1:]])
        reference = float(np.median(times[0]))
        for engine, taken in zip(engines[1:], times, strict=True):
            way = {"cameras": f"{count} x {size[0]}x{size[1]}", "runtime": engine.runtime}
            rows.append({**way, **_milliseconds(taken, reference)})
    note = "Copy into the card, kernel, network, all outputs copied out; nothing is decoded. In turns."
    return Table("Page-locked images to outputs", tuple(rows), None, (note,))


def _device_frame(engine: Engine, ring: Rig, source: Path) -> Callable[[], object]:
    cameras = len(ring.cameras)
    assert isinstance(engine, DeviceImages)
    address = engine.bind_images(cameras)
    assert address is not None
    preprocessor = GpuPreprocessor(ring, [PixelFormat.RGB8] * cameras, source)
    preprocessor.fill(random_images(ring, 1))
    others = {name: value for name, value in example_inputs(cameras).items() if name != IMAGES}

    def frame() -> None:
        preprocessor.write(address)
        engine.run_bound(others)

    return frame


def _rings(rig: Rig) -> Iterator[tuple[int, tuple[int, int], Rig]]:
    for count, size in ((4, (640, 400)), (8, (1280, 960))):
        yield count, size, ring_of_cameras(rig, count, *size, LENSES["plumb_bob"][1])


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
