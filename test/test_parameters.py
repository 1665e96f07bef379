"""Parameter files: what is shipped fits the nodes, what a user misspells is named."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml

from autodrive.errors import ConfigError
from autodrive_nodes.graph import NodeSpec, Options, build, parameter_files
from autodrive_nodes.paths import NODE_PARAMETERS
from autodrive_nodes.planning_node import PlanningNode
from autodrive_nodes.stage_node import StageNode

SYSTEMS = [build(Options(system="car", out="/out")), build(Options(system="perceive", out="/out", bag="/bag"))]
SPECS = {spec.name: spec for system in SYSTEMS for group in system.groups.values() for spec in group}


def node_class(spec: NodeSpec) -> type[StageNode]:
    module, _, name = spec.factory.partition(":")
    found: type[StageNode] = getattr(importlib.import_module(module), name)
    return found


@pytest.mark.parametrize("name", SPECS)
def test_the_graph_sets_parameters_that_its_nodes_have(name: str) -> None:
    declared = {"mode": "", **node_class(SPECS[name]).defaults}
    for key, value in SPECS[name].parameters.items():
        assert type(value) is type(declared[key]), key


def test_the_shipped_file_sets_parameters_that_the_graph_leaves_free() -> None:
    document: dict[str, Any] = yaml.safe_load(NODE_PARAMETERS.read_text())
    for name, node in document.items():
        declared = node_class(SPECS[name]).defaults
        for key, value in node["ros__parameters"].items():
            assert type(value) is type(declared[key]), (name, key)
            assert key not in SPECS[name].parameters


@pytest.mark.parametrize("text", ["planning: {speed_limit: 5.0}", "- a list", "a: [unclosed", ""])
def test_a_file_of_another_form_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        parameter_files(Options(parameters=str(path)))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere\.yaml"):
        parameter_files(Options(parameters="/nowhere.yaml"))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"speedlimit": 5.0}, "planning has no parameter ['speedlimit']; it has ['mode', 'speed_limit']"),
        ({"speed_limit": 5}, "speed_limit of planning must be like 8.33, got 5"),
    ],
)
def test_a_wrong_parameter_ends_the_process_with_one_line(
    parameters: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"planning": {"ros__parameters": parameters}}))
    command = [sys.executable, "-m", "autodrive_nodes.container", "--group", "driving"]
    run = subprocess.run(
        [*command, "--options", Options(parameters=str(path)).to_json()], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_parameter_of_another_type_is_refused() -> None:
    rclpy.init()
    try:
        with pytest.raises(ConfigError, match="speed_limit of planning"):
            PlanningNode("planning", {"speed_limit": "fast"})
    finally:
        rclpy.try_shutdown()
