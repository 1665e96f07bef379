"""A humanoid as configuration: which model, which walking policy, which bodies carry what. Read from config/robots.

What the policy's file says of itself (joint order, gains) is taken from there; the rest is in the YAML file.
"""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import onnx

from autodrive.errors import ConfigError, EnvironmentProblem
from autodrive.geometry import Array
from autodrive.humanoid.arm_config import ARMS_FOLDER, ArmsConfig, load_arms
from autodrive.safety.joint_limits import JointLimits
from autodrive.yaml_file import read_yaml

ROBOTS_FOLDER = ARMS_FOLDER.parent / "robots"
_KEYS = {
    *("model", "urdf", "policy", "pelvis", "torso", "feet", "sole", "scales", "action_scale", "gait_period", "nominal"),
    "target_rate",
}


@dataclass(frozen=True)
class Robot:
    """One kind of humanoid. J joints in the policy's order.

    ``model`` (MJCF), ``urdf`` (of the same robot, for ROS) and ``policy`` are files; ``pelvis`` carries the IMU,
    ``torso`` the cameras; ``sole`` [m] is how far the ground lies below the origin of a standing foot. ``kp``, ``kd``
    and ``nominal`` are (J,); ``gyro_scale`` and ``velocity_scale`` belong to the policy's observation.
    """

    name: str
    model: Path
    urdf: Path
    policy: Path
    pelvis: str
    torso: str
    feet: tuple[str, str]
    sole: float
    joints: tuple[str, ...]
    kp: Array
    kd: Array
    nominal: Array
    gyro_scale: float
    velocity_scale: float
    action_scale: float
    gait_period: float
    target_rate: float
    arms: ArmsConfig

    def spec(self) -> mujoco.MjSpec:
        """The robot with a free root and one motor per joint; it needs a geom named "floor" before it is compiled."""
        try:
            return mujoco.MjSpec.from_file(str(self.model))
        except (OSError, ValueError) as error:
            raise EnvironmentProblem(f"robot {self.name}: {self.model}: {error}; run: make setup") from error

    def floating_spec(self) -> mujoco.MjSpec:
        """The robot alone on no floor, for kinematics."""
        spec = self.spec()
        for pair in list(spec.pairs):
            spec.delete(pair)
        return spec

    def limits(self, model: mujoco.MjModel) -> JointLimits:
        """What the joints of a compiled model may be asked: targets between the stops, motors' torques."""
        lower, upper = np.array([model.joint(name).range for name in self.joints]).T
        effort = np.array([model.actuator_ctrlrange[model.actuator(name).id, 1] for name in self.joints])
        return JointLimits(self.joints, lower, upper, np.full(len(self.joints), self.target_rate), effort)


def robot_names() -> tuple[str, ...]:
    """The robots that there are files for."""
    return tuple(sorted(path.stem for path in ROBOTS_FOLDER.glob("*.yaml")))


def load_robot(name: str) -> Robot:
    """Read config/robots/NAME.yaml and the policy's own description.

    Raises ConfigError that names what is wrong in the file, EnvironmentProblem where a package is missing.
    """
    path = ROBOTS_FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"robot {name!r} is unknown; choose one of {list(robot_names())}")
    document = read_yaml(path, "robot file")
    if not isinstance(document, dict) or document.keys() != _KEYS:
        got = sorted(document) if isinstance(document, dict) else type(document).__name__
        raise ConfigError(f"robot file {path}: expected the keys {sorted(_KEYS)}, got {got}")
    policy = _package_file(document, "policy", path)
    joints, kp, kd = _policy_description(policy)
    scales = document["scales"]
    if not isinstance(scales, dict) or scales.keys() != {"gyro", "joint_velocity"}:
        raise ConfigError(f"robot file {path}: scales must be {{gyro, joint_velocity}}, got {scales!r}")
    return Robot(
        name,
        _package_file(document, "model", path),
        _package_file(document, "urdf", path),
        policy,
        _text(document, "pelvis", path),
        _text(document, "torso", path),
        _feet(document["feet"], path),
        _positive(document, "sole", path),
        joints,
        kp,
        kd,
        _nominal(document["nominal"], len(joints), path),
        _positive(scales, "gyro", path),
        _positive(scales, "joint_velocity", path),
        _positive(document, "action_scale", path),
        _positive(document, "gait_period", path),
        _positive(document, "target_rate", path),
        load_arms(ARMS_FOLDER / f"{name}.yaml"),
    )


def _package_file(document: dict[str, Any], key: str, where: Path) -> Path:
    """A file given as PACKAGE/PATH; the package is not imported, only found."""
    text = document[key]
    package, _, rest = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not (package.isidentifier() and rest):
        raise ConfigError(f"robot file {where}: {key} must be PACKAGE/PATH, got {text!r:.80}")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentProblem(f"robot file {where}: {key} needs the package {package}; run: make setup")
    path = Path(next(iter(spec.submodule_search_locations))) / rest
    if not path.is_file():
        raise ConfigError(f"robot file {where}: {key}: {package} has no file {rest}")
    return path


def _policy_description(path: Path) -> tuple[tuple[str, ...], Array, Array]:
    """Joint names and gains that the policy was trained with; raises ConfigError."""
    try:
        model = onnx.load(str(path))
        data = {item.key: json.loads(item.value) for item in model.metadata_props}
        names = tuple(str(name) for name in data["dof_names"])
        kp, kd = (np.array(data[key], dtype=np.float64) for key in ("kp", "kd"))
    except Exception as error:  # protobuf raises classes of its own for a damaged file
        raise ConfigError(f"walking policy {path} does not describe itself ({error!r}); run: make setup") from error
    good = all(v.shape == (len(names),) and np.isfinite(v).all() and (v > 0).all() for v in (kp, kd))
    if not good or len(set(names)) != len(names) or not names:
        raise ConfigError(f"walking policy {path}: {len(names)} joints with gains {kp.shape} and {kd.shape}")
    return names, kp, kd


def _text(document: dict[str, Any], key: str, where: Path) -> str:
    if not isinstance(document[key], str) or not document[key]:
        raise ConfigError(f"robot file {where}: {key} must be a name, got {document[key]!r}")
    return str(document[key])


def _feet(value: Any, where: Path) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"robot file {where}: feet must be two names, left and right, got {value!r}")
    return value[0], value[1]


def _positive(document: dict[str, Any], key: str, where: Path) -> float:
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value < math.inf):
        raise ConfigError(f"robot file {where}: {key} must be a positive number, got {value!r}")
    return float(value)


def _nominal(value: Any, count: int, where: Path) -> Array:
    good = isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    numbers = np.array(value if good else [], dtype=np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ConfigError(f"robot file {where}: nominal must be {count} numbers, the policy's joints, got {value!r}")
    return numbers
