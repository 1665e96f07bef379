"""TensorRT's way to run an engine, for test/fake_cuda.c: a plan is an ONNX file, and onnxruntime computes on the raw
addresses that were bound. It offers nothing that the real versions lack (test_tensorrt_api.py)."""

from __future__ import annotations

import ctypes
import enum

import numpy as np
import onnxruntime as ort

__version__ = "10.3.0"
CUDA = ctypes.CDLL  # the test puts the fake driver here
CALL = ctypes.CFUNCTYPE(None)
TYPES = {"tensor(float)": "FLOAT", "tensor(int64)": "INT64"}
TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
DataType = enum.Enum("DataType", "FLOAT INT64")


class Logger:
    ERROR = 1

    def __init__(self, severity: int) -> None:
        assert severity == self.ERROR


class Runtime:
    def __init__(self, logger: Logger) -> None:
        assert isinstance(logger, Logger)

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        try:
            return Engine(ort.InferenceSession(plan, providers=["CPUExecutionProvider"]))
        except Exception:  # the real one says None for everything, too
            return None


class Engine:
    def __init__(self, session: ort.InferenceSession) -> None:
        self.session = session
        self.outputs = {item.name: item for item in session.get_outputs()}
        self.inputs = {item.name: item for item in session.get_inputs()}
        self._all = {**self.outputs, **self.inputs}  # outputs first: the order means nothing
        self.num_io_tensors = len(self._all)

    def get_tensor_name(self, index: int) -> str:
        return list(self._all)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[TYPES[self._all[name].type]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(-1 if isinstance(size, str) else size for size in self._all[name].shape)

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._kept: list[object] = []

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        stated = self._engine.get_tensor_shape(name)
        if any(size == -1 and not 2 <= given <= 16 for size, given in zip(stated, shape, strict=True)):
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes.get(name) or self._engine.get_tensor_shape(name)

    def execute_async_v3(self, stream: int) -> bool:
        assert stream and self._addresses.keys() == self._engine._all.keys()
        shapes = dict(self._shapes)
        call = CALL(lambda: self._compute(shapes))
        self._kept.append(call)
        return CUDA.fake_call(call) == 0

    def _compute(self, shapes: dict[str, tuple[int, ...]]) -> None:
        inputs = {name: self._array(name, shapes[name]) for name in self._engine.inputs}
        results = self._engine.session.run(list(self._engine.outputs), inputs)
        for name, value in zip(self._engine.outputs, results, strict=True):
            self._array(name, value.shape)[...] = value

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        buffer = (ctypes.c_float * int(np.prod(shape))).from_address(self._addresses[name])
        return np.ctypeslib.as_array(buffer).reshape(shape)
