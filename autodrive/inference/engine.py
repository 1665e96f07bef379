"""One interface to a network file, whatever runs it. The rule: read the file once, check it, then hand those same bytes
to the runtime, so that nothing can change in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import EngineError
from autodrive.inference.manifest import Manifest, TensorSpec, read_network

Tensors = Mapping[str, NDArray[Any]]
IMAGES = "images"  # the input that pre-processing fills
GPU_RUNTIMES = ("tensorrt", "tensorrt_rtx")
RUNTIMES = ("onnxruntime", "torch", *GPU_RUNTIMES)
AUTO = "auto"


class Engine(Protocol):
    """A loaded network. Stateless: equal inputs give equal outputs."""

    @property
    def manifest(self) -> Manifest:
        """What the network is."""

    @property
    def runtime(self) -> str:
        """What runs it, with its version, for reports."""

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Compute all outputs; raises EngineError when an input is missing or has another dtype or shape."""


@runtime_checkable
class DeviceImages(Protocol):
    """An engine that may find its images on the GPU already, where pre-processing wrote them."""

    def bind_images(self, cameras: int) -> int | None:
        """Device address of the input (cameras, 3, H, W) float32 for the images; None where there is no device.

        It stays valid as long as the engine lives. What is written there must be complete before ``run_bound``.
        """

    def run_bound(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """``Engine.run`` with the images that lie at ``bind_images``; ``inputs`` are the others."""


def load_engine(
    manifest_path: Path, runtime: str = "onnxruntime", threads: int = 2, trusted: Mapping[str, str] | None = None
) -> Engine:
    """Load the network that ``manifest_path`` describes; ``runtime`` is one of RUNTIMES, or AUTO for the best here.

    A key of ``trusted`` (None: those of trusted_keys.yaml) must have signed the manifest and the file's sha256 must
    equal the manifest's before the runtime sees a byte of it, and the runtime's inputs and outputs must be the
    manifest's. Raises EngineError otherwise.
    """
    if runtime == AUTO:
        return load_best(manifest_path, threads, trusted)[0]
    manifest, data = read_network(manifest_path, trusted)
    # a runtime is imported only where it is used
    if runtime == "onnxruntime":
        from autodrive.inference.onnx_engine import OnnxEngine

        return OnnxEngine(data, manifest, threads)
    if runtime == "torch":
        from autodrive.inference.torch_engine import TorchEngine

        return TorchEngine(data, manifest, threads)
    if runtime in GPU_RUNTIMES:
        from autodrive.inference.tensorrt_load import load_tensorrt

        return load_tensorrt(runtime, manifest, trusted)
    raise EngineError(f"unknown runtime {runtime!r}; available: {[*RUNTIMES, AUTO]}")


def load_best(
    manifest_path: Path, threads: int = 2, trusted: Mapping[str, str] | None = None
) -> tuple[Engine, list[str]]:
    """The fastest runtime that works here, and why each faster one does not. torch is for comparisons and never chosen.

    Raises EngineError when the network itself is refused.
    """
    reasons: list[str] = []
    for runtime in GPU_RUNTIMES:
        try:
            return load_engine(manifest_path, runtime, threads, trusted), reasons
        except EngineError as error:
            reasons.append(f"not {runtime}: {error}")
    return load_engine(manifest_path, "onnxruntime", threads, trusted), reasons


def check_signature(manifest: Manifest, inputs: list[TensorSpec], outputs: list[TensorSpec]) -> None:
    """Compare what a runtime reports with the manifest; raises EngineError naming the first difference."""
    for kind, stated, found in (("input", manifest.inputs, inputs), ("output", manifest.outputs, outputs)):
        actual = {spec.name: spec for spec in found}
        if actual.keys() != {spec.name for spec in stated}:
            raise EngineError(
                f"engine {manifest.file}: its {kind}s are {sorted(actual)}, "
                f"the manifest states {sorted(s.name for s in stated)}"
            )
        for spec in stated:
            other = actual[spec.name]
            same = spec.dtype == other.dtype and len(spec.shape) == len(other.shape)
            # a dimension that either side leaves free agrees with anything
            same = same and all(
                a == b or isinstance(a, str) or isinstance(b, str) for a, b in zip(spec.shape, other.shape, strict=True)
            )
            if not same:
                raise EngineError(
                    f"engine {manifest.file}: {kind} {spec.name!r} is {other.dtype} {list(other.shape)}, "
                    f"the manifest states {spec.dtype} {list(spec.shape)}"
                )


def check_inputs(manifest: Manifest, inputs: Tensors, absent: str | None = None) -> None:
    """Raise EngineError when the inputs of a run do not fit the manifest; a named dimension must agree everywhere.

    ``absent`` is an input that must not be among them.
    """
    wanted = [spec for spec in manifest.inputs if spec.name != absent]
    if inputs.keys() != {spec.name for spec in wanted}:
        raise EngineError(f"engine {manifest.name!r} takes inputs {[s.name for s in wanted]}, got {sorted(inputs)}")
    sizes: dict[str, int] = {}
    for spec in wanted:
        value = inputs[spec.name]
        fits = value.dtype == np.dtype(spec.dtype) and value.ndim == len(spec.shape)
        for size, expected in zip(value.shape, spec.shape, strict=False):
            fits = fits and size == (sizes.setdefault(expected, size) if isinstance(expected, str) else expected)
        if not fits:
            raise EngineError(
                f"engine {manifest.name!r}: input {spec.name!r} is {value.dtype} {list(value.shape)}, "
                f"expected {spec.dtype} {list(spec.shape)}" + (f" with {sizes}" if sizes else "")
            )
