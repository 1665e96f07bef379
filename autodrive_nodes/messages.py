"""Turns ROS messages into the library's types and back: the only place that knows both.

Objects and what all share are in two modules of their own and can be had from here. OccupancyGrid cells are occupancy
in percent; an emergency command is one whose jerk is defined and below EMERGENCY_JERK.
"""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from autoware_control_msgs.msg import Control
from autoware_planning_msgs.msg import Trajectory as TrajectoryMsg
from autoware_planning_msgs.msg import TrajectoryPoint
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.rig import Camera
from autodrive.scene import Command, EgoState, GridExtent, GroundClass, GroundGrid, GroundMarkings, Route, Trajectory
from autodrive.transport.ring import Descriptor
from autodrive_nodes import contracts
from autodrive_nodes.message_parts import (  # noqa: F401 (to be had from here too)
    check_finite,
    header,
    lean_of,
    serialized,
    stamp_ns,
    stamp_of,
    takes_bytes,
    to_duration,
    to_pose,
    to_quaternion,
    to_time,
    yaw_of,
)
from autodrive_nodes.object_messages import (  # noqa: F401 (to be had from here too)
    OWN_LABEL_BASE,
    from_detections,
    from_predictions,
    from_tracks,
    label_number,
    label_of,
    to_detections,
    to_predictions,
    to_tracks,
)

EMERGENCY_JERK = -100.0
WHEELBASE = 2.579
_CLOUD_FIELDS = ("x", "y", "z", "lane_id", "kind", "score")


# --- ground --------------------------------------------------------------------------------------------------------


def to_occupancy(stamp: int, grid: GroundGrid) -> OccupancyGrid:
    """Channel FREE of a grid as occupancy in percent, in base_link."""
    message = OccupancyGrid(header=header(stamp, "base_link"))
    free = grid.probability[int(GroundClass.FREE)]
    message.info.resolution = grid.resolution
    message.info.width, message.info.height = free.shape
    message.info.origin = to_pose(grid.extent.x_min, grid.extent.y_min, 0.0, 0.0)
    occupied = np.clip(np.rint((1.0 - free) * 100), 0, 100).astype(np.int8)
    message.data = array.array("b", occupied.T.tobytes())
    return message


def from_occupancy(message: OccupancyGrid) -> GroundGrid:
    """One channel: the probability that a cell is free; unknown cells (-1) count as half."""
    info = message.info
    where = contracts.FREE_SPACE.name
    cells_are_there = len(message.data) == info.width * info.height > 0
    if not (cells_are_there and 0 < info.resolution < math.inf):
        raise InputError(f"{where}: {len(message.data)} cells for {info.width}x{info.height} at {info.resolution} m")
    cells = np.frombuffer(message.data, np.int8).reshape(info.height, info.width).T.astype(np.float32)
    free = np.where(cells < 0, 0.5, 1.0 - cells / 100.0).astype(np.float32)
    x, y = info.origin.position.x, info.origin.position.y
    check_finite(f"{where}: the origin", x, y)
    extent = GridExtent(x, x + info.width * info.resolution, y, y + info.height * info.resolution)
    return GroundGrid(extent, free[None])


def to_markings(stamp: int, markings: GroundMarkings) -> PointCloud2:
    """Paint as a cloud in base_link; ``kind`` is GroundClass, ``lane_id`` is 0 (paint is not grouped into lanes)."""
    cloud = np.zeros((len(markings.points), len(_CLOUD_FIELDS)), np.float32)
    cloud[:, :2], cloud[:, 4], cloud[:, 5] = markings.points, markings.kind, markings.score
    fields = [
        PointField(name=name, offset=4 * k, datatype=PointField.FLOAT32, count=1)
        for k, name in enumerate(_CLOUD_FIELDS)
    ]
    step = 4 * len(fields)
    message = PointCloud2(header=header(stamp, "base_link"), height=1, width=len(cloud), fields=fields)
    message.point_step, message.row_step, message.is_dense = step, step * len(cloud), True
    message.data = array.array("B", cloud.tobytes())
    return message


def from_markings(message: PointCloud2) -> GroundMarkings:
    """Paint in base_link."""
    where, step = contracts.LANES.name, 4 * len(_CLOUD_FIELDS)
    names = tuple(f.name for f in message.fields)
    as_expected = names == _CLOUD_FIELDS and all(f.datatype == PointField.FLOAT32 for f in message.fields)
    if not as_expected or message.point_step != step or message.is_bigendian:
        raise InputError(f"{where}: the cloud has fields {names}, expected {_CLOUD_FIELDS} as little-endian float32")
    if len(message.data) != message.width * message.height * step:
        raise InputError(f"{where}: {len(message.data)} bytes for {message.width * message.height} points")
    cloud = np.frombuffer(message.data, np.float32).reshape(-1, len(_CLOUD_FIELDS)).astype(np.float64)
    if not np.isfinite(cloud).all():
        raise InputError(f"{where}: a point is not finite")
    return GroundMarkings(cloud[:, :2], cloud[:, 4].astype(np.int64), cloud[:, 5])


# --- ego, plan, command ----------------------------------------------------------------------------------------------


def to_odometry(ego: EgoState) -> Odometry:
    """base_link in map; what carries the cameras leans as the orientation says, and z is its rise."""
    message = Odometry(header=header(ego.stamp_ns, "map"), child_frame_id="base_link")
    message.pose.pose = to_pose(ego.pose.x, ego.pose.y, ego.rise, ego.pose.yaw)
    message.pose.pose.orientation = to_quaternion(ego.pose.yaw, ego.roll, ego.pitch)
    twist = message.twist.twist
    twist.linear.x, twist.linear.y, twist.angular.z = ego.speed, ego.lateral_speed, ego.yaw_rate
    return message


def from_odometry(message: Odometry) -> EgoState:
    """base_link in map; raises InputError for anything not finite."""
    p, twist = message.pose.pose.position, message.twist.twist
    yaw, (roll, pitch) = yaw_of(message.pose.pose.orientation), lean_of(message.pose.pose.orientation)
    values = (p.x, p.y, p.z, yaw, roll, pitch, twist.linear.x, twist.linear.y, twist.angular.z)
    check_finite(contracts.ODOMETRY.name, *values)
    return EgoState(
        stamp_ns=stamp_ns(message.header.stamp),
        pose=Pose2(p.x, p.y, yaw),
        speed=twist.linear.x,
        yaw_rate=twist.angular.z,
        lateral_speed=twist.linear.y,
        roll=roll,
        pitch=pitch,
        rise=p.z,
    )


def to_transform(stamp: int, parent: str, child: str, pose: Pose2) -> TransformStamped:
    """A planar transform."""
    message = TransformStamped(header=header(stamp, parent), child_frame_id=child)
    message.transform.translation.x, message.transform.translation.y = pose.x, pose.y
    message.transform.rotation = to_quaternion(pose.yaw)
    return message


def to_trajectory(trajectory: Trajectory) -> TrajectoryMsg:
    """A plan in map. Its reason travels on /diagnostics."""
    message = TrajectoryMsg(header=header(trajectory.stamp_ns, "map"))
    columns = ("t", "x", "y", "yaw", "speed", "acceleration", "curvature")
    for t, x, y, yaw, v, a, k in zip(*(getattr(trajectory, c).tolist() for c in columns), strict=True):
        point = TrajectoryPoint(pose=to_pose(x, y, 0.0, yaw))
        point.time_from_start = to_duration(t)
        point.longitudinal_velocity_mps, point.acceleration_mps2 = v, a
        point.heading_rate_rps, point.front_wheel_angle_rad = v * k, math.atan(WHEELBASE * k)
        message.points.append(point)
    return message


def from_trajectory(message: TrajectoryMsg) -> Trajectory:
    """A plan in map; values are checked by the controller, whose policy it is."""
    rows = np.array(
        [
            (
                p.time_from_start.sec + p.time_from_start.nanosec * 1e-9,
                p.pose.position.x,
                p.pose.position.y,
                yaw_of(p.pose.orientation),
                p.longitudinal_velocity_mps,
                p.acceleration_mps2,
                math.tan(p.front_wheel_angle_rad) / WHEELBASE if math.isfinite(p.front_wheel_angle_rad) else math.nan,
            )
            for p in message.points
        ],
        dtype=np.float64,
    ).reshape(-1, 7)
    rows[:, 3] = np.unwrap(rows[:, 3])
    return Trajectory(stamp_ns(message.header.stamp), *rows.T)


def to_control(command: Command) -> Control:
    """A command for the car."""
    message = Control(stamp=to_time(command.stamp_ns))
    message.lateral.stamp = message.longitudinal.stamp = message.stamp
    message.lateral.steering_tire_angle = command.steering
    message.longitudinal.velocity, message.longitudinal.acceleration = command.speed, command.acceleration
    message.longitudinal.is_defined_acceleration = True
    if command.emergency:
        message.longitudinal.is_defined_jerk, message.longitudinal.jerk = True, EMERGENCY_JERK
    return message


def from_control(message: Control) -> Command:
    """A command for the car; values are checked by the safety gate, whose policy it is."""
    longitudinal = message.longitudinal
    return Command(
        stamp_ns=stamp_ns(message.stamp),
        steering=message.lateral.steering_tire_angle,
        acceleration=longitudinal.acceleration,
        speed=longitudinal.velocity,
        emergency=bool(longitudinal.is_defined_jerk and longitudinal.jerk <= EMERGENCY_JERK),
    )


def to_path(route: Route) -> Path:
    """A route in map; a Path has no place for the speed limit, which is a parameter of the planner."""
    message = Path(header=header(0, "map"))
    for x, y in route.points.tolist():
        message.poses.append(PoseStamped(header=message.header, pose=to_pose(x, y, 0.0, 0.0)))
    return message


def path_points(message: Path) -> NDArray[np.float64]:
    """The vertices (N, 2) of a route in map."""
    points = np.array([(p.pose.position.x, p.pose.position.y) for p in message.poses], dtype=np.float64).reshape(-1, 2)
    if len(points) < 2 or not np.isfinite(points).all():
        raise InputError(f"{contracts.ROUTE.name}: expected at least two finite points, got {len(points)}")
    return points


def route_start(points: NDArray[np.float64]) -> Pose2:
    """The pose at the first vertex, looking along the first leg."""
    dx, dy = points[1] - points[0]
    return Pose2(float(points[0, 0]), float(points[0, 1]), math.atan2(dy, dx))


# --- cameras, diagnostics --------------------------------------------------------------------------------------------


def to_camera_info(camera: Camera) -> CameraInfo:
    """The calibration of a camera."""
    message = CameraInfo(header=header(0, camera.frame_id), height=camera.height, width=camera.width)
    message.distortion_model = camera.model
    message.d = [float(v) for v in camera.distortion] or [0.0] * 5
    message.k = camera.K.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.K, np.zeros((3, 1))]).ravel()
    return message


def to_camera_transform(camera: Camera) -> TransformStamped:
    """The optical frame of a camera in base_link."""
    from scipy.spatial.transform import Rotation  # half of the start-up time of a process; few need it

    message = TransformStamped(header=header(0, "base_link"), child_frame_id=camera.frame_id)
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = camera.position.tolist()
    q.x, q.y, q.z, q.w = Rotation.from_matrix(camera.rotation).as_quat().tolist()
    return message


def to_image(stamp: int, camera: Camera, image: NDArray[np.uint8]) -> Image:
    """An RGB image."""
    message = Image(header=header(stamp, camera.frame_id), height=image.shape[0], width=image.shape[1])
    message.encoding, message.step, message.is_bigendian = "rgb8", image.shape[1] * 3, 0
    message.data = image.tobytes()
    return message


def to_shared_image(stamp: int, frame_id: str, descriptor: Descriptor) -> CompressedImage:
    """An image that lies in shared memory: only where travels."""
    return CompressedImage(header=header(stamp, frame_id), format="shm", data=descriptor.pack())


def to_diagnostics(stamp: int, name: str, level: bytes, text: str, values: dict[str, Any]) -> DiagnosticArray:
    """One status."""
    pairs = [KeyValue(key=k, value=str(v)) for k, v in values.items()]
    status = DiagnosticStatus(level=level, name=name, hardware_id="autodrive", message=text, values=pairs)
    return DiagnosticArray(header=header(stamp, ""), status=[status])
