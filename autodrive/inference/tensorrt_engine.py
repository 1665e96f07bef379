"""Runs engines of TensorRT 8.6 to 11 and TensorRT-RTX: memory bound once, and all work of a frame in one CUDA graph.

All run a plan by the same calls, which tests hold against the real API of each. No GPU was at hand to run one on: tests
do so with a driver that computes on the host.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import EngineError
from autodrive.inference.cuda_driver import CudaStream
from autodrive.inference.engine import IMAGES, Tensors, check_inputs, check_signature
from autodrive.inference.manifest import Manifest, TensorSpec
from autodrive.inference.plan import Recipe

# names instead of trt.nptype, which has none for some types
_DTYPES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT32": "int32", "INT64": "int64"}


@dataclass(frozen=True)
class _Binding:
    """One input or output: where it lies on the GPU, and ``host``, pinned memory of the largest size as bytes."""

    spec: TensorSpec
    device: int
    address: int
    host: NDArray[np.uint8]

    def view(self, shape: tuple[int, ...]) -> NDArray[Any]:
        dtype = np.dtype(self.spec.dtype)
        return self.host[: math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


class TensorRtEngine:
    """A plan that was already checked: signed, intact, and built for this version, machine and GPU.

    Not for several threads at once. Raises EngineError when the plan is refused or is not what the manifest states.
    """

    def __init__(self, trt: Any, stream: CudaStream, recipe: Recipe, plan: bytes, manifest: Manifest) -> None:
        self._manifest = manifest
        self._stream = stream
        self._name = f"{trt.__name__} {trt.__version__} {recipe.precision} on {stream.device.name}"
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:  # it says why on stderr and raises nothing
            raise EngineError(f"{manifest.file}: {trt.__name__} {trt.__version__} refuses the engine; build it again")
        self._engine = engine
        specs: dict[Any, list[TensorSpec]] = {trt.TensorIOMode.INPUT: [], trt.TensorIOMode.OUTPUT: []}
        for index in range(engine.num_io_tensors):  # in no order: only names say which is which
            name = engine.get_tensor_name(index)
            kind = str(engine.get_tensor_dtype(name)).rpartition(".")[2]
            shape = tuple("free" if size == -1 else size for size in engine.get_tensor_shape(name))
            specs[engine.get_tensor_mode(name)].append(TensorSpec(name, _DTYPES.get(kind, kind), shape))
        check_signature(manifest, *specs.values())
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{manifest.file}: no memory on the GPU for {trt.__name__} to run it")
        self._cameras = recipe.cameras
        self._bindings = {spec.name: self._bind(spec) for spec in (*manifest.inputs, *manifest.outputs)}
        # the recorded frame, and what it was recorded for: shapes of all inputs, and those that are copied in
        self._graph: tuple[tuple[dict[str, tuple[int, ...]], tuple[str, ...]], int] | None = None

    @property
    def manifest(self) -> Manifest:
        """What the network is."""
        return self._manifest

    @property
    def runtime(self) -> str:
        """Runtime, version, precision and GPU."""
        return self._name

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Compute all outputs; raises EngineError when the inputs do not fit the manifest or the engine."""
        check_inputs(self._manifest, inputs)
        return self._run(inputs, {name: value.shape for name, value in inputs.items()})

    def bind_images(self, cameras: int) -> int:
        """Device address of the input for the images; see ``DeviceImages``."""
        if not self._cameras[0] <= cameras <= self._cameras[2]:
            raise EngineError(f"{self._manifest.file}: the engine was not built for {cameras} cameras")
        return self._bindings[IMAGES].device

    def run_bound(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """As ``run``, with the images that lie at ``bind_images``."""
        check_inputs(self._manifest, inputs, absent=IMAGES)
        cameras = len(inputs["intrinsics"])
        shape = (cameras, *(int(size) for size in self._bindings[IMAGES].spec.shape[1:]))
        return self._run(inputs, {IMAGES: shape, **{name: value.shape for name, value in inputs.items()}})

    def _run(self, inputs: Tensors, shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
        self._stream.enter()
        frame = (shapes, tuple(inputs))
        if self._graph is None or self._graph[0] != frame:
            self._record(*frame)
        assert self._graph is not None
        for name, value in inputs.items():
            self._bindings[name].view(value.shape)[...] = value
        self._stream.launch(self._graph[1])
        self._stream.wait()
        return {spec.name: self._bindings[spec.name].view(self._shape(spec)).copy() for spec in self._manifest.outputs}

    def close(self) -> None:
        """Free what lies on the GPU."""
        self._drop_graph()
        del self._context, self._engine, self._runtime
        self._stream.close()

    def _bind(self, spec: TensorSpec) -> _Binding:
        most = [self._cameras[2] if isinstance(size, str) else size for size in spec.shape]
        size = math.prod(most) * np.dtype(spec.dtype).itemsize
        device, address = self._stream.allocate(size), self._stream.allocate_pinned(size)
        host = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        if not self._context.set_tensor_address(spec.name, device):
            raise EngineError(f"{self._manifest.file}: the engine does not take memory for {spec.name!r}")
        return _Binding(spec, device, address, host)

    def _record(self, shapes: dict[str, tuple[int, ...]], copied: tuple[str, ...]) -> None:
        """Set the shapes of the inputs and record a frame: copies in, network, copies out."""
        self._drop_graph()
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                least, _, most = self._cameras
                raise EngineError(
                    f"{self._manifest.file}: the engine does not take {name!r} of shape {list(shape)}; it was "
                    f"built for {least} to {most} cameras; build another: autodrive engine build --cameras"
                )
        sizes = {name: shapes[name] for name in copied}
        self._enqueue(sizes)  # what is done only once may not be recorded
        self._stream.wait()
        self._stream.begin_capture()
        try:
            self._enqueue(sizes)
        finally:
            graph = self._stream.end_capture()
        self._graph = ((shapes, copied), graph)

    def _enqueue(self, copied: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in copied.items():
            binding = self._bindings[name]
            self._stream.to_device(binding.device, binding.address, binding.view(shape).nbytes)
        if not self._context.execute_async_v3(self._stream.handle):
            raise EngineError(f"{self._manifest.file}: {self._name} could not run it")
        for spec in self._manifest.outputs:
            binding = self._bindings[spec.name]
            self._stream.to_host(binding.address, binding.device, binding.view(self._shape(spec)).nbytes)

    def _shape(self, spec: TensorSpec) -> tuple[int, ...]:
        return tuple(self._context.get_tensor_shape(spec.name))

    def _drop_graph(self) -> None:
        if self._graph is not None:
            self._stream.drop(self._graph[1])
            self._graph = None
