"""The rig of a real six-camera bag: its cameras look where their names say, and LiDAR returns land on image edges."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from autodrive.data.bag_rig import rig_from_bag, write_rig
from autodrive.data.bags import BagReader
from autodrive.errors import InputError
from autodrive.rig import load_rig
from autodrive.viz.camera_view import project

NUSCENES = Path(__file__).parents[2] / "shared" / "data" / "nuscenes_rosbag2" / "nuscenes_mcap"
EXTENT = [-24.0, 40.0, -32.0, 32.0]

pytestmark = pytest.mark.skipif(not NUSCENES.exists(), reason="../shared/data/nuscenes_rosbag2 is not here")


def test_cameras_look_where_their_names_say(tmp_path: Path) -> None:
    found = rig_from_bag(NUSCENES, "base_link", EXTENT)
    yaws = {c.name: np.degrees(np.arctan2(c.rotation[1, 2], c.rotation[0, 2])) for c in found.rig.cameras}
    expected = {
        "cam_front": 0,
        "cam_front_left": 55,
        "cam_front_right": -55,
        "cam_back_left": 110,
        "cam_back_right": -110,
        "cam_back": 180,
    }
    assert yaws.keys() == expected.keys()
    for name, yaw in expected.items():
        assert abs((yaws[name] - yaw + 180) % 360 - 180) < 3, name
    write_rig(found.document, tmp_path / "rig.yaml")
    again = load_rig(tmp_path / "rig.yaml")
    for a, b in zip(again.cameras, found.rig.cameras, strict=True):
        np.testing.assert_allclose(a.rotation, b.rotation, atol=1e-9)


def _lidar_in_base() -> np.ndarray:
    with BagReader(NUSCENES) as reader:
        (cloud,) = [m.message for m in reader.messages(["/lidar_top/points"])]
        (tf,) = [m.message for m in reader.messages(["/tf_static"])]
    points = np.frombuffer(cloud.data, np.float32).reshape(-1, cloud.point_step // 4)[:, :3].astype(float)
    (lidar,) = [t.transform for t in tf.transforms if t.child_frame_id == "LIDAR_TOP"]
    q, t = lidar.rotation, lidar.translation
    return points @ Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix().T + [t.x, t.y, t.z]


def test_lidar_depth_edges_fall_on_image_edges() -> None:
    """Where an object ends in front of something farther, the image has an edge: more so than 40 px beside it."""
    found = rig_from_bag(NUSCENES, "base_link", EXTENT)
    points = _lidar_in_base()
    reach = np.linalg.norm(points[:, :2], axis=1)
    ring = 32  # returns are stored firing by firing, one per ring
    jump = np.zeros(len(points), bool)
    jump[ring:-ring] = np.maximum(reach[2 * ring :], reach[: -2 * ring]) - reach[ring:-ring] > 1.5
    on_edge, beside = [], []
    with BagReader(NUSCENES) as reader:
        images = {m.topic: m.message.data for m in reader.messages(found.image_topics)}
    for camera, topic in zip(found.rig.cameras, found.image_topics, strict=True):
        gray = cv2.imdecode(np.frombuffer(images[topic], np.uint8), cv2.IMREAD_GRAYSCALE)
        edges = cv2.GaussianBlur(np.abs(cv2.Sobel(gray, cv2.CV_32F, 1, 0)), (0, 0), 3)
        pixels, depth = project(camera, points)
        inside = (depth > 2) & (reach < 50) & (pixels[:, 0] > 60) & (pixels[:, 0] < 1540)
        inside &= (pixels[:, 1] > 5) & (pixels[:, 1] < 895)
        u, v = pixels[inside & jump].astype(int).T
        on_edge.extend(edges[v, u])
        beside.extend(np.concatenate([edges[v, u - 40], edges[v, u + 40]]))
    assert len(on_edge) > 300
    assert np.mean(on_edge) > 1.2 * np.mean(beside)


def test_wrong_base_frame_is_named() -> None:
    with pytest.raises(InputError, match="base-frame"):
        rig_from_bag(NUSCENES, "ego_vehicle", EXTENT)
