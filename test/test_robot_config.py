"""config/robots: the shipped files fit their models; what is wrong in a file is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import autodrive.humanoid.robot as robots
from autodrive.errors import ConfigError, EnvironmentProblem
from autodrive.humanoid.robot import load_robot, robot_names


@pytest.mark.parametrize("name", robot_names())
def test_shipped_robots_fit_their_models(name: str) -> None:
    robot = load_robot(name)
    model = robot.floating_spec().compile()
    limits = robot.limits(model)
    assert (limits.effort > 0).all()
    lower, upper = np.array([model.joint(joint).range for joint in robot.joints]).T
    assert (lower <= robot.nominal).all() and (robot.nominal <= upper).all()
    for body in (robot.pelvis, robot.torso, *robot.feet):
        assert model.body(body).name == body


def test_an_unknown_robot_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'g2'.*g1.*t1"):
        load_robot("g2")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("sole", -0.1, "sole"),
        ("gait_period", True, "gait_period"),
        ("action_scale", float("nan"), "action_scale"),
        ("torso", 7, "torso"),
        ("feet", ["left"], "feet"),
        ("nominal", [0.0, 1.0], "nominal"),
        ("scales", {"gyro": 1.0}, "scales"),
        ("model", "holosoma/none.xml", "none.xml"),
        ("colour", "red", "colour"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    key: str, value: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load((robots.ROBOTS_FOLDER / "g1.yaml").read_text())
    document[key] = value
    (tmp_path / "g1.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr(robots, "ROBOTS_FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=told):
        load_robot("g1")


def test_a_missing_key_and_a_missing_package_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = yaml.safe_load((robots.ROBOTS_FOLDER / "g1.yaml").read_text())
    monkeypatch.setattr(robots, "ROBOTS_FOLDER", tmp_path)
    path = tmp_path / "g1.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in document.items() if k != "sole"}))
    with pytest.raises(ConfigError, match="sole"):
        load_robot("g1")
    path.write_text(yaml.safe_dump(document | {"policy": "no_such_package/policy.onnx"}))
    with pytest.raises(EnvironmentProblem, match="no_such_package"):
        load_robot("g1")
