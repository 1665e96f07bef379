"""The ego car in motion: commands become wheel torques with actuator limits and lag, tyres push it, MuJoCo integrates.

One step is ``mj_step1`` (positions, velocities, contacts) -> tyre forces -> ``mj_step2``; forces computed before a
whole ``mj_step`` would lag the velocities by one step and make the yaw response overshoot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.sim.car_model import (
    DRIVEN,
    MASS_KG,
    MAX_WHEEL_ANGLE_RAD,
    STEERED,
    TRACK_FRONT_M,
    WHEEL_INERTIA,
    WHEEL_RADIUS_M,
    WHEELBASE_M,
    WHEELS,
)
from autodrive.sim.tyre import Tyre

_INERTIAL_MASS = MASS_KG + 4 * WHEEL_INERTIA / WHEEL_RADIUS_M**2  # spinning wheels resist acceleration too


@dataclass(frozen=True, kw_only=True)
class ActuatorLimits:
    """What engine, brakes and steering can do; lags are time constants of first order."""

    max_acceleration: float = 3.0
    max_deceleration: float = 8.0  # the most that locks no wheel on a dry road with this brake balance
    max_power_w: float = 110e3
    max_steering: float = MAX_WHEEL_ANGLE_RAD
    steering_rate: float = 0.4  # rad/s at the road wheel, CommonRoad vehicle 2
    steering_lag_s: float = 0.06
    drive_lag_s: float = 0.2
    brake_lag_s: float = 0.1
    front_brake_share: float = 0.66
    hold_torque_nm: float = 2500.0
    hold_speed: float = 0.1
    release_acceleration: float = 0.05


class Vehicle:
    """Steps the whole MuJoCo model that holds the car of ``car_model.load_car_spec``.

    The low-level controller compensates road load, so a commanded acceleration of zero keeps the speed. There is no
    reverse gear: braking ends in a standstill that is held until a positive acceleration releases it.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        limits: ActuatorLimits | None = None,
        friction: float = 1.0,
    ) -> None:
        """``friction`` scales the tyres' peak force (1 is dry asphalt)."""
        self._model, self._data = model, data
        self._limits = limits or ActuatorLimits()
        self._base = model.body("base_link").id
        root = model.joint("base_link")
        self._qpos, self._qvel = int(root.qposadr[0]), int(root.dofadr[0])
        self._wheel_bodies = np.array([model.body(f"{w}_wheel").id for w in WHEELS])
        self._wheel_of_geom = {model.geom(f"{w}_tyre").id: i for i, w in enumerate(WHEELS)}
        self._spin_dofs = np.array([int(model.joint(f"{w}_spin").dofadr[0]) for w in WHEELS])
        self._steer_qpos = np.array([int(model.joint(f"{w}_steering").qposadr[0]) for w in STEERED])
        self._controls = np.array(
            [model.actuator(f"{w}_steering").id for w in STEERED] + [model.actuator(f"{w}_drive").id for w in DRIVEN]
        )
        self._world_geoms = frozenset(np.flatnonzero(model.geom_bodyid == 0).tolist())
        self._tyres = [Tyre(friction) for _ in WHEELS]
        self._loads = [0.0] * 4
        self._dt = float(model.opt.timestep)
        self.body_contacts: list[tuple[int, int]] = []  # geom pairs of the last step that are not a tyre on the ground
        self._clear()

    def _clear(self) -> None:
        self._target_steering = self._steering = 0.0
        self._target_acceleration = self._acceleration = 0.0
        self._holding = True
        self.parking_brake = True
        self._brakes: tuple[float, float] | None = None
        self._loads = [0.0] * 4
        for tyre in self._tyres:
            tyre.reset()

    def reset(self, pose: Pose2, speed: float = 0.0) -> None:
        """Put the car at ``pose`` on flat ground (z = 0), wheels straight; at rest its parking brake holds it."""
        data = self._data
        mujoco.mj_resetData(self._model, data)
        self._clear()
        data.qpos[self._qpos : self._qpos + 7] = [
            pose.x, pose.y, 0.0, math.cos(pose.yaw / 2), 0.0, 0.0, math.sin(pose.yaw / 2),
        ]  # fmt: skip
        data.qvel[self._qvel : self._qvel + 2] = [speed * math.cos(pose.yaw), speed * math.sin(pose.yaw)]
        data.qvel[self._spin_dofs] = speed / WHEEL_RADIUS_M
        if speed > self._limits.hold_speed:
            self.parking_brake = self._holding = False
        mujoco.mj_forward(self._model, data)

    def command(self, steering: float, acceleration: float) -> None:
        """Set the targets: road-wheel angle of the single-track model [rad, left positive] and acceleration [m/s2].

        Values beyond the actuators' limits are clipped to them; raises InputError if one is not finite.
        """
        for name, value in (("steering", steering), ("acceleration", acceleration)):
            if not math.isfinite(value):
                raise InputError(f"vehicle command: {name} is {value}; it must be finite")
        limits = self._limits
        self._target_steering = max(-limits.max_steering, min(limits.max_steering, steering))
        self._target_acceleration = max(-limits.max_deceleration, min(limits.max_acceleration, acceleration))
        if self._target_acceleration > limits.release_acceleration:
            self.parking_brake = False

    def step(self) -> None:
        """Advance the model by one time step."""
        self._actuate()
        mujoco.mj_step1(self._model, self._data)
        touching = self._push_wheels()
        mujoco.mj_step2(self._model, self._data)
        # normal forces of this step are the tyres' loads in the next one
        self._loads = [0.0] * 4
        if touching:
            forces = self._data.efc_force
            for wheel, address in touching:
                self._loads[wheel] += float(forces[address])

    @property
    def pose(self) -> Pose2:
        """base_link in the world, projected to the ground."""
        x, y, _, qw, qx, qy, qz = self._data.qpos[self._qpos : self._qpos + 7].tolist()
        return Pose2(x, y, math.atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz)))

    @property
    def speed(self) -> float:
        """Velocity of base_link along its heading [m/s]."""
        vx, vy = self._data.qvel[self._qvel : self._qvel + 2].tolist()
        yaw = self.pose.yaw
        return float(vx * math.cos(yaw) + vy * math.sin(yaw))

    @property
    def wheel_speed(self) -> float:
        """Mean rolling speed of the rear wheels [m/s], before any sensor noise."""
        return float(self._data.qvel[self._spin_dofs[2:]].mean()) * WHEEL_RADIUS_M

    @property
    def steering(self) -> float:
        """Road-wheel angle of the single-track model [rad]."""
        left, right = np.tan(self._data.qpos[self._steer_qpos]).tolist()
        # Ackermann: cot(single) is the mean of the two wheels' cotangents, hence the harmonic mean of tangents
        return math.atan(2 * left * right / (left + right)) if abs(left + right) > 1e-6 else 0.0

    @property
    def quaternion(self) -> NDArray[np.float64]:
        """Orientation (w, x, y, z), world from base_link."""
        return self._data.qpos[self._qpos + 3 : self._qpos + 7].copy()

    @property
    def rotation(self) -> NDArray[np.float64]:
        """Rotation matrix (3, 3), world from base_link."""
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, self.quaternion)
        return matrix.reshape(3, 3)

    @property
    def position(self) -> NDArray[np.float64]:
        """Position (3,) of base_link in the world [m]."""
        return self._data.qpos[self._qpos : self._qpos + 3].copy()

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Velocity (3,) of base_link in the world [m/s]."""
        return self._data.qvel[self._qvel : self._qvel + 3].copy()

    @property
    def wheel_positions(self) -> NDArray[np.float64]:
        """Ground points (4, 2) below the wheels in the world, in the order of WHEELS."""
        return self._data.xpos[self._wheel_bodies, :2].copy()

    def _actuate(self) -> None:
        limits, dt = self._limits, self._dt
        speed = self.speed
        rate = (self._target_steering - self._steering) / (limits.steering_lag_s + dt)
        self._steering += max(-limits.steering_rate, min(limits.steering_rate, rate)) * dt
        target = self._target_acceleration
        lag = limits.brake_lag_s if target < self._acceleration else limits.drive_lag_s
        self._acceleration += (target - self._acceleration) * dt / (lag + dt)
        if target > limits.release_acceleration:
            self._holding = False
        elif abs(speed) < limits.hold_speed:
            self._holding = True
        force = min(_INERTIAL_MASS * max(0.0, self._acceleration), limits.max_power_w / max(speed, 1.0))
        brake = _INERTIAL_MASS * WHEEL_RADIUS_M * max(0.0, -self._acceleration)
        if self._holding:
            force, brake = 0.0, max(brake, limits.hold_torque_nm)
        inner, outer = _ackermann(self._steering)
        torque = force * WHEEL_RADIUS_M / 2
        self._data.ctrl[self._controls] = (inner, outer, torque, torque)
        self._apply_brakes(brake)

    def _apply_brakes(self, torque: float) -> None:
        share = self._limits.front_brake_share
        rear = (1 - share) * torque / 2
        if self.parking_brake:
            rear = max(rear, self._limits.hold_torque_nm / 2)
        front = share * torque / 2
        if self._brakes != (front, rear):
            self._brakes = (front, rear)
            self._model.dof_frictionloss[self._spin_dofs] = (front, front, rear, rear)

    def _push_wheels(self) -> list[tuple[int, int]]:
        """Apply tyre forces; returns (wheel, constraint row) of every wheel contact."""
        data = self._data
        contacts, touching = self._wheel_contacts()
        forces = [[0.0] * 6 for _ in WHEELS]
        centres = data.xpos[self._wheel_bodies].tolist()
        rotations = data.xmat[self._wheel_bodies].tolist()
        twists = data.cvel[self._wheel_bodies].tolist()
        origin = data.subtree_com[self._base].tolist()
        for wheel, tyre in enumerate(self._tyres):
            load, ground = self._loads[wheel], contacts[wheel]
            if ground is None or load <= 1.0:
                tyre.reset()
                continue
            rotation = rotations[wheel]
            axle = (rotation[1], rotation[4], rotation[7])
            wrench = _wheel_wrench(tyre, ground, centres[wheel], axle, twists[wheel], origin, load, self._dt)
            forces[wheel] = wrench
        data.xfrc_applied[self._wheel_bodies] = forces
        return touching

    def _wheel_contacts(self) -> tuple[list[tuple[_Vector, _Vector] | None], list[tuple[int, int]]]:
        """Per wheel (contact point, upward normal) averaged over its contacts with the static world."""
        found: list[list[tuple[float, ...]]] = [[], [], [], []]
        touching = []
        self.body_contacts = []
        contact = self._data.contact
        pairs = contact.geom.tolist()
        for index, (first, second) in enumerate(pairs):
            wheel, other, sign = self._wheel_of_geom.get(second), first, 1.0
            if wheel is None:
                wheel, other, sign = self._wheel_of_geom.get(first), second, -1.0
            if wheel is None or other not in self._world_geoms:
                self.body_contacts.append((first, second))
                continue
            item = contact[index]
            if item.efc_address < 0:
                continue
            normal = item.frame[:3].tolist()
            touching.append((wheel, int(item.efc_address)))
            found[wheel].append((*item.pos.tolist(), *(sign * n for n in normal)))
        return [_mean_contact(points) for points in found], touching


_Vector = tuple[float, float, float]


def _mean_contact(points: list[tuple[float, ...]]) -> tuple[_Vector, _Vector] | None:
    if not points:
        return None
    x, y, z, nx, ny, nz = (sum(c) / len(points) for c in zip(*points, strict=True)) if len(points) > 1 else points[0]
    norm = math.sqrt(nx * nx + ny * ny + nz * nz)
    if norm < 0.1:
        return None
    return (x, y, z), (nx / norm, ny / norm, nz / norm)


def _wheel_wrench(
    tyre: Tyre,
    ground: tuple[_Vector, _Vector],
    centre: list[float],
    axle: _Vector,
    twist: list[float],
    origin: list[float],
    load: float,
    dt: float,
) -> list[float]:
    """Force and torque [N, Nm] at the wheel's centre in world axes; ``twist`` (angular, linear) is at ``origin``."""
    point, (nx, ny, nz) = ground
    ax, ay, az = axle
    fx, fy, fz = ay * nz - az * ny, az * nx - ax * nz, ax * ny - ay * nx  # forward = axle x normal
    norm = math.sqrt(fx * fx + fy * fy + fz * fz)
    if norm < 0.3:  # the wheel lies on its side
        return [0.0] * 6
    fx, fy, fz = fx / norm, fy / norm, fz / norm
    lx, ly, lz = ny * fz - nz * fy, nz * fx - nx * fz, nx * fy - ny * fx  # left = normal x forward
    wx, wy, wz, vx, vy, vz = twist
    rx, ry, rz = centre[0] - origin[0], centre[1] - origin[1], centre[2] - origin[2]
    vx, vy, vz = vx + wy * rz - wz * ry, vy + wz * rx - wx * rz, vz + wx * ry - wy * rx
    rolling = (ax * wx + ay * wy + az * wz) * WHEEL_RADIUS_M
    along, across = tyre.force(fx * vx + fy * vy + fz * vz, rolling, lx * vx + ly * vy + lz * vz, load, dt)
    px, py, pz = along * fx + across * lx, along * fy + across * ly, along * fz + across * lz
    rx, ry, rz = point[0] - centre[0], point[1] - centre[1], point[2] - centre[2]
    return [px, py, pz, ry * pz - rz * py, rz * px - rx * pz, rx * py - ry * px]


def _ackermann(steering: float) -> tuple[float, float]:
    """Angles of the left and right wheel whose axles meet the rear axle at the single-track turning centre."""
    t = math.tan(steering)
    return (
        math.atan2(t, 1 - t * TRACK_FRONT_M / (2 * WHEELBASE_M)),
        math.atan2(t, 1 + t * TRACK_FRONT_M / (2 * WHEELBASE_M)),
    )
