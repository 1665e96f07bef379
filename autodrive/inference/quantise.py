"""Post-training static quantisation of a network to int8, as QDQ nodes that both families of runtimes understand.

Only convolutions are quantised, per output channel: they are nearly all of the cost. What stays in float32 is where the
camera geometry enters, and the last convolutions of the heads, whose numbers are metres and logits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from autodrive.errors import EngineError, InputError
from autodrive.inference.graph_walk import IMAGES, reached

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Scheme:
    """How numbers become bytes: ``activations`` unsigned with a zero point, or symmetric; biases quantised or not."""

    activations: QuantType
    symmetric: bool
    quantise_bias: bool


# onnxruntime is faster with unsigned activations; TensorRT takes no zero points and no integer biases
SCHEMES = {
    "onnxruntime": Scheme(QuantType.QUInt8, symmetric=False, quantise_bias=True),
    "tensorrt": Scheme(QuantType.QInt8, symmetric=True, quantise_bias=False),
}


class _Frames(CalibrationDataReader):
    def __init__(self, frames: Iterator[Arrays]) -> None:
        self._frames = frames

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next frame's inputs, None after the last."""
        frame = next(self._frames, None)
        return None if frame is None else dict(frame)


def quantise(data: bytes, frames: Iterable[Arrays], scheme: str) -> bytes:
    """An int8 network from a float32 one; ``frames`` are inputs as they occur, from which the ranges are taken.

    Raises EngineError for an unknown scheme or a network without such convolutions, InputError without frames.
    """
    if scheme not in SCHEMES:
        raise EngineError(f"unknown quantisation scheme {scheme!r}; use one of {sorted(SCHEMES)}")
    chosen, remaining = SCHEMES[scheme], iter(frames)
    first = next(remaining, None)
    if first is None:
        raise InputError("no calibration frames: the ranges of the activations would be guesses")
    with tempfile.TemporaryDirectory(prefix="autodrive_int8_") as folder:
        source, prepared, result = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "result"))
        source.write_bytes(data)
        # the runtime's own fusions come before quantisation or not at all
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        nodes = quantised_convolutions(onnx.load(prepared))
        if not nodes:
            raise EngineError(f"no convolution to quantise: none is reached from the input {IMAGES!r}")
        quantize_static(
            prepared,
            result,
            _Frames(chain([first], remaining)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            nodes_to_quantize=nodes,
            activation_type=chosen.activations,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": chosen.symmetric,
                "WeightSymmetric": True,
                "QuantizeBias": chosen.quantise_bias,
            },
        )
        return _plain(onnx.load(result))


def quantised_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that become int8: those that the images reach and that are not the last of a head."""
    makers = {name: node for node in model.graph.node for name in node.output}
    last = {node.name for output in model.graph.output for node in _nearest_convolutions(output.name, makers)}
    return [node.name for node in reached(model, [IMAGES]) if node.op_type == "Conv" and node.name not in last]


def _nearest_convolutions(name: str, makers: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Convolutions between which and a tensor lies no other convolution."""
    node = makers.get(name)
    if node is None:
        return []
    if node.op_type == "Conv":
        return [node]
    return [found for source in node.input for found in _nearest_convolutions(source, makers)]


def _plain(model: onnx.ModelProto) -> bytes:
    """Serialised alike each time, and free of the quantiser's notes."""
    model.ClearField("metadata_props")
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
