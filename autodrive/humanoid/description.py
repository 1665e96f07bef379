"""A robot with its cameras as URDF text, as robot_state_publisher and RViz read it."""

from __future__ import annotations

import re
from pathlib import Path

import xacro

from autodrive.errors import ConfigError
from autodrive.humanoid.robot import Robot

XACRO = Path(__file__).resolve().parents[2] / "urdf" / "humanoid.urdf.xacro"
_MESH = re.compile(r'(<mesh\s[^>]*filename=")(?![a-z]+://|/)([^"]+")')


def humanoid_urdf(robot: Robot, rig: Path) -> str:
    """The robot's own URDF with the cameras of a rig file on its torso, and mesh paths that hold anywhere.

    Raises ConfigError where the two do not fit.
    """
    arguments = {"robot_urdf": str(robot.urdf), "torso": robot.torso, "rig": str(rig.resolve())}
    try:
        text = xacro.process_file(str(XACRO), mappings=arguments).toxml()
    except (xacro.XacroException, OSError) as error:
        raise ConfigError(f"{XACRO} with {arguments}: {error}") from error
    return str(_MESH.sub(rf"\g<1>file://{robot.urdf.parent}/\g<2>", text))
