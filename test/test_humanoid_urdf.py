"""The URDF of each humanoid: cameras where its rig says, meshes that exist."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import numpy as np
import pytest

from autodrive.errors import ConfigError
from autodrive.humanoid.description import humanoid_urdf
from autodrive.humanoid.robot import load_robot
from autodrive.localization.leg_kinematics import LegKinematics
from autodrive.rig import load_rig

RIGS = Path(__file__).resolve().parents[1] / "config" / "rigs"


@pytest.mark.parametrize(("name", "rig_file"), [("g1", "humanoid.yaml"), ("t1", "t1.yaml")])
def test_cameras_are_where_the_rig_says(name: str, rig_file: str) -> None:
    robot, rig = load_robot(name), load_rig(RIGS / rig_file)
    text = humanoid_urdf(robot, RIGS / rig_file)
    meshes = re.findall(r'filename="file://([^"]+)"', text)
    assert meshes and all(Path(mesh).is_file() for mesh in meshes)
    plain = re.sub(r"<(visual|collision)\b.*?</\1>", "", text, flags=re.DOTALL)
    spec = mujoco.MjSpec.from_string(plain)
    spec.compiler.fusestatic = False
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    torso = model.body(robot.torso).id
    turn, origin = data.xmat[torso].reshape(3, 3), data.xpos[torso]
    for camera in rig.cameras:
        body = model.body(camera.frame_id).id
        in_torso = turn.T @ (data.xpos[body] - origin)
        np.testing.assert_allclose(in_torso, camera.position - [0.0, 0.0, rig.mount_height], atol=1e-6)
        np.testing.assert_allclose(turn.T @ data.xmat[body].reshape(3, 3), camera.rotation, atol=1e-6)


@pytest.mark.parametrize(("name", "rig_file"), [("g1", "humanoid.yaml"), ("t1", "t1.yaml")])
def test_a_rig_is_mounted_at_the_torso_of_the_nominal_stance(name: str, rig_file: str) -> None:
    legs = LegKinematics(load_robot(name))
    assert load_rig(RIGS / rig_file).mount_height == pytest.approx(legs.nominal_height, abs=0.005)


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    rig = tmp_path / "rig.yaml"
    rig.write_text("name: none\n")
    with pytest.raises(ConfigError, match=r"humanoid\.urdf\.xacro"):
        humanoid_urdf(load_robot("g1"), rig)
