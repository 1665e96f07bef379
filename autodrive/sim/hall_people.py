"""People in the hall: they walk from place to place, pause, and look where they go, the robot included.

A person never walks into the robot: what touches it then is the robot's doing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2, wrap_angle
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall import person_size

CELL_M = 0.1
ROOM_M = 0.45  # a person keeps this far from what stands
ROBOT_M, ROBOT_SLOW_M = 0.9, 1.6  # comes no nearer to the robot, walks slowly within
PERSON_M = 0.8
SPEED = (0.4, 1.1)
PAUSE_S = (1.0, 7.0)
TURN_RATE = 1.8
REACH_M = (1.5, 8.0)
ARRIVED_M = 0.15
PATIENCE_S = 2.0
STRIDE_M = 1.5


@dataclass
class _Person:
    x: float
    y: float
    yaw: float
    size: tuple[float, float, float]
    style: int
    speed: float
    target: tuple[float, float] | None = None
    pause_s: float = 0.0
    blocked_s: float = 0.0
    now: float = 0.0
    gait: float = 0.0


class People:
    """Everybody in a hall whose free floor is ``room`` (n, n): distance [m] to what stands, centred on the map."""

    def __init__(self, rng: np.random.Generator, people: Sequence[DetectedObject], room: NDArray[np.float64]) -> None:
        self._rng, self._room = rng, room
        self._half = room.shape[0] * CELL_M / 2
        cells = np.argwhere(room > ROOM_M)
        self._places = (cells + 0.5) * CELL_M - self._half
        self._people = []
        for item in people:
            speed, style = float(rng.uniform(*SPEED)), int(rng.integers(1 << 30))
            person = _Person(item.x, item.y, item.yaw, person_size(rng), style, speed)
            person.pause_s = float(rng.uniform(0.0, PAUSE_S[1]))
            if self._free(person.x, person.y) and len(self._places):
                self._people.append(person)

    def step(self, dt: float, robot: Pose2) -> None:
        """Everybody takes a step of ``dt`` seconds."""
        for index, person in enumerate(self._people):
            self._step(index, person, dt, robot)

    def objects(self) -> list[tuple[DetectedObject, int, float]]:
        """Each person's box in ``map``, style seed and gait phase [rad]."""
        found = []
        for p in self._people:
            vx, vy = p.now * math.cos(p.yaw), p.now * math.sin(p.yaw)
            box = DetectedObject(ObjectClass.PEDESTRIAN, 1.0, p.x, p.y, p.size[2] / 2, p.yaw, *p.size, vx=vx, vy=vy)
            found.append((box, p.style, p.gait if p.now > 0.1 else 0.0))
        return found

    def _step(self, index: int, person: _Person, dt: float, robot: Pose2) -> None:
        person.now = 0.0
        if person.pause_s > 0:
            person.pause_s -= dt
            return
        if person.target is None:
            person.target = self._choose(person)
            if person.target is None:
                person.pause_s = 1.0
                return
        dx, dy = person.target[0] - person.x, person.target[1] - person.y
        if math.hypot(dx, dy) < ARRIVED_M:
            person.target = None
            person.pause_s = float(self._rng.uniform(*PAUSE_S))
            return
        turn = wrap_angle(math.atan2(dy, dx) - person.yaw)
        person.yaw = wrap_angle(person.yaw + float(np.clip(turn, -TURN_RATE * dt, TURN_RATE * dt)))
        if abs(turn) < 0.5:
            self._walk(index, person, dt, robot)

    def _walk(self, index: int, person: _Person, dt: float, robot: Pose2) -> None:
        near = math.hypot(robot.x - person.x, robot.y - person.y)
        speed = person.speed * (0.5 if near < ROBOT_SLOW_M else 1.0)
        x, y = person.x + speed * dt * math.cos(person.yaw), person.y + speed * dt * math.sin(person.yaw)
        if self._free(x, y) and self._considerate(index, person, (x, y), robot):
            person.x, person.y, person.now, person.blocked_s = x, y, speed, 0.0
            person.gait = (person.gait + 2 * math.pi * speed / STRIDE_M * dt) % (2 * math.pi)
            return
        person.blocked_s += dt
        if person.blocked_s > PATIENCE_S:
            person.target, person.blocked_s = None, 0.0

    def _considerate(self, index: int, person: _Person, to: tuple[float, float], robot: Pose2) -> bool:
        """Whether a step brings the person no nearer to anybody who is near already."""
        others = [(p.x, p.y, PERSON_M) for k, p in enumerate(self._people) if k != index]
        others.append((robot.x, robot.y, ROBOT_M))
        for x, y, limit in others:
            before, after = math.hypot(x - person.x, y - person.y), math.hypot(x - to[0], y - to[1])
            if after < limit and after < before:
                return False
        return True

    def _choose(self, person: _Person) -> tuple[float, float] | None:
        """A place in sight, with nothing standing on the straight way to it."""
        for _ in range(20):
            x, y = self._places[self._rng.integers(len(self._places))].tolist()
            distance = math.hypot(x - person.x, y - person.y)
            if not REACH_M[0] < distance < REACH_M[1]:
                continue
            share = np.linspace(0.0, 1.0, max(2, int(distance / CELL_M)))
            way = [(person.x + s * (x - person.x), person.y + s * (y - person.y)) for s in share.tolist()]
            if all(self._free(*point) for point in way):
                return x, y
        return None

    def _free(self, x: float, y: float) -> bool:
        i, j = int((x + self._half) / CELL_M), int((y + self._half) / CELL_M)
        inside = 0 <= i < self._room.shape[0] and 0 <= j < self._room.shape[1]
        return bool(inside and self._room[i, j] > ROOM_M * 0.8)
