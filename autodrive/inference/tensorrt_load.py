"""From the cache of built engines onto the GPU: asks for a driver, the package and a fitting engine, in that order."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from autodrive.errors import EngineError, EnvironmentProblem
from autodrive.inference.cuda_driver import CudaStream, find_device
from autodrive.inference.manifest import Manifest
from autodrive.inference.plan import default_cache, find_plan
from autodrive.inference.tensorrt_engine import TensorRtEngine


def load_tensorrt(
    runtime: str, manifest: Manifest, trusted: Mapping[str, str] | None = None, cache: Path | None = None
) -> TensorRtEngine:
    """The built engine of a network, ready to run; raises EngineError with what is missing.

    ``runtime`` is the module: tensorrt or tensorrt_rtx. It is not touched without a driver: some of its versions crash.
    """
    try:
        device = find_device()
    except EnvironmentProblem as error:
        raise EngineError(f"{runtime} needs an NVIDIA GPU: {error}") from error
    try:
        trt = importlib.import_module(runtime)
    except ImportError as error:
        raise EngineError(f"{runtime} cannot be imported: {error}; docs/engines.md says how to install it") from error
    where = default_cache() if cache is None else cache
    recipe, plan = find_plan(where, manifest.sha256, runtime, trt.__version__, device.capability, trusted)
    try:
        return TensorRtEngine(trt, CudaStream(), recipe, plan, manifest)
    except EnvironmentProblem as error:
        raise EngineError(f"{manifest.file} by {runtime} on {device.name}: {error}") from error
