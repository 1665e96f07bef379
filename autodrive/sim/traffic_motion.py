"""Turns the positions of SUMO's road users into poses that move as bodies do: no jump in heading, no sideways slide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import ObjectClass

_JUMP_M = 4.0  # in one tick: SUMO moved the user elsewhere, it did not drive there
_TURN_TIME_S = 0.3
_STRIDE_M = {ObjectClass.PEDESTRIAN: 1.4, ObjectClass.CYCLIST: 5.0}  # one gait cycle, one turn of the pedals


@dataclass(frozen=True, slots=True)
class RoadUser:
    """One moving road user in ``map``: centre of its box on the ground, velocity over ground, and how to draw it.

    ``gait_phase`` in 0..1 is how far a walker is in its stride or a cyclist in the turn of the pedals.
    """

    name: str
    label: ObjectClass
    x: float
    y: float
    yaw: float
    length: float
    width: float
    height: float
    vx: float
    vy: float
    style_seed: int
    gait_phase: float


@dataclass(frozen=True, slots=True)
class Body:
    """What stays the same of a road user."""

    name: str
    label: ObjectClass
    length: float
    width: float
    height: float
    style_seed: int


class Motion:
    """Follows one road user's reference point over time.

    A vehicle's reference point is the middle of its front bumper; its rear axle is drawn behind as by a drawbar (a
    tractrix), which is how a car's rear follows its front. A walker's is its centre.
    """

    def __init__(self, body: Body, x: float, y: float, yaw: float) -> None:
        self.body = body
        self._vehicle = body.label != ObjectClass.PEDESTRIAN
        self._drawbar = 0.75 * body.length  # front bumper to rear axle
        self._put(x, y, yaw)
        self._travel = 0.0
        self._velocity = (0.0, 0.0)

    def _put(self, x: float, y: float, yaw: float) -> None:
        self._x, self._y, self._yaw = x, y, yaw

    @property
    def _centre(self) -> tuple[float, float]:
        back = self.body.length / 2 if self._vehicle else 0.0
        return self._x - back * math.cos(self._yaw), self._y - back * math.sin(self._yaw)

    def update(self, x: float, y: float, yaw: float, dt: float) -> None:
        """Take the reference point and heading that SUMO reports ``dt`` seconds after the last."""
        if math.hypot(x - self._x, y - self._y) > _JUMP_M:
            self._put(x, y, yaw)
            self._velocity = (0.0, 0.0)
            return
        before = self._centre
        if self._vehicle:
            rear_x = self._x - self._drawbar * math.cos(self._yaw)
            rear_y = self._y - self._drawbar * math.sin(self._yaw)
            self._put(x, y, math.atan2(y - rear_y, x - rear_x))
        else:
            turn = wrap_angle(yaw - self._yaw) * dt / (_TURN_TIME_S + dt)
            self._put(x, y, wrap_angle(self._yaw + turn))
        now = self._centre
        self._velocity = ((now[0] - before[0]) / dt, (now[1] - before[1]) / dt)
        self._travel += math.hypot(now[0] - before[0], now[1] - before[1])

    def user(self) -> RoadUser:
        """The road user as it is now."""
        body = self.body
        stride = _STRIDE_M.get(body.label)
        phase = (self._travel / stride) % 1.0 if stride else 0.0
        return RoadUser(
            body.name, body.label, *self._centre, self._yaw, body.length, body.width, body.height,
            *self._velocity, body.style_seed, phase,
        )  # fmt: skip

    @property
    def pose(self) -> Pose2:
        """Centre and heading."""
        return Pose2(*self._centre, self._yaw)
