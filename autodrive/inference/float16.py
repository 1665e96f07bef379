"""A float32 network with float16 arithmetic where images are looked at, as TensorRT shall run it.

Where the cameras look is worked out in float32 throughout: what projects behind a camera lies beyond float16's largest
number, and a pixel at the right edge is rounded to a quarter.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from autodrive.inference.graph_walk import IMAGES, MEMORY, reached

# sampling positions are metric, and a scale is not worth rounding
_FLOAT32_OPS = ["GridSample", "Resize"]


def to_float16(data: bytes) -> bytes:
    """Convert; inputs and outputs stay float32."""
    model = onnx.load_from_string(data)
    constants = {item.name: item.SerializeToString() for item in model.graph.initializer}
    own = {node.name for node in model.graph.node}
    seeing = {node.name for node in reached(model, (IMAGES, MEMORY))}
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=_FLOAT32_OPS, node_block_list=sorted(own - seeing)
    )
    _join_float32(half.graph, own)
    _restore_constants(half.graph, own, constants)
    _drop_unused(half.graph)
    sorted_model = OnnxModel(half)
    sorted_model.topological_sort()
    onnx.checker.check_model(sorted_model.model)
    return bytes(sorted_model.model.SerializeToString(deterministic=True))


def _join_float32(graph: onnx.GraphProto, own: set[str]) -> None:
    """Between two nodes that stay float32 the converter leaves a cast to float16 and back, which rounds: take it out.

    ``own`` names the nodes that were there before the conversion.
    """
    casts = [node for node in graph.node if node.op_type == "Cast" and node.name not in own]
    narrowed = {node.output[0]: node.input[0] for node in casts if _target(node) == TensorProto.FLOAT16}
    outputs = {output.name for output in graph.output}
    widened = {
        node.output[0]: narrowed[node.input[0]]
        for node in casts
        if _target(node) == TensorProto.FLOAT and node.input[0] in narrowed and node.output[0] not in outputs
    }
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = widened.get(name, name)


def _restore_constants(graph: onnx.GraphProto, own: set[str], constants: Mapping[str, bytes]) -> None:
    """What float32 nodes use of the ``constants`` (serialised by name) was rounded and widened again: give it back."""
    for node in [n for n in graph.node if n.op_type == "Cast" and n.name not in own and n.input[0] in constants]:
        exact = onnx.TensorProto.FromString(constants[node.input[0]])
        exact.name = node.output[0]
        graph.initializer.append(exact)
        graph.node.remove(node)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants from which nothing is used."""
    outputs = {output.name for output in graph.output}
    while True:
        used = outputs.union(*(node.input for node in graph.node))
        idle = [node for node in graph.node if used.isdisjoint(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    constants = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _target(node: onnx.NodeProto) -> int:
    return next(int(attribute.i) for attribute in node.attribute if attribute.name == "to")
