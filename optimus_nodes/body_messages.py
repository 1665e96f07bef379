"""Turns the messages of a body on legs into the library's values and back: joints, walking commands, arm commands."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Imu, JointState

from autodrive.body import ArmCommand, BodyState, JointCommand, WalkCommand
from autodrive.errors import InputError
from autodrive_nodes import contracts
from autodrive_nodes.message_parts import header, stamp_ns

Array = NDArray[np.float64]
PELVIS = "pelvis"


def to_joint_states(body: BodyState) -> JointState:
    """Positions and velocities of all joints."""
    return JointState(
        header=header(body.stamp_ns, ""),
        name=list(body.names),
        position=body.position.tolist(),
        velocity=body.velocity.tolist(),
    )


def to_imu(body: BodyState) -> Imu:
    """The pelvis IMU with its attitude, of which only roll and pitch are good."""
    message = Imu(header=header(body.stamp_ns, PELVIS))
    q = message.orientation
    q.w, q.x, q.y, q.z = body.quaternion.tolist()
    message.angular_velocity.x, message.angular_velocity.y, message.angular_velocity.z = body.gyro.tolist()
    a = message.linear_acceleration
    a.x, a.y, a.z = body.accelerometer.tolist()
    return message


def from_joints_and_imu(joints: JointState, imu: Imu) -> BodyState:
    """Both at one stamp; raises InputError where lengths differ or a number is not finite."""
    names = tuple(joints.name)
    position, velocity = _values(joints.position, names), _values(joints.velocity, names)
    q, w, a = imu.orientation, imu.angular_velocity, imu.linear_acceleration
    body = BodyState(
        stamp_ns(joints.header.stamp),
        names,
        position,
        velocity,
        np.array([q.w, q.x, q.y, q.z]),
        np.array([w.x, w.y, w.z]),
        np.array([a.x, a.y, a.z]),
    )
    if not np.isfinite(np.concatenate([body.quaternion, body.gyro, body.accelerometer])).all():
        raise InputError(f"{contracts.IMU.name} is not finite: {body.quaternion}, {body.gyro}, {body.accelerometer}")
    return body


def to_joint_command(command: JointCommand | ArmCommand) -> JointState:
    """Targets and feed-forward torques."""
    return JointState(
        header=header(command.stamp_ns, ""),
        name=list(command.names),
        position=command.position.tolist(),
        effort=command.effort.tolist(),
    )


def from_joint_command(message: JointState) -> JointCommand:
    """Values are checked by the joint limits, whose policy it is."""
    return JointCommand(
        stamp_ns(message.header.stamp), tuple(message.name), np.array(message.position), np.array(message.effort)
    )


def from_arm_command(message: JointState) -> ArmCommand:
    """Empty names: the walking policy keeps the arms."""
    names = tuple(message.name)
    position, effort = _values(message.position, names), _values(message.effort, names)
    return ArmCommand(stamp_ns(message.header.stamp), names, position, effort)


def to_twist(command: WalkCommand) -> TwistStamped:
    """Velocities in base_link."""
    message = TwistStamped(header=header(command.stamp_ns, "base_link"))
    message.twist.linear.x, message.twist.linear.y = command.vx, command.vy
    message.twist.angular.z = command.yaw_rate
    return message


def from_twist(message: TwistStamped) -> WalkCommand:
    """Velocities in base_link; values are checked by the safety gate, whose policy it is."""
    twist = message.twist
    return WalkCommand(stamp_ns(message.header.stamp), twist.linear.x, twist.linear.y, twist.angular.z)


def _values(numbers: Any, names: tuple[str, ...]) -> Array:
    values = np.array(numbers, dtype=np.float64)
    if len(values) != len(names) or not np.isfinite(values).all():
        raise InputError(f"joints: {len(values)} values for {len(names)} names, or one is not finite: {values}")
    return values
