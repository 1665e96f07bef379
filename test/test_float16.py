"""float16 changes how images are looked at and nothing of where the cameras look."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from fake_samples import fake_sample, shipped_rig
from onnx import TensorProto

from autodrive.data.augment import plain_view
from autodrive.data.compare_engines import cosine_similarity
from autodrive.data.evaluate_perception import network_inputs
from autodrive.inference.float16 import to_float16
from autodrive.inference.graph_walk import IMAGES, MEMORY, reached
from autodrive_nodes.paths import DEFAULT_ENGINE

SHIPPED = DEFAULT_ENGINE.with_suffix(".onnx").read_bytes()


@pytest.fixture(scope="module")
def half() -> bytes:
    return to_float16(SHIPPED)


@pytest.mark.parametrize("rig", ["car", "humanoid"])
def test_outputs_on_the_shipped_rigs_are_those_of_float32(half: bytes, rig: str) -> None:
    sessions = [ort.InferenceSession(data, providers=["CPUExecutionProvider"]) for data in (SHIPPED, half)]
    names = [output.name for output in sessions[0].get_outputs()]
    view = plain_view(fake_sample(shipped_rig(rig), 3), shipped_rig(rig).extent)
    inputs = network_inputs(view, view.previous_images, None)
    features = sessions[0].run(["features"], inputs)[0]
    for frame in (inputs, network_inputs(view, view.images, features)):
        for name, exact, near in zip(names, *(session.run(names, frame) for session in sessions), strict=True):
            assert near.dtype == np.float32
            assert cosine_similarity(exact, near) > 0.999, name
            assert (exact != near).any(), "nothing was rounded: this is no float16"


def test_geometry_never_passes_through_float16(half: bytes) -> None:
    plain, converted = onnx.load_from_string(SHIPPED), onnx.load_from_string(half)
    geometry = {n.name for n in plain.graph.node} - {n.name for n in reached(plain, (IMAGES, MEMORY))}
    assert len(geometry) > 100
    makers = {name: node for node in converted.graph.node for name in node.output}
    entering = [name for node in converted.graph.node if node.name in geometry for name in node.input]
    assert len(entering) > 100
    for name in entering:
        node = makers.get(name)
        if node is not None and node.op_type == "Cast":
            assert node.name in geometry, f"{name} is a cast that the conversion made"
    weights = {item.name: item.data_type for item in converted.graph.initializer}
    assert weights["network.backbone.stem.0.weight"] == TensorProto.FLOAT16


def test_conversion_gives_the_same_bytes_twice_and_half_the_weights(half: bytes) -> None:
    assert to_float16(SHIPPED) == half
    assert len(half) < 0.6 * len(SHIPPED)
