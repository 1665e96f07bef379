"""The default runtime: ONNX Runtime on the CPU in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from autodrive.errors import EngineError
from autodrive.inference.engine import Tensors, check_inputs, check_signature
from autodrive.inference.manifest import Manifest, TensorSpec

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
# they have no base class of their own
_LOAD_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)


class OnnxEngine:
    """An ONNX Runtime session over bytes that were already checked against ``manifest``."""

    def __init__(self, data: bytes, manifest: Manifest, threads: int) -> None:
        if threads < 1:
            raise EngineError(f"engine {manifest.name!r}: threads must be at least 1, got {threads}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        # spinning workers fight with the other processes of the graph for its few cores
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _LOAD_ERRORS as error:
            raise EngineError(f"engine {manifest.file}: onnxruntime {ort.__version__} refuses it: {error}") from error
        self._manifest = manifest
        self._outputs = [spec.name for spec in manifest.outputs]
        check_signature(manifest, _specs(self._session.get_inputs()), _specs(self._session.get_outputs()))

    @property
    def manifest(self) -> Manifest:
        """What the network is."""
        return self._manifest

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return f"onnxruntime {ort.__version__}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Compute all outputs; raises EngineError when the inputs do not fit the manifest."""
        check_inputs(self._manifest, inputs)
        contiguous = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        return dict(zip(self._outputs, self._session.run(self._outputs, contiguous), strict=True))


def _specs(arguments: list[Any]) -> list[TensorSpec]:
    return [
        TensorSpec(a.name, _DTYPES.get(a.type, a.type), tuple(d if d is not None else "?" for d in a.shape))
        for a in arguments
    ]
