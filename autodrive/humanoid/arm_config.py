"""What manipulation must know of a robot: arm joints, hands and working space, read from config/arms/*.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autodrive.errors import ConfigError
from autodrive.geometry import Array
from autodrive.yaml_file import read_yaml

ARMS_FOLDER = Path(__file__).resolve().parents[2] / "config" / "arms"
_SIDE_KEYS = {"joints", "hand", "palm", "normal", "fingers"}
_KEYS = {
    "robot",
    "torso",
    "feet",
    "left",
    "right",
    "palm_size",
    "posture",
    "mirror",
    "ready",
    "stand_off",
    "reach",
    "carry",
    "belly",
}


@dataclass(frozen=True)
class ArmSide:
    """One arm: joints from the shoulder on, and the palm's place on the hand body.

    ``palm`` (3,) is the centre of the palm's face, ``normal`` (3,) points out of it, ``fingers`` (3,) along the
    fingers; all in the hand body's frame.
    """

    joints: tuple[str, ...]
    hand: str
    palm: Array
    normal: Array
    fingers: Array

    def rotation(self) -> Array:
        """The palm's axes (3, 3) in the hand body: columns are fingers, across, normal."""
        return np.column_stack([self.fingers, np.cross(self.normal, self.fingers), self.normal])


@dataclass(frozen=True)
class ArmsConfig:
    """Both arms of a robot. Positions in base_link unless said otherwise, SI units, radians.

    ``palm_size`` (3,): along the fingers, across them, thickness. ``posture`` (7,) of the left arm is preferred where
    the hands leave a choice; ``mirror`` (7,) of signs makes it that of the right arm. ``ready`` (3,): left palm before
    and after work. ``stand_off``: from base_link to the centre of a box to take. ``reach_*``: where that centre may be,
    ``carry`` (x, z): where it is while the robot walks; farther out, the load makes a standing robot step forward.
    ``belly``: how far the body reaches in front of base_link at the height of a table's edge.
    """

    robot: str
    torso: str
    feet: tuple[str, ...]
    left: ArmSide
    right: ArmSide
    palm_size: Array
    posture: Array
    mirror: Array
    ready: Array
    stand_off: float
    reach_x: tuple[float, float]
    reach_y: float
    reach_z: tuple[float, float]
    carry: tuple[float, float]
    belly: float

    @property
    def sides(self) -> tuple[ArmSide, ArmSide]:
        """Left, then right: the order of every array over arms or arm joints."""
        return self.left, self.right

    @property
    def joints(self) -> tuple[str, ...]:
        """All arm joints, left arm first."""
        return self.left.joints + self.right.joints


def load_arms(path: Path) -> ArmsConfig:
    """Read config/arms/<robot>.yaml; raises ConfigError that names the file, the key and what is expected."""
    document = read_yaml(path, "arms file", hint=f"the shipped ones are in {ARMS_FOLDER}")
    root = _mapping(document, f"arms file {path}", _KEYS)
    left, right = (_side(root[name], f"arms file {path}: {name}") for name in ("left", "right"))
    count = len(left.joints)
    if len(right.joints) != count:
        raise ConfigError(f"arms file {path}: the arms have {count} and {len(right.joints)} joints; they must be alike")
    reach = _mapping(root["reach"], f"arms file {path}: reach", {"x", "y", "z"})
    low_high = {axis: _vector(reach[axis], 2, f"arms file {path}: reach {axis}") for axis in ("x", "z")}
    carry = _vector(root["carry"], 2, f"arms file {path}: carry")
    number = {key: float(_vector([root[key]], 1, f"arms file {path}: {key}")[0]) for key in ("stand_off", "belly")}
    return ArmsConfig(
        robot=str(root["robot"]),
        torso=str(root["torso"]),
        feet=_names(root["feet"], f"arms file {path}: feet"),
        left=left,
        right=right,
        palm_size=_vector(root["palm_size"], 3, f"arms file {path}: palm_size"),
        posture=_vector(root["posture"], count, f"arms file {path}: posture"),
        mirror=_vector(root["mirror"], count, f"arms file {path}: mirror"),
        ready=_vector(root["ready"], 3, f"arms file {path}: ready"),
        reach_x=(float(low_high["x"][0]), float(low_high["x"][1])),
        reach_y=float(_vector([reach["y"]], 1, f"arms file {path}: reach y")[0]),
        reach_z=(float(low_high["z"][0]), float(low_high["z"][1])),
        carry=(float(carry[0]), float(carry[1])),
        **number,
    )


def _side(value: Any, where: str) -> ArmSide:
    side = _mapping(value, where, _SIDE_KEYS)
    palm, normal, fingers = (_vector(side[key], 3, f"{where} {key}") for key in ("palm", "normal", "fingers"))
    lengths = np.linalg.norm(normal), np.linalg.norm(fingers)
    if not (np.allclose(lengths, 1.0, atol=1e-3) and abs(float(normal @ fingers)) < 1e-3):
        raise ConfigError(f"{where}: normal and fingers must be unit vectors at a right angle, got {normal}, {fingers}")
    return ArmSide(_names(side["joints"], f"{where} joints"), str(side["hand"]), palm, normal, fingers)


def _mapping(value: Any, where: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        got = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise ConfigError(f"{where}: expected the keys {sorted(keys)}, got {got}")
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}: expected a list of names, got {value!r}")
    return tuple(value)


def _vector(value: Any, size: int, where: str) -> Array:
    numbers = isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not numbers or len(value) != size or not np.isfinite(value).all():
        raise ConfigError(f"{where}: expected {size} finite number(s), got {value!r}")
    vector = np.array(value, dtype=np.float64)
    vector.setflags(write=False)
    return vector
