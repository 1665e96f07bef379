"""A camera's intrinsic calibration, and the YAML file in which ROS keeps one (camera_calibration_parsers' layout)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from autodrive.errors import ConfigError
from autodrive.files import write_atomic
from autodrive.yaml_file import read_yaml

# distortion models and how many coefficients a file may give for each
MODELS = {"plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
_ALIASES = {"fisheye": "equidistant", "": "plumb_bob"}


@dataclass(frozen=True)
class Calibration:
    """``K`` (3, 3) [px] of the native image and ``distortion`` in the order of sensor_msgs/CameraInfo."""

    name: str
    width: int
    height: int
    K: NDArray[np.float64]
    distortion: NDArray[np.float64]
    model: str

    def rig_entry(self) -> dict[str, Any]:
        """What a camera of a rig file says about its lens."""
        fx, fy, cx, cy = (float(self.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
        size = {"width": self.width, "height": self.height}
        return {**size, "K": [fx, fy, cx, cy], "distortion": self.distortion.tolist(), "model": self.model}


def read_camera_info(path: Path) -> Calibration:
    """Read a CameraInfo YAML file; raises ConfigError that names the file, the key and what is expected there."""
    document = read_yaml(path, "camera file", hint="`autodrive calibrate` makes one")
    return camera_info_from_dict(document, f"camera file {path}")


def camera_info_from_dict(document: Any, where: str) -> Calibration:
    """Check a parsed CameraInfo file; ``where`` names the source in errors."""
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: expected a mapping with image_width, camera_matrix, ..., got {document!r:.60}")
    width, height = (_size(document, key, where) for key in ("image_width", "image_height"))
    model = document.get("distortion_model", "plumb_bob")
    model = _ALIASES.get(model, model) if isinstance(model, str) else model
    if not isinstance(model, str) or model not in MODELS:
        raise ConfigError(f"{where}: distortion_model {model!r} is unknown; use one of {sorted(MODELS)}")
    entries = _numbers(document, "camera_matrix", where)
    if entries.size != 9:
        raise ConfigError(f"{where}: camera_matrix needs 9 numbers, got {entries.size}")
    K = entries.reshape(3, 3)
    if not (K[0, 0] > 0 and K[1, 1] > 0) or K[0, 1] or K[1, 0] or K[2].tolist() != [0, 0, 1]:
        raise ConfigError(f"{where}: camera_matrix must be [fx 0 cx; 0 fy cy; 0 0 1], got {K.tolist()}")
    distortion = _numbers(document, "distortion_coefficients", where)
    if distortion.size not in MODELS[model] and distortion.any():
        wanted = " or ".join(map(str, MODELS[model]))
        raise ConfigError(f"{where}: {model} needs {wanted} distortion_coefficients, got {distortion.size}")
    name = document.get("camera_name", "")
    return Calibration(str(name), width, height, K, distortion if distortion.any() else np.zeros(0), model)


def write_camera_info(calibration: Calibration, path: Path) -> None:
    """Write the file that ROS camera drivers load; the projection is that of the undistorted image of the same size."""
    K, d = calibration.K, calibration.distortion
    document = {
        "image_width": calibration.width,
        "image_height": calibration.height,
        "camera_name": calibration.name,
        "camera_matrix": _rows(K),
        "distortion_model": calibration.model,
        "distortion_coefficients": _rows(d[None] if d.size else np.zeros((1, MODELS[calibration.model][-1]))),
        "rectification_matrix": _rows(np.eye(3)),
        "projection_matrix": _rows(np.hstack([K, np.zeros((3, 1))])),
    }
    write_atomic(path, yaml.safe_dump(document, sort_keys=False, default_flow_style=None).encode())


def _rows(matrix: NDArray[np.float64]) -> dict[str, Any]:
    return {"rows": matrix.shape[0], "cols": matrix.shape[1], "data": [float(v) for v in matrix.ravel()]}


def _size(document: dict[str, Any], key: str, where: str) -> int:
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 16 <= value <= 16384:
        raise ConfigError(f"{where}: {key} must be an integer in 16..16384, got {value!r}")
    return value


def _numbers(document: dict[str, Any], key: str, where: str) -> NDArray[np.float64]:
    item = document.get(key)
    data = item.get("data") if isinstance(item, dict) else None
    if not isinstance(data, list) or not all(_is_number(v) for v in data):
        raise ConfigError(f"{where}: {key} needs a list `data` of finite numbers, got {item!r:.80}")
    return np.array(data, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
