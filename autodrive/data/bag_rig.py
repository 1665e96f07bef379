"""A camera rig read from a bag: CameraInfo gives the intrinsics, /tf_static the extrinsics; and its YAML form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from autodrive.data.bags import BagReader
from autodrive.errors import InputError
from autodrive.rig import OPTICAL_FROM_BODY, Rig, rig_from_dict

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
TF = "tf2_msgs/msg/TFMessage"


@dataclass(frozen=True)
class BagRig:
    """The rig of a bag, its YAML form, and the image topic of each camera in rig order."""

    rig: Rig
    document: dict[str, Any]
    image_topics: tuple[str, ...]


def rig_from_bag(path: Path, base_frame: str, extent: list[float]) -> BagRig:
    """Find every camera that has images, a CameraInfo and a transform to ``base_frame``.

    Raises InputError that says which of the three is missing for which camera.
    """
    with BagReader(path) as reader:
        topics = {t.name: t.type for t in reader.topics() if t.count}
        info_topics = [name for name, kind in topics.items() if kind == CAMERA_INFO]
        image_topics = {name for name, kind in topics.items() if kind in IMAGE_TYPES}
        infos: dict[str, Any] = {}
        for message in reader.messages(info_topics):
            infos.setdefault(message.topic, message.message)
        transforms = [t for m in reader.messages(["/tf_static"]) for t in m.message.transforms]
    if not infos:
        raise InputError(f"{path} has no CameraInfo; it has {sorted(set(topics.values()))}")
    edges = {t.child_frame_id.lstrip("/"): (t.header.frame_id.lstrip("/"), _matrix(t.transform)) for t in transforms}
    cameras, images = [], []
    for topic in sorted(infos):
        cameras.append(_camera(topic, infos[topic], edges, base_frame))
        images.append(_image_topic(topic, image_topics, path))
    document = {"name": re.sub(r"\W", "_", path.stem), "extent": extent, "cameras": cameras}
    return BagRig(rig_from_dict(document, str(path)), document, tuple(images))


def image_topics(path: Path) -> dict[str, str]:
    """The image topic of every camera of a bag that has a CameraInfo, by the camera's name in the rig."""
    with BagReader(path) as reader:
        topics = {t.name: t.type for t in reader.topics() if t.count}
    images = {name for name, kind in topics.items() if kind in IMAGE_TYPES}
    infos = sorted(name for name, kind in topics.items() if kind == CAMERA_INFO)
    return {_name(info): _image_topic(info, images, path) for info in infos}


def write_rig(document: dict[str, Any], path: Path) -> None:
    """Write a rig document as YAML."""
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def _camera(topic: str, info: Any, edges: dict[str, tuple[str, NDArray[np.float64]]], base: str) -> dict[str, Any]:
    if not np.isfinite(info.k).all() or info.k[0] <= 0:
        raise InputError(f"{topic}: the camera is not calibrated (K is {np.asarray(info.k).tolist()})")
    base_from_optical = _chain(info.header.frame_id.lstrip("/"), base.lstrip("/"), edges, topic)
    rotation = Rotation.from_matrix(base_from_optical[:3, :3] @ OPTICAL_FROM_BODY)
    model = info.distortion_model or "plumb_bob"
    return {
        "name": _name(topic),
        "width": int(info.width),
        "height": int(info.height),
        "K": [float(info.k[i]) for i in (0, 4, 2, 5)],
        "distortion": [float(v) for v in info.d] if np.any(info.d) else [],
        "model": model,
        "position": [float(v) for v in base_from_optical[:3, 3]],
        "rpy": [float(v) for v in rotation.as_euler("xyz", degrees=True)],
    }


def _name(info_topic: str) -> str:
    namespace = info_topic.rsplit("/", 1)[0].strip("/")
    return re.sub(r"\W", "_", namespace.removeprefix("camera/")) or "camera"


def _image_topic(info_topic: str, image_topics: set[str], path: Path) -> str:
    namespace = info_topic.rsplit("/", 1)[0] + "/"
    found = sorted((t for t in image_topics if t.startswith(namespace)), key=len)
    if not found:
        raise InputError(f"{path}: {info_topic} has no Image or CompressedImage below {namespace}")
    return found[0]


def _chain(frame: str, base: str, edges: dict[str, tuple[str, NDArray[np.float64]]], topic: str) -> NDArray[np.float64]:
    """base_from_frame (4, 4) along the tree of static transforms."""
    result = np.eye(4)
    seen = [frame]
    while frame != base:
        if frame not in edges:
            raise InputError(
                f"{topic}: /tf_static has no way from {base!r} to {seen[0]!r} (it ends at {frame!r}); "
                "name the vehicle's frame with --base-frame"
            )
        child = frame
        frame, matrix = edges[child]
        if not np.isfinite(matrix).all():
            raise InputError(f"{topic}: the transform of {child!r} in /tf_static is not finite or has no rotation")
        if frame in seen:
            raise InputError(f"{topic}: /tf_static has a loop through {frame!r}")
        seen.append(frame)
        result = matrix @ result
    return result


def _matrix(transform: Any) -> NDArray[np.float64]:
    """A transform (4, 4); NaN for one that is none, which harms only those who need it."""
    q, t = transform.rotation, transform.translation
    quaternion = np.array([q.x, q.y, q.z, q.w])
    length = float(np.linalg.norm(quaternion)) if np.isfinite(quaternion).all() else 0.0
    if not 0.5 < length < 2.0:  # a unit quaternion, rounded by whoever wrote it
        return np.full((4, 4), np.nan)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    matrix[:3, 3] = [t.x, t.y, t.z]
    return matrix
