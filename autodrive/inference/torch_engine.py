"""The network in torch, with the weights of the shipped file: the peer that other runtimes are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autodrive.data.export import example_inputs
from autodrive.data.warm_start import load_exported
from autodrive.errors import EngineError
from autodrive.inference.engine import Tensors, check_inputs
from autodrive.inference.manifest import Manifest
from autodrive.vision.network import ExportedNetwork, VisionNetwork

# the folded normalisations are rebuilt from what passes through them once; the result does not depend on what that is
_CAMERAS = 4


class TorchEngine:
    """Eager torch on the GPU that torch finds, else on the CPU. Raises EngineError for a file of another network."""

    def __init__(self, manifest_path: Path, manifest: Manifest, threads: int) -> None:
        if threads < 1:
            raise EngineError(f"engine {manifest.name!r}: threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
        network = VisionNetwork().eval()
        load_exported(manifest_path, network, [_tensors(example_inputs(_CAMERAS), "cpu")], _forward)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = ExportedNetwork(network).eval().to(self._device)
        self._manifest = manifest

    @property
    def manifest(self) -> Manifest:
        """What the network is."""
        return self._manifest

    @property
    def runtime(self) -> str:
        """Name, version and device of the runtime."""
        return f"torch {torch.__version__} on {self._device}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Compute all outputs; raises EngineError when the inputs do not fit the manifest."""
        check_inputs(self._manifest, inputs)
        with torch.inference_mode():
            outputs = self._network(**_tensors(inputs, self._device))
        names = (spec.name for spec in self._manifest.outputs)
        return {name: value.cpu().numpy() for name, value in zip(names, outputs, strict=True)}


def _tensors(inputs: Tensors, device: str) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(value)).to(device) for name, value in inputs.items()}


def _forward(network: VisionNetwork, batch: dict[str, torch.Tensor]) -> object:
    return ExportedNetwork(network)(**batch)
