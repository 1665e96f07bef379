"""Writes small bags of made-up cameras, as a stranger's robot would record them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autodrive.data.bags import typestore
from autodrive.recording.bag_writer import BagWriter

SIZE = (320, 160)
START_NS = 1_700_000_000 * 10**9


@dataclass(frozen=True)
class FakeCamera:
    """``offset_ms`` is when it exposes after the common moment; ``raw`` sends Image instead of CompressedImage."""

    name: str
    yaw_deg: float
    period_ms: int = 100
    offset_ms: int = 0
    raw: bool = False
    lost: frozenset[int] = field(default_factory=frozenset)
    damaged: frozenset[int] = field(default_factory=frozenset)


def write_camera_bag(
    path: Path, cameras: list[FakeCamera], seconds: float, *, odometry: bool = False, tf: bool = True
) -> Path:
    """Write the bag and return its path; the shade of an image tells its camera, the frame ids are the names."""
    store = typestore()
    topics = {"/tf_static": "tf2_msgs/msg/TFMessage"}
    for camera in cameras:
        topics[f"/{camera.name}/camera_info"] = "sensor_msgs/msg/CameraInfo"
        topics[image_topic(camera)] = f"sensor_msgs/msg/{'Image' if camera.raw else 'CompressedImage'}"
    if odometry:
        topics["/odom"] = "nav_msgs/msg/Odometry"
    messages: list[tuple[int, str, Any]] = []
    if tf:
        messages.append((START_NS, "/tf_static", _tf(store, cameras)))
    for camera in cameras:
        messages.append((START_NS, f"/{camera.name}/camera_info", _info(store, camera)))
        for k in range(int(seconds * 1000 / camera.period_ms)):
            if k not in camera.lost:
                stamp_ns = START_NS + (k * camera.period_ms + camera.offset_ms) * 1_000_000
                messages.append((stamp_ns, image_topic(camera), _image(store, camera, stamp_ns, k in camera.damaged)))
    for k in range(int(seconds * 50) if odometry else 0):
        stamp_ns = START_NS + k * 20_000_000
        messages.append((stamp_ns, "/odom", _odometry(store, stamp_ns, 5.0 * k * 0.02)))
    with BagWriter(path, topics.items(), store) as writer:
        for stamp_ns, topic, message in sorted(messages, key=lambda m: m[0]):
            writer.write(topic, stamp_ns, bytes(store.serialize_cdr(message, topics[topic])))
    return path


def image_topic(camera: FakeCamera) -> str:
    return f"/{camera.name}/image_raw" + ("" if camera.raw else "/compressed")


def _header(store: Any, stamp_ns: int, frame_id: str) -> Any:
    time = store.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def _tf(store: Any, cameras: list[FakeCamera]) -> Any:
    t = store.types
    transforms = []
    for camera in cameras:
        half = np.radians(camera.yaw_deg) / 2
        yaw, optical = np.array([np.cos(half), 0, 0, np.sin(half)]), np.array([0.5, -0.5, 0.5, -0.5])
        w = yaw[0] * optical[0] - yaw[3] * optical[3]
        x = yaw[0] * optical[1] - yaw[3] * optical[2]
        y = yaw[0] * optical[2] + yaw[3] * optical[1]
        z = yaw[0] * optical[3] + yaw[3] * optical[0]
        transform = t["geometry_msgs/msg/Transform"](
            translation=t["geometry_msgs/msg/Vector3"](x=1.5, y=0.0, z=1.4),
            rotation=t["geometry_msgs/msg/Quaternion"](x=x, y=y, z=z, w=w),
        )
        stamped = t["geometry_msgs/msg/TransformStamped"](
            header=_header(store, START_NS, "base_link"), child_frame_id=camera.name, transform=transform
        )
        transforms.append(stamped)
    return t["tf2_msgs/msg/TFMessage"](transforms=transforms)


def _info(store: Any, camera: FakeCamera) -> Any:
    t = store.types
    roi = t["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    k = np.array([200.0, 0, 159.5, 0, 200.0, 79.5, 0, 0, 1])
    return t["sensor_msgs/msg/CameraInfo"](
        header=_header(store, START_NS, camera.name),
        height=SIZE[1],
        width=SIZE[0],
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def _image(store: Any, camera: FakeCamera, stamp_ns: int, damaged: bool) -> Any:
    header = _header(store, stamp_ns, camera.name)
    picture = np.full((SIZE[1], SIZE[0], 3), 60 + len(camera.name) * 10, np.uint8)
    if camera.raw:
        return store.types["sensor_msgs/msg/Image"](
            header=header,
            height=SIZE[1],
            width=SIZE[0],
            encoding="bgr8",
            is_bigendian=0,
            step=SIZE[0] * 3,
            data=picture.ravel(),
        )
    _, jpeg = cv2.imencode(".jpg", picture)
    data = np.zeros(50, np.uint8) if damaged else jpeg.ravel()
    return store.types["sensor_msgs/msg/CompressedImage"](header=header, format="jpeg", data=data)


def _odometry(store: Any, stamp_ns: int, x: float) -> Any:
    t = store.types
    vector = t["geometry_msgs/msg/Vector3"]
    pose = t["geometry_msgs/msg/Pose"](
        position=t["geometry_msgs/msg/Point"](x=x, y=0.0, z=0.0),
        orientation=t["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    twist = t["geometry_msgs/msg/Twist"](linear=vector(x=5.0, y=0.0, z=0.0), angular=vector(x=0.0, y=0.0, z=0.0))
    return t["nav_msgs/msg/Odometry"](
        header=_header(store, stamp_ns, "odom"),
        child_frame_id="base_link",
        pose=t["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
        twist=t["geometry_msgs/msg/TwistWithCovariance"](twist=twist, covariance=np.zeros(36)),
    )
