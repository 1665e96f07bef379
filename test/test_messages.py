"""Messages carry the library's types there and back, and what another program gets wrong is refused by its topic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from autoware_perception_msgs.msg import ObjectClassification
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, PointField

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.rig import Camera, load_rig
from autodrive.scene import (
    Command,
    DetectedObject,
    EgoState,
    Forecast,
    ForecastMode,
    GridExtent,
    GroundGrid,
    GroundMarkings,
    ObjectClass,
    Route,
    TrackedObject,
    Trajectory,
)
from autodrive.transport.ring import Descriptor
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.image_messages import from_image
from autodrive_nodes.paths import RIGS

STAMP = 1_234_567_890
metres = st.floats(-1e3, 1e3)
sizes = st.floats(0.1, 30.0)
angles = st.floats(-3.1, 3.1)
speeds = st.floats(-20.0, 20.0)
chances = st.floats(0.0, 1.0, width=32)
stamps = st.integers(0, 2**31 * 10**9 - 1)
BOX = {"x": metres, "y": metres, "z": metres, "yaw": angles, "length": sizes, "width": sizes, "height": sizes}
BOX |= {"score": chances, "label": st.sampled_from(ObjectClass), "vx": speeds, "vy": speeds}
detections = st.builds(DetectedObject, **BOX)
tracks = st.builds(
    TrackedObject,
    **BOX,
    track_id=st.integers(0, 2**63),
    yaw_rate=speeds,
    age_s=st.just(0.0),
    position_std_m=st.floats(0.0, 10.0),
)
paths = st.lists(st.tuples(metres, metres, angles), min_size=1, max_size=5)
modes = st.builds(lambda p, rows: ForecastMode(p, np.array(rows)), chances, paths)
forecasts = st.builds(
    Forecast, track=tracks, dt=st.sampled_from([0.1, 0.25, 0.5]), modes=st.tuples(modes) | st.tuples(modes, modes)
)


def wired(message: Any) -> Any:
    """What the other side receives: float32 fields are rounded, arrays are of ROS's own types."""
    return deserialize_message(serialize_message(message), type(message))


def same(found: Any, expected: Any, names: tuple[str, ...]) -> None:
    for name in names:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5, abs=1e-4), name


BOX_FIELDS = (*BOX,)
TRACK_FIELDS = (*BOX, "track_id", "yaw_rate", "age_s", "position_std_m")


@given(stamps)
def test_stamps_are_exact(stamp: int) -> None:
    assert messages.stamp_ns(wired(messages.to_time(stamp))) == stamp


@given(st.floats(0.0, 1e6))
def test_durations_are_normal(seconds: float) -> None:
    duration = messages.to_duration(seconds)
    assert duration.nanosec < 1_000_000_000
    assert duration.sec + duration.nanosec * 1e-9 == pytest.approx(seconds, abs=1e-9, rel=1e-12)


@given(st.lists(detections, max_size=3))
def test_detections(objects: list[DetectedObject]) -> None:
    message = wired(messages.to_detections(STAMP, objects))
    assert (messages.stamp_ns(message.header.stamp), message.header.frame_id) == (STAMP, "base_link")
    for found, expected in zip(messages.from_detections(message), objects, strict=True):
        same(found, expected, BOX_FIELDS)


@given(st.lists(tracks, max_size=3))
def test_tracks(objects: list[TrackedObject]) -> None:
    message = wired(messages.to_tracks(STAMP, objects))
    assert (messages.stamp_ns(message.header.stamp), message.header.frame_id) == (STAMP, "map")
    for found, expected in zip(messages.from_tracks(message), objects, strict=True):
        same(found, expected, TRACK_FIELDS)


@given(st.lists(forecasts, max_size=2))
def test_predictions(items: list[Forecast]) -> None:
    for found, expected in zip(
        messages.from_predictions(wired(messages.to_predictions(STAMP, items))), items, strict=True
    ):
        same(found.track, expected.track, TRACK_FIELDS)
        assert found.dt == pytest.approx(expected.dt, abs=1e-9)
        for mode, wanted in zip(found.modes, expected.modes, strict=True):
            assert mode.probability == pytest.approx(wanted.probability)
            np.testing.assert_allclose(mode.poses, wanted.poses, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_free_space(nx: int, ny: int, seed: int) -> None:
    free = np.random.default_rng(seed).random((1, nx, ny)).astype(np.float32)
    grid = GroundGrid(GridExtent(-2.0, -2.0 + nx * 0.5, 1.0, 1.0 + ny * 0.5), free)
    found = messages.from_occupancy(wired(messages.to_occupancy(STAMP, grid)))
    np.testing.assert_allclose(found.probability, free, atol=0.0051)
    assert found.extent == grid.extent


def test_an_unknown_cell_is_half_free() -> None:
    message = messages.to_occupancy(STAMP, GroundGrid(GridExtent(0, 1, 0, 1), np.ones((1, 2, 2), np.float32)))
    message.data[0] = -1
    assert messages.from_occupancy(message).probability[0].tolist() == [[0.5, 1.0], [1.0, 1.0]]


@given(st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_markings(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    paint = GroundMarkings(rng.normal(0, 20, (count, 2)), rng.integers(0, 4, count), rng.random(count))
    found = messages.from_markings(wired(messages.to_markings(STAMP, paint)))
    np.testing.assert_allclose(found.points, paint.points, rtol=1e-6)
    np.testing.assert_array_equal(found.kind, paint.kind)
    np.testing.assert_allclose(found.score, paint.score, rtol=1e-6)


@given(stamps, metres, metres, angles, speeds, speeds, speeds)
def test_odometry(stamp: int, x: float, y: float, yaw: float, v: float, lateral: float, rate: float) -> None:
    ego = EgoState(stamp, Pose2(x, y, yaw), v, rate, lateral_speed=lateral)
    found = messages.from_odometry(wired(messages.to_odometry(ego)))
    assert replace(found, pose=ego.pose) == ego
    same(found.pose, ego.pose, ("x", "y", "yaw"))


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_trajectory(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(0, 5, count) for _ in range(4)]
    yaw = rng.uniform(-3, 3) + np.cumsum(rng.uniform(-0.5, 0.5, count))
    plan = Trajectory(
        STAMP, np.arange(count) * 0.1, columns[0], columns[1], yaw, columns[2], columns[3], columns[0] / 50
    )
    found = messages.from_trajectory(wired(messages.to_trajectory(plan)))
    assert found.stamp_ns == STAMP
    for name in ("t", "x", "y", "speed", "acceleration", "curvature"):
        np.testing.assert_allclose(getattr(found, name), getattr(plan, name), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.exp(1j * found.yaw), np.exp(1j * yaw), atol=1e-9)
    assert (np.abs(np.diff(found.yaw)) < math.pi).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["front_wheel_angle_rad", "longitudinal_velocity_mps"])
def test_a_mad_trajectory_reaches_the_controller_who_stops_for_it(name: str, value: float) -> None:
    line = np.linspace(0.0, 1.0, 3)
    message = messages.to_trajectory(Trajectory(STAMP, line, line, line, line, line, line, line))
    setattr(message.points[1], name, value)
    found = messages.from_trajectory(wired(message))
    assert not np.isfinite([found.speed, found.curvature]).all()


@given(stamps, angles, speeds, speeds, st.booleans())
def test_command(stamp: int, steering: float, acceleration: float, speed: float, emergency: bool) -> None:
    command = Command(stamp, steering, acceleration, speed, emergency)
    found = messages.from_control(wired(messages.to_control(command)))
    assert (found.stamp_ns, found.emergency) == (stamp, emergency)
    same(found, command, ("steering", "acceleration", "speed"))


@given(st.lists(st.tuples(metres, metres), min_size=2, max_size=6))
def test_route(points: list[tuple[float, float]]) -> None:
    route = Route(np.array(points), Pose2(0, 0, 0), 8.0)
    np.testing.assert_array_equal(messages.path_points(wired(messages.to_path(route))), route.points)


def camera() -> Camera:
    return load_rig(RIGS / "car.yaml").cameras[0]


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_images_of_every_encoding_with_padded_rows(encoding: str) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)
    message = wired(messages.to_image(STAMP, camera(), rgb))
    np.testing.assert_array_equal(from_image(message, "/x"), rgb)
    stored = {"rgb8": rgb, "bgr8": rgb[..., ::-1], "mono8": rgb[..., :1]}
    with_alpha = np.dstack([rgb, rgb[..., :1]])
    stored |= {"rgba8": with_alpha, "bgra8": with_alpha[..., [2, 1, 0, 3]]}
    rows = stored[encoding].reshape(4, -1)
    padded = np.pad(rows, ((0, 0), (0, 5)))
    message.encoding, message.step, message.data = encoding, padded.shape[1], padded.tobytes()
    expected = np.repeat(rgb[..., :1], 3, axis=2) if encoding == "mono8" else rgb
    np.testing.assert_array_equal(from_image(message, "/x"), expected)


@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        ("bayer_rggb8", cv2.COLOR_BayerRGGB2RGB),
        ("bayer_gbrg8", cv2.COLOR_BayerGBRG2RGB),
        ("nv12", cv2.COLOR_YUV2RGB_NV12),
        ("yuv422_yuy2", cv2.COLOR_YUV2RGB_YUY2),
    ],
)
def test_what_sensors_send_becomes_rgb(encoding: str, code: int) -> None:
    """As OpenCV converts it, with padded rows too."""
    tall = {"nv12": 9}.get(encoding, 6)
    wide = {"yuv422_yuy2": 2}.get(encoding, 1)
    stored = np.random.default_rng(2).integers(0, 256, (tall, 8 * wide), np.uint8)
    padded = np.pad(stored, ((0, 0), (0, 4)))
    message = messages.to_image(STAMP, camera(), np.zeros((6, 8, 3), np.uint8))
    message.encoding, message.step, message.data = encoding, padded.shape[1], padded.tobytes()
    expected = cv2.cvtColor(stored.reshape(6, 8, 2) if wide == 2 else stored, code)
    np.testing.assert_array_equal(from_image(wired(message), "/x"), expected)


def test_a_red_scene_is_red_through_a_bayer_filter() -> None:
    mosaic = np.zeros((6, 8), np.uint8)
    mosaic[0::2, 0::2] = 200  # the red pixels of RGGB
    message = messages.to_image(STAMP, camera(), np.zeros((6, 8, 3), np.uint8))
    message.encoding, message.step, message.data = "bayer_rggb8", 8, mosaic.tobytes()
    assert from_image(message, "/x")[2:4, 2:4].reshape(-1, 3).tolist() == [[200, 0, 0]] * 4


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (5, 4)])
def test_images_that_cannot_be_are_refused(width: int, height: int) -> None:
    message = Image(width=width, height=height, encoding="nv12", step=width, data=bytes(width * height * 3 // 2))
    with pytest.raises(InputError, match="/x: "):
        from_image(message, "/x")


def test_camera_info_and_transform_carry_the_calibration() -> None:
    info, transform = messages.to_camera_info(camera()), messages.to_camera_transform(camera())
    np.testing.assert_array_equal(np.reshape(info.k, (3, 3)), camera().K)
    assert (info.width, info.height, info.header.frame_id) == (320, 160, transform.child_frame_id)
    t = transform.transform.translation
    assert [t.x, t.y, t.z] == camera().position.tolist()


@given(st.lists(st.sampled_from(["front", "rear", "left_1"]), unique=True), st.integers(1, 2**40))
def test_frame_set(names: list[str], count: int) -> None:
    frames = tuple((n, Descriptor(f"autodrive-0-1-{n}", k, 2 * count, 7, 4, 6, 3)) for k, n in enumerate(names))
    assert frame_set.from_message(wired(frame_set.to_message(STAMP, frames))) == frames


# --- refusal -------------------------------------------------------------------------------------------------------

TRACK = TrackedObject(3, ObjectClass.CAR, 0.9, 1.0, 2.0, 0.7, 0.1, 4.0, 1.8, 1.5, 1.0, 0.0, 0.0, 0.0)
FORECAST = Forecast(TRACK, 0.5, (ForecastMode(1.0, np.zeros((2, 3))),))


def spoil(target: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name)] if name.isdigit() else getattr(target, name)
    if last.isdigit():
        target[int(last)] = value
    else:
        setattr(target, last, value)


REFUSED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], str, tuple[str, ...]]] = {
    "tracks": (
        lambda: messages.to_tracks(STAMP, [TRACK]),
        messages.from_tracks,
        contracts.TRACKS.name,
        (
            "objects.0.existence_probability",
            "objects.0.shape.dimensions.x",
            "objects.0.kinematics.pose_with_covariance.pose.position.y",
            "objects.0.kinematics.pose_with_covariance.pose.orientation.z",
            "objects.0.kinematics.pose_with_covariance.covariance.0",
            "objects.0.kinematics.twist_with_covariance.twist.linear.x",
            "objects.0.kinematics.twist_with_covariance.twist.angular.z",
        ),
    ),
    "detections": (
        lambda: messages.to_detections(STAMP, [TRACK]),  # type: ignore[list-item]
        messages.from_detections,
        contracts.DETECTIONS.name,
        ("objects.0.existence_probability", "objects.0.kinematics.pose_with_covariance.pose.position.x"),
    ),
    "predictions": (
        lambda: messages.to_predictions(STAMP, [FORECAST]),
        messages.from_predictions,
        contracts.PREDICTIONS.name,
        (
            "objects.0.kinematics.initial_pose_with_covariance.pose.position.x",
            "objects.0.kinematics.predicted_paths.0.confidence",
            "objects.0.kinematics.predicted_paths.0.path.1.position.x",
            "objects.0.kinematics.predicted_paths.0.path.1.orientation.w",
        ),
    ),
    "odometry": (
        lambda: messages.to_odometry(EgoState(STAMP, Pose2(1, 2, 3), 4, 5)),
        messages.from_odometry,
        contracts.ODOMETRY.name,
        ("pose.pose.position.x", "pose.pose.orientation.w", "twist.twist.linear.x", "twist.twist.angular.z"),
    ),
    "route": (
        lambda: messages.to_path(Route(np.eye(2), Pose2(0, 0, 0), 1.0)),
        messages.path_points,
        contracts.ROUTE.name,
        ("poses.1.pose.position.x",),
    ),
    "free space": (
        lambda: messages.to_occupancy(STAMP, GroundGrid(GridExtent(0, 1, 0, 1), np.ones((1, 2, 2), np.float32))),
        messages.from_occupancy,
        contracts.FREE_SPACE.name,
        ("info.resolution", "info.origin.position.x"),
    ),
}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, row in REFUSED.items() for path in row[3]])
def test_what_is_not_finite_is_refused_by_topic(kind: str, path: str, value: float) -> None:
    make, read, topic, _ = REFUSED[kind]
    read(wired(make()))
    message = make()
    spoil(message, path, value)
    with pytest.raises(InputError, match=topic):
        read(wired(message))


@given(st.integers(0, 255), st.booleans())
def test_labels_of_other_stacks_are_known_or_left_out(number: int, first: bool) -> None:
    message = messages.to_tracks(STAMP, [TRACK, replace(TRACK, track_id=4)])
    unsure = ObjectClassification(label=200, probability=0.1)
    best = ObjectClassification(label=number, probability=0.8)
    message.objects[0].classification = [best, unsure] if first else [unsure, best]
    found = messages.from_tracks(wired(message))
    assert found[-1].track_id == 4 and found[-1].label is ObjectClass.CAR
    known = number in (1, 2, 3, 4, 5, 6, 7) or 100 <= number < 109
    assert len(found) == 1 + known


def refused(read: Callable[[Any], Any], message: Any, topic: str, path: str, value: Any) -> None:
    spoil(message, path, value)
    with pytest.raises(InputError, match=topic):
        read(message)


def test_sizes_that_do_not_fit_are_refused() -> None:
    grid = GroundGrid(GridExtent(0, 1, 0, 1), np.ones((1, 2, 2), np.float32))
    refused(messages.from_occupancy, messages.to_occupancy(STAMP, grid), contracts.FREE_SPACE.name, "info.width", 3)
    paint = GroundMarkings(np.zeros((2, 2)), np.zeros(2, np.int64), np.ones(2))
    for path, value in (("width", 3), ("point_step", 20), ("fields.0.datatype", PointField.FLOAT64)):
        refused(messages.from_markings, messages.to_markings(STAMP, paint), contracts.LANES.name, path, value)
    image = np.zeros((4, 6, 3), np.uint8)
    for path, value in (("encoding", "16UC1"), ("width", 7), ("height", 5), ("step", 17)):
        refused(
            lambda m: from_image(m, "/camera/x"),
            messages.to_image(STAMP, camera(), image),
            "/camera/x",
            path,
            value,
        )
    negative = messages.to_tracks(STAMP, [TRACK])
    refused(messages.from_tracks, negative, contracts.TRACKS.name, "objects.0.shape.dimensions.y", -1.0)
    nameless = messages.to_tracks(STAMP, [TRACK])
    refused(messages.from_tracks, nameless, contracts.TRACKS.name, "objects.0.classification", [])


@given(st.binary(max_size=80))
def test_any_bytes_as_frame_set_are_refused_or_read(data: bytes) -> None:
    message = frame_set.to_message(STAMP, ())
    message.data = data
    try:
        assert isinstance(frame_set.from_message(message), tuple)
    except InputError as error:
        assert "frame set" in str(error) or "descriptor" in str(error) or "segment" in str(error)
