"""From ONNX to an engine of TensorRT 8.6 to 11 or TensorRT-RTX: one API but for how a precision is asked for.

Built for real and in tests by TensorRT-RTX, which needs no GPU for it; TensorRT itself builds only on its own GPU.
"""

from __future__ import annotations

from typing import Any

from autodrive.errors import EngineError


def build_plan(trt: Any, data: bytes, precision: str, cameras: tuple[int, int, int]) -> bytes:
    """Build an engine with the module ``trt`` for ``cameras`` (least, usual, most).

    ``data`` is typed as it shall run: convert or quantise it first. Raises EngineError with the parser's or the
    builder's own words.
    """
    log = _collecting_logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_creation_flags(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(data):
        errors = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise EngineError(f"{trt.__name__} {trt.__version__} cannot read this network: {errors}")
    config = builder.create_builder_config()
    if not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") and not _is_rtx(trt):
        for name in {"fp16": ("FP16",), "int8": ("INT8", "FP16"), "fp32": ()}[precision]:
            config.set_flag(getattr(trt.BuilderFlag, name))  # 8.6 computes in float32 unless it is allowed to do less
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if -1 in shape:
            profile.set_shape(tensor.name, *[tuple(n if d == -1 else d for d in shape) for n in cameras])
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{trt.__name__} {trt.__version__} cannot build this network: {'; '.join(log.errors)}")
    return bytes(plan)


def _creation_flags(trt: Any) -> int:
    """Strong typing where it exists as a flag, explicit batch in 8.6; what knows neither does both always."""
    flags = trt.NetworkDefinitionCreationFlag
    for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH"):
        if hasattr(flags, name):
            return 1 << int(getattr(flags, name))
    return 0


def _is_rtx(trt: Any) -> bool:
    return str(trt.__name__) == "tensorrt_rtx"


def _collecting_logger(trt: Any) -> Any:
    """A logger of the module's own kind that keeps errors and says nothing."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)

    return Logger()
