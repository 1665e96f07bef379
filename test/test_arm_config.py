"""config/arms/*.yaml: what is shipped, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from autodrive.errors import ConfigError, InputError
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.humanoid.arm_task import ArmTask


@pytest.mark.parametrize("robot", ["g1", "t1"])
def test_shipped_arms(robot: str) -> None:
    arms = load_arms(ARMS_FOLDER / f"{robot}.yaml")
    assert arms.robot == robot
    assert len(arms.joints) == len(set(arms.joints)) == 14
    for side in arms.sides:
        assert np.allclose(side.rotation() @ side.rotation().T, np.eye(3))
        assert np.linalg.det(side.rotation()) == pytest.approx(1.0)
    assert arms.reach_x[0] < arms.carry[0] < arms.stand_off < arms.reach_x[1]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("belly", float("nan"), "belly"),
        ("belly", True, "belly"),
        ("posture", [0.0], "posture"),
        ("feet", [], "feet"),
        ("reach", {"x": [0, 1]}, "reach"),
        ("palm_size", "big", "palm_size"),
        ("surprise", 1, "surprise"),
    ],
)
def test_refusals_name_the_key(tmp_path: Path, key: str, value: object, says: str) -> None:
    document = yaml.safe_load((ARMS_FOLDER / "g1.yaml").read_text()) | {key: value}
    path = tmp_path / "arms.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError, match=says) as error:
        load_arms(path)
    assert str(path) in str(error.value)


def test_a_palm_must_have_square_axes(tmp_path: Path) -> None:
    document = yaml.safe_load((ARMS_FOLDER / "g1.yaml").read_text())
    document["left"]["normal"] = [1, 0, 0]
    path = tmp_path / "arms.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError, match="right angle"):
        load_arms(path)


def test_absent_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_arms(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_arms(tmp_path / "broken.yaml")


@pytest.mark.parametrize(
    "fields", [{"kind": "juggle"}, {"kind": "pick"}, {"kind": "touch"}, {"kind": "rest", "frame": "odom"}]
)
def test_tasks_that_make_no_sense(fields: dict[str, str]) -> None:
    with pytest.raises(InputError):
        ArmTask(**fields)
