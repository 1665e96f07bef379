"""Camera rigs: intrinsics and extrinsics of every camera, and the grid in front of them, read from config/rigs/*.yaml.

The network sees a rig only through ``projection`` arrays, so one set of weights serves any rig.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.camera.camera_info import read_camera_info
from autodrive.errors import ConfigError
from autodrive.scene import GridExtent
from autodrive.yaml_file import read_yaml

NETWORK_WIDTH = 320
NETWORK_HEIGHT = 128
LARGEST = 1e9  # of any number in a rig: whatever is larger is a mistake, and may overflow the network's float32

# base_link axes (x forward, y left, z up) -> optical axes (x right, y down, z forward), REP-103
OPTICAL_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with an optional distortion model.

    ``K`` (3, 3) in pixels of the native image; ``distortion`` with its ``model`` as in sensor_msgs/CameraInfo;
    ``position`` (3,) and ``rotation`` (3, 3) are base_link from optical frame.
    """

    name: str
    width: int
    height: int
    K: NDArray[np.float64]
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    distortion: NDArray[np.float64]
    model: str = "plumb_bob"

    @property
    def frame_id(self) -> str:
        """TF frame of the optical axes."""
        return f"camera/{self.name}_optical"

    def optical_from_base(self) -> NDArray[np.float64]:
        """The 3x4 matrix [R | t] that takes base_link points to optical coordinates."""
        r = self.rotation.T
        return np.hstack([r, (-r @ self.position)[:, None]])


@dataclass(frozen=True)
class Rig:
    """A named set of cameras and the grid extent that suits the body that carries them.

    ``mount_height`` [m] is the height above base_link of the point about which the part that carries the cameras tilts.
    """

    name: str
    cameras: tuple[Camera, ...]
    extent: GridExtent
    mount_height: float = 0.0

    def camera(self, name: str) -> Camera:
        """Return one camera; raises ConfigError with the valid names."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise ConfigError(f"rig {self.name!r} has no camera {name!r}; it has {[c.name for c in self.cameras]}")


def tilted(rig: Rig, roll: float, pitch: float, rise: float) -> Rig:
    """The rig on a body that leans by ``roll`` and ``pitch`` [rad] and stands ``rise`` [m] above its nominal height.

    base_link stays level: only the cameras move in it.
    """
    turn, pivot = rotation_from_rpy(roll, pitch, 0.0), np.array([0.0, 0.0, rig.mount_height])
    up = pivot + np.array([0.0, 0.0, rise])
    cameras = tuple(
        replace(c, position=turn @ (c.position - pivot) + up, rotation=turn @ c.rotation) for c in rig.cameras
    )
    return replace(rig, cameras=cameras)


def network_intrinsics(camera: Camera) -> NDArray[np.float64]:
    """fx, fy, cx, cy of the virtual undistorted camera that feeds the network (NETWORK_WIDTH x NETWORK_HEIGHT).

    The native image is undistorted and scaled to the network's width; its bottom edge stays, rows that are too many are
    cropped at the top (the sky goes), rows that are missing are black.
    """
    scale = NETWORK_WIDTH / camera.width
    fx, fy, cx, cy = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    top = camera.height * scale - NETWORK_HEIGHT
    # pixel centres: (u + 0.5) scales, u does not
    return np.array([fx * scale, fy * scale, (cx + 0.5) * scale - 0.5, (cy + 0.5) * scale - 0.5 - top])


def projection(rig: Rig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The rig as the network takes it: intrinsics (N, 4) of the network image and optical_from_base (N, 3, 4)."""
    intrinsics = np.stack([network_intrinsics(c) for c in rig.cameras]).astype(np.float32)
    extrinsics = np.stack([c.optical_from_base() for c in rig.cameras]).astype(np.float32)
    return intrinsics, extrinsics


def rotation_from_rpy(roll: float, pitch: float, yaw: float) -> NDArray[np.float64]:
    """Rotation matrix Rz(yaw) Ry(pitch) Rx(roll), as in URDF."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def load_rig(path: Path) -> Rig:
    """Read a rig file; raises ConfigError that names the file, the key and what is expected there."""
    document = read_yaml(path, "rig file", hint="the shipped rigs are in config/rigs/")
    if isinstance(document, dict) and isinstance(document.get("cameras"), list):
        document = {**document, "cameras": [_with_calibration(item, path) for item in document["cameras"]]}
    return rig_from_dict(document, str(path))


def _with_calibration(item: Any, path: Path) -> Any:
    """A camera's entry with what its ``calibration`` (a CameraInfo file, relative to the rig file) says of the lens."""
    if not isinstance(item, dict) or "calibration" not in item:
        return item
    where = f"rig file {path}: camera {item.get('name')!r}"
    if not isinstance(item["calibration"], str):
        raise ConfigError(f"{where}: calibration must name a CameraInfo file, got {item['calibration']!r}")
    if twice := item.keys() & {"width", "height", "hfov_deg", "K", "distortion", "model"}:
        raise ConfigError(f"{where}: the calibration file gives the lens, so drop {sorted(twice)}")
    lens = read_camera_info(path.parent / item["calibration"]).rig_entry()
    return {**{key: value for key, value in item.items() if key != "calibration"}, **lens}


def rig_from_dict(document: Any, where: str) -> Rig:
    """Build a rig from parsed YAML; ``where`` names the source in errors."""
    root = _mapping(document, where, {"name", "extent", "cameras"}, optional={"mount_height"})
    if not isinstance(root["name"], str) or not root["name"]:
        raise ConfigError(f"{where}: name must be a non-empty text, got {root['name']!r}")
    limits = _vector(root["extent"], 4, f"{where}: extent [x_min, x_max, y_min, y_max]")
    extent = GridExtent(*limits)
    if not (extent.x_max > extent.x_min and extent.y_max > extent.y_min):
        raise ConfigError(f"{where}: extent {limits} is empty; give [x_min, x_max, y_min, y_max] in metres")
    if abs((extent.x_max - extent.x_min) - (extent.y_max - extent.y_min)) > 1e-6:
        raise ConfigError(f"{where}: extent {limits} is not square; the grid needs equal x and y sizes")
    if not isinstance(root["cameras"], list) or not root["cameras"]:
        raise ConfigError(f"{where}: cameras must be a non-empty list")
    cameras = tuple(_camera(item, f"{where}: cameras[{i}]") for i, item in enumerate(root["cameras"]))
    names = [c.name for c in cameras]
    if len(set(names)) != len(names):
        raise ConfigError(f"{where}: camera names are not unique: {names}")
    (mount_height,) = _vector([root.get("mount_height", 0.0)], 1, f"{where}: mount_height [m]")
    return Rig(root["name"], cameras, extent, mount_height)


def _camera(item: Any, where: str) -> Camera:
    required = {"name", "width", "height", "position", "rpy"}
    data = _mapping(item, where, required, optional={"hfov_deg", "K", "distortion", "model"})
    name = data["name"]
    if not isinstance(name, str) or not name.replace("_", "").isalnum():
        raise ConfigError(f"{where}: name must be letters, digits and '_', got {name!r}")
    width, height = (data[k] for k in ("width", "height"))
    for key, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or not 16 <= value <= 16384:
            raise ConfigError(f"{where} ({name}): {key} must be an integer in 16..16384, got {value!r}")
    if ("K" in data) == ("hfov_deg" in data):
        raise ConfigError(f"{where} ({name}): give either hfov_deg or K [fx, fy, cx, cy]")
    if "K" in data:
        fx, fy, cx, cy = _vector(data["K"], 4, f"{where} ({name}): K [fx, fy, cx, cy]")
        if not (fx > 0 and fy > 0):
            raise ConfigError(f"{where} ({name}): focal lengths must be positive, got {fx}, {fy}")
    else:
        (hfov,) = _vector([data["hfov_deg"]], 1, f"{where} ({name}): hfov_deg")
        if not 5 < hfov < 150:
            raise ConfigError(f"{where} ({name}): hfov_deg must be in 5..150 for a pinhole camera, got {hfov}")
        fx = fy = width / 2 / math.tan(math.radians(hfov) / 2)
        cx, cy = (width - 1) / 2, (height - 1) / 2
    model = data.get("model", "plumb_bob")
    if model not in ("plumb_bob", "rational_polynomial", "equidistant"):
        raise ConfigError(
            f"{where} ({name}): model {model!r} is unknown; use plumb_bob, rational_polynomial, equidistant"
        )
    coefficients = data.get("distortion", [])
    if not isinstance(coefficients, list) or len(coefficients) not in (0, 4, 5, 8):
        raise ConfigError(f"{where} ({name}): distortion must list 0, 4, 5 or 8 numbers, got {coefficients!r}")
    distortion = np.array(_vector(coefficients, len(coefficients), f"{where} ({name}): distortion"))
    roll, pitch, yaw = (math.radians(v) for v in _vector(data["rpy"], 3, f"{where} ({name}): rpy [deg]"))
    return Camera(
        name,
        width,
        height,
        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]),
        np.array(_vector(data["position"], 3, f"{where} ({name}): position [m]")),
        rotation_from_rpy(roll, pitch, yaw) @ OPTICAL_FROM_BODY.T,
        distortion,
        model,
    )


def _mapping(
    item: Any, where: str, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: expected a mapping with {sorted(required)}, got {type(item).__name__}")
    if missing := required - item.keys():
        raise ConfigError(f"{where}: missing {sorted(missing)}")
    if unknown := item.keys() - required - optional:
        raise ConfigError(f"{where}: unknown keys {sorted(map(str, unknown))}; known are {sorted(required | optional)}")
    return item


def _vector(value: Any, size: int, where: str) -> list[float]:
    ok = isinstance(value, list) and len(value) == size
    ok = ok and all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= LARGEST for v in value)
    if not ok:
        raise ConfigError(f"{where}: expected {size} finite numbers up to {LARGEST:g}, got {value!r}")
    return [float(v) for v in value]
