"""Which part of an ONNX network sees the images, and which only works out where the cameras look."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

IMAGES = "images"
MEMORY = "memory"


def reached(model: onnx.ModelProto, inputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the values of ``inputs`` reach, in the order of the graph.

    A tensor's shape is none of its values: the number of cameras goes everywhere, what they see does not.
    """
    tensors, found = set(inputs), []
    for node in model.graph.node:  # everything is computed before it is used
        if node.op_type != "Shape" and not tensors.isdisjoint(node.input):
            tensors.update(node.output)
            found.append(node)
    return found
