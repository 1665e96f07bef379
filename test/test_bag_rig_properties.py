"""CameraInfo and static transforms of somebody else's bag: a rig that is finite, or an error that names the camera."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.data.bag_rig import rig_from_bag
from autodrive.data.bags import typestore
from autodrive.errors import AutodriveError, InputError
from autodrive.recording.bag_writer import BagWriter
from autodrive.rig import projection

STORE = typestore()
TYPES = {
    "/cam/camera_info": "sensor_msgs/msg/CameraInfo",
    "/cam/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}
EXTENT = [-8.0, 8.0, -8.0, 8.0]
K = [300.0, 0.0, 160.0, 0.0, 300.0, 80.0, 0.0, 0.0, 1.0]
GOOD: dict[str, Any] = {
    **{"width": 320, "height": 160, "k": K, "d": [], "model": "plumb_bob"},
    **{"q": [0, 0, 0, 1], "t": [1, 0, 1]},
}


def write_bag(path: Path, told: dict[str, Any]) -> Path:
    types = STORE.types
    stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=0)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="optical")
    base = types["std_msgs/msg/Header"](stamp=stamp, frame_id="base_link")
    roi = types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    numbers = {name: np.array(told[name], np.float64) for name in ("k", "d")}
    info = types[TYPES["/cam/camera_info"]](
        header=header, height=told["height"], width=told["width"], distortion_model=told["model"], **numbers,
        r=np.eye(3).ravel(), p=np.zeros(12), binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip
    vector = types["geometry_msgs/msg/Vector3"](*(float(v) for v in told["t"]))
    turn = types["geometry_msgs/msg/Quaternion"](*(float(v) for v in told["q"]))
    way = types["geometry_msgs/msg/Transform"](translation=vector, rotation=turn)
    edge = types["geometry_msgs/msg/TransformStamped"](header=base, child_frame_id="optical", transform=way)
    messages = {
        "/cam/camera_info": info,
        "/cam/image_raw/compressed": types["sensor_msgs/msg/CompressedImage"](header, "jpeg", np.zeros(1, np.uint8)),
        "/tf_static": types["tf2_msgs/msg/TFMessage"](transforms=[edge]),
    }
    with BagWriter(path, TYPES.items(), STORE) as bag:
        for topic, message in messages.items():
            bag.write(topic, 1, bytes(STORE.serialize_cdr(message, TYPES[topic])))
    return path


def test_a_good_camera_is_read(tmp_path: Path) -> None:
    (camera,) = rig_from_bag(write_bag(tmp_path / "bag", GOOD), "base_link", EXTENT).rig.cameras
    assert (camera.name, camera.width, camera.height) == ("cam", 320, 160)


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [math.nan, 0, 0, 1], [1e200, 0, 0, 0]])
def test_a_transform_that_is_none_is_named(tmp_path: Path, quaternion: list[float]) -> None:
    with pytest.raises(InputError, match=r"camera_info: the transform of 'optical'"):
        rig_from_bag(write_bag(tmp_path / "bag", {**GOOD, "q": quaternion}), "base_link", EXTENT)


number = st.floats() | st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, 1e300])


def test_any_camera_is_a_finite_rig_or_refused_by_name(tmp_path: Path) -> None:
    count = iter(range(10**6))

    @settings(max_examples=40)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "width": st.integers(0, 2**32 - 1),
                "height": st.integers(0, 2**32 - 1),
                "k": st.lists(number, min_size=9, max_size=9),
                "d": st.lists(number, max_size=9),
                "model": st.sampled_from(["", "plumb_bob", "equidistant", "rational_polynomial", "thin_prism", "ü"]),
                "q": st.lists(number, min_size=4, max_size=4),
                "t": st.lists(number, min_size=3, max_size=3),
            },
        )
    )
    def check(change: dict[str, Any]) -> None:
        bag = write_bag(tmp_path / f"bag{next(count)}", {**GOOD, **change})
        try:
            rig = rig_from_bag(bag, "base_link", EXTENT).rig
        except AutodriveError as error:
            assert "cam" in str(error)
        else:
            assert all(np.isfinite(array).all() for array in projection(rig))

    check()
