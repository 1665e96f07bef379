"""Turns the positions of SUMO's road users into poses that move as bodies do: no jump in heading, no sideways slide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import ObjectClass

_JUMP_M = 4.0  # in one tick: SUMO moved the user elsewhere, it did not drive there
_TURN_TIME_S = 0.3
_WALKER_SPEED = 2.5
_CATCH_UP, _CREEP = 1.1, 0.5
_HEED_RANGE_M = 20.0
_HEED_M = 0.8  # how far ahead a walker looks where it puts its feet
_BRAKING = 4.0
_HEED_MARGIN_M = 0.2
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
        self._yaw_rate = 0.0

    def _put(self, x: float, y: float, yaw: float) -> None:
        self._x, self._y, self._yaw = x, y, yaw

    @property
    def _centre(self) -> tuple[float, float]:
        back = self.body.length / 2 if self._vehicle else 0.0
        return self._x - back * math.cos(self._yaw), self._y - back * math.sin(self._yaw)

    def update(self, x: float, y: float, yaw: float, speed: float, dt: float) -> None:
        """Take the reference point, heading and speed that SUMO reports ``dt`` seconds after the last."""
        if math.hypot(x - self._x, y - self._y) > _JUMP_M:
            self._put(x, y, yaw)
            self._velocity, self._yaw_rate = (0.0, 0.0), 0.0
            return
        before, before_yaw = self._centre, self._yaw
        # SUMO's lanes and walks do not join exactly: half a metre for a car, two for a walker, caught up with slowly
        reach = ((_CATCH_UP * speed + _CREEP) if self._vehicle else _WALKER_SPEED) * dt
        share = min(1.0, reach / max(math.hypot(x - self._x, y - self._y), 1e-9))
        x, y = self._x + share * (x - self._x), self._y + share * (y - self._y)
        if self._vehicle:
            rear_x = self._x - self._drawbar * math.cos(self._yaw)
            rear_y = self._y - self._drawbar * math.sin(self._yaw)
            self._put(x, y, math.atan2(y - rear_y, x - rear_x))
        else:
            turn = wrap_angle(yaw - self._yaw) * dt / (_TURN_TIME_S + dt)
            self._put(x, y, wrap_angle(self._yaw + turn))
        now = self._centre
        self._yaw_rate = wrap_angle(self._yaw - before_yaw) / dt
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

    def would_enter(self, ego: Pose2, rear: float, front: float, half_width: float) -> bool:
        """Whether its next steps, or its way to a stop, lead into the rectangle around ``ego`` (limits in its frame).

        Who is inside already may go on: standing there would not help.
        """
        dx, dy = self._x - ego.x, self._y - ego.y
        if dx * dx + dy * dy > _HEED_RANGE_M**2:
            return False
        c, s = math.cos(ego.yaw), math.sin(ego.yaw)
        margin = self.body.width / 2 + _HEED_MARGIN_M

        def inside(x: float, y: float) -> bool:
            return rear - margin < c * x + s * y < front + margin and abs(-s * x + c * y) < half_width + margin

        if inside(dx, dy):
            return False
        speed = math.hypot(*self._velocity)
        reach = _HEED_M + (speed * speed / (2 * _BRAKING) if self._vehicle else 0.0)
        curvature = self._yaw_rate / speed if speed > 1.0 and self._vehicle else 0.0
        steps = math.ceil(reach / _HEED_M)
        x, y, yaw = dx, dy, self._yaw
        for _ in range(steps):
            yaw += curvature * reach / steps
            x, y = x + reach / steps * math.cos(yaw), y + reach / steps * math.sin(yaw)
            if inside(x, y):
                return True
        return False

    @property
    def pose(self) -> Pose2:
        """Centre and heading."""
        return Pose2(*self._centre, self._yaw)
