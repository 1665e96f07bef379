"""An engine of TensorRT or TensorRT-RTX for a GPU from a network file, kept in a cache beside a signed record."""

from __future__ import annotations

import importlib
import platform
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodrive.errors import ConfigError, EngineError, EnvironmentProblem
from autodrive.inference.cuda_driver import find_device
from autodrive.inference.manifest import Manifest, read_network
from autodrive.inference.plan import PORTABLE, Recipe, read_plan, store_plan

# compute capabilities of the Jetsons; CUDA 12 called Thor's 10.1
JETSONS = {"orin": ("8.7",), "thor": ("11.0", "10.1")}
TARGETS = ("host", "rtx", *JETSONS)
CAMERAS = (2, 8, 16)
INSTALL = {
    "tensorrt_rtx": "pip install -r requirements-gpu.txt",
    "tensorrt": "on a Jetson it comes with JetPack; elsewhere: pip install tensorrt",
}


def build_engine(
    manifest_path: Path, target: str, precision: str, cameras: tuple[int, int, int], cache: Path, key: Ed25519PrivateKey
) -> tuple[Path, bool]:
    """The record in ``cache`` of an engine for one of TARGETS, and whether it was built now: it may be there already.

    ``precision`` is one of PRECISIONS, ``cameras`` are least, usual and most, ``key`` signs. Raises ConfigError for
    impossible numbers of cameras, EngineError with what is missing or cannot be done here.
    """
    from autodrive.inference.tensorrt_build import build_plan  # onnx: only who builds pays for it

    least, usual, most = cameras
    if not 1 <= least <= usual <= most <= 16:
        raise ConfigError(f"numbers of cameras must rise within 1 and 16, got {list(cameras)}")
    manifest, data = read_network(manifest_path)
    trt, capability = choose_builder(target)
    recipe = Recipe(
        manifest.name,
        manifest.sha256,
        trt.__name__,
        trt.__version__,
        capability,
        platform.machine(),
        precision,
        cameras,
    )
    record = cache / f"{recipe.key}.yaml"
    if record.exists():
        read_plan(record)
        return record, False
    plan = build_plan(trt, typed(data, manifest, precision), precision, cameras)
    return store_plan(cache, recipe, plan, key), True


def choose_builder(target: str) -> tuple[Any, str]:
    """Module that builds for a target, and the compute capability; raises EngineError where it cannot be done here."""
    if target == "rtx":
        return _imported("tensorrt_rtx"), PORTABLE
    try:
        device = find_device()
    except EnvironmentProblem as error:
        raise EngineError(
            f"TensorRT builds only on the GPU that will run the engine, and here is {error}; run this there, "
            "or build a portable one: --target rtx"
        ) from error
    wanted = JETSONS.get(target)
    if wanted and device.capability not in wanted:
        raise EngineError(
            f"{device.name} has compute capability {device.capability}, {target} {' or '.join(wanted)}; run this on it"
        )
    return _imported("tensorrt"), device.capability


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(f"{error}; {INSTALL[module]}") from error


def typed(data: bytes, manifest: Manifest, precision: str) -> bytes:
    """The network in the numbers that the engine shall compute with; raises EngineError where it cannot be made so."""
    from autodrive.inference.float16 import to_float16

    scheme = manifest.training.get("quantisation", {}).get("scheme")
    if precision == "int8":
        if scheme != "tensorrt":
            raise EngineError(
                f"{manifest.file} has no int8 ranges for TensorRT; first run: autodrive engine quantise "
                "--scheme tensorrt, then build the manifest that it writes"
            )
        return data
    if scheme is not None:
        raise EngineError(f"{manifest.file} is quantised; build it with --precision int8")
    return to_float16(data) if precision == "fp16" else data
