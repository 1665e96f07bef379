"""The network in torch, with the weights of the shipped file: the peer of other runtimes, and what a GPU without
TensorRT runs. On a GPU a frame is one recorded CUDA graph over memory that stays where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autodrive.data.export import example_inputs
from autodrive.data.warm_start import load_exported
from autodrive.errors import EngineError
from autodrive.inference.engine import IMAGES, Tensors, check_inputs
from autodrive.inference.manifest import Manifest
from autodrive.vision.network import ExportedNetwork, VisionNetwork

# the folded normalisations are rebuilt from what passes through them once; the result does not depend on what that is
_CAMERAS = 4
_WARM_UP_RUNS = 3


class TorchEngine:
    """On the GPU that torch finds, else on the CPU; ``data`` are the checked bytes of the ONNX file.

    ``half`` computes in float16 what autocast deems safe, on a GPU only. Raises EngineError for another network's file.
    """

    def __init__(self, data: bytes, manifest: Manifest, threads: int, half: bool = False) -> None:
        if threads < 1:
            raise EngineError(f"engine {manifest.name!r}: threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
        network = VisionNetwork().eval()
        load_exported(data, manifest.file, network, [_tensors(example_inputs(_CAMERAS))], _forward)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if half and self._device == "cpu":
            raise EngineError(f"engine {manifest.name!r}: float16 in torch needs a GPU")
        self._network = ExportedNetwork(network).eval().to(self._device)
        self._manifest, self._half = manifest, half
        self._recorded: dict[int, _Recorded] = {}

    @property
    def manifest(self) -> Manifest:
        """What the network is."""
        return self._manifest

    @property
    def runtime(self) -> str:
        """Name, version, precision and device of the runtime."""
        device = torch.cuda.get_device_name() if self._device == "cuda" else "cpu"
        return f"torch {torch.__version__} {'fp16' if self._half else 'fp32'} on {device}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Compute all outputs; raises EngineError when the inputs do not fit the manifest."""
        check_inputs(self._manifest, inputs)
        if self._device == "cpu":
            with torch.inference_mode():
                outputs = self._network(**_tensors(inputs))
            names = (spec.name for spec in self._manifest.outputs)
            return {name: value.numpy() for name, value in zip(names, outputs, strict=True)}
        return self._record(len(inputs[IMAGES])).run(inputs)

    def bind_images(self, cameras: int) -> int | None:
        """Device address of the input for the images of so many cameras, None on a CPU; see ``DeviceImages``."""
        return None if self._device == "cpu" else self._record(cameras).images_address

    def run_bound(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """As ``run``, with the images that lie at ``bind_images``; ``inputs`` are the others."""
        cameras = len(inputs["intrinsics"])
        check_inputs(self._manifest, inputs, absent=IMAGES)
        return self._record(cameras).run(inputs)

    def _record(self, cameras: int) -> _Recorded:
        if cameras not in self._recorded:
            names = tuple(spec.name for spec in self._manifest.outputs)
            self._recorded[cameras] = _Recorded(self._network, cameras, names, self._half)
        return self._recorded[cameras]


class _Recorded:
    """One frame of a fixed number of cameras as a CUDA graph: copies in, network, copies out."""

    def __init__(self, network: ExportedNetwork, cameras: int, names: tuple[str, ...], half: bool) -> None:
        example = {name: torch.from_numpy(value) for name, value in example_inputs(cameras).items()}
        self._host_in = {name: value.pin_memory() for name, value in example.items()}
        self._device_in = {name: value.to("cuda") for name, value in example.items()}
        self._names = names
        self._half = half
        # what is done only once may not be recorded
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_RUNS):
                outputs = self._compute(network)
        side.synchronize()
        self._host_out = [torch.empty(value.shape, dtype=torch.float32).pin_memory() for value in outputs]
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            # images may already be on the device: their copy stays outside
            for name, value in self._host_in.items():
                if name != IMAGES:
                    self._device_in[name].copy_(value, non_blocking=True)
            for target, value in zip(self._host_out, self._compute(network), strict=True):
                target.copy_(value, non_blocking=True)

    @property
    def images_address(self) -> int:
        return self._device_in[IMAGES].data_ptr()

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        for name, value in inputs.items():
            self._host_in[name].numpy()[...] = value
        if IMAGES in inputs:
            self._device_in[IMAGES].copy_(self._host_in[IMAGES], non_blocking=True)
        self._graph.replay()
        torch.cuda.current_stream().synchronize()
        return {name: value.numpy().copy() for name, value in zip(self._names, self._host_out, strict=True)}

    def _compute(self, network: ExportedNetwork) -> list[torch.Tensor]:
        # TF32 has 10 bits of mantissa: this is the reference that other precisions are held against
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        # a cache of cast weights would outlive the recording that made it
        cast = torch.autocast("cuda", torch.float16, enabled=self._half, cache_enabled=False)
        with torch.inference_mode(), exact, cast:
            return [value.float() for value in network(**self._device_in)]


def _tensors(inputs: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()}


def _forward(network: VisionNetwork, batch: dict[str, torch.Tensor]) -> object:
    return ExportedNetwork(network)(**batch)
