"""Every name of TensorRT that our code uses exists in every version that we name, and the fake offers nothing else.

test/tensorrt_api.json was written by tools/dump_tensorrt_api.py from the real bindings of each version.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import fake_tensorrt
import pytest
from fake_samples import ROOT

API = json.loads(Path(__file__).with_name("tensorrt_api.json").read_text())
# the variables that hold TensorRT's objects
HOLDERS = {
    "engine": "ICudaEngine",
    "self._engine": "ICudaEngine",
    "self._context": "IExecutionContext",
    "self._runtime": "Runtime",
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "tensor": "ITensor",
}
# what only some versions have is asked for before it is used
ASKED = {("NetworkDefinitionCreationFlag", name) for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH")}


def used_names() -> set[tuple[str, str]]:
    """(class, attribute) of every use in the two files that speak to TensorRT."""
    found = set()
    for name in ("tensorrt_engine", "tensorrt_build"):
        tree = ast.parse((ROOT / "autodrive" / "inference" / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
                holder = ast.unparse(node.value)
                if kind := HOLDERS.get(holder):
                    found.add((kind, node.attr))
                elif holder.startswith("trt."):
                    found.add((holder.split(".")[1], node.attr))
    return found


def test_the_walk_sees_our_code() -> None:
    used = used_names()
    assert {("IExecutionContext", "execute_async_v3"), ("Builder", "build_serialized_network")} <= used
    assert len(used) > 25


@pytest.mark.parametrize("version", sorted(API))
def test_every_name_that_we_use_is_there(version: str) -> None:
    lacking = [(kind, name) for kind, name in sorted(used_names() - ASKED) if name not in API[version][kind]]
    assert lacking == []


def test_where_types_are_not_strong_precisions_can_be_allowed() -> None:
    weak = [names for names in API.values() if "STRONGLY_TYPED" not in names["NetworkDefinitionCreationFlag"]]
    assert weak and all({"FP16", "INT8"} <= set(names["BuilderFlag"]) for names in weak)


def test_versions_of_every_generation_are_compared() -> None:
    generations = {version.rpartition(".")[0].split(".")[0] for version in API}
    assert {"tensorrt 8", "tensorrt 10", "tensorrt 11", "tensorrt_rtx 1"} <= generations


@pytest.mark.parametrize(
    ("fake", "kind"),
    [("Runtime", "Runtime"), ("Engine", "ICudaEngine"), ("Context", "IExecutionContext"), ("Logger", "Logger")],
)
def test_the_fake_offers_nothing_that_a_version_lacks(fake: str, kind: str) -> None:
    offered = {name for name in vars(getattr(fake_tensorrt, fake)) if not name.startswith("_")}
    assert all(offered <= set(names[kind]) for names in API.values())
