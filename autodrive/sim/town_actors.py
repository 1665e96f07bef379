"""Puts road users and roadside objects on the stage: chooses actors from the pool, and knows who is who."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.actors import ActorPool
from autodrive.sim.traffic_motion import RoadUser

_VULNERABLE = frozenset({ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST})
_GAIT_STEPS = 12  # drawn poses per stride: reshaping an actor costs more than moving it


class Cast:
    """The actors of one town: first those that never move, then road users as they come and go.

    Where the pool is too small for the traffic, those nearest to the ego are shown; nobody else exists for the ego.
    """

    def __init__(self, fixed: Sequence[DetectedObject], users: Mapping[ObjectClass, int]) -> None:
        """``fixed`` are in ``map``; ``users`` is how many moving actors of each class can be shown at once."""
        self._fixed = tuple(fixed)
        self._first = Counter(item.label for item in fixed)  # slots below are the fixed ones
        self._room = Counter(dict(users))
        self.pool = ActorPool({label: self._first[label] + self._room[label] for label in ObjectClass})
        self._slot_of: dict[str, tuple[ObjectClass, int]] = {}
        self._free: dict[ObjectClass, list[int]] = {}
        self._shown: dict[str, DetectedObject] = {}
        self._names: dict[tuple[ObjectClass, int], str] = {}

    def enter(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Bind to the compiled model and place what never moves; ``rng`` decides its paint."""
        self.pool.bind(model, data)
        self._free = {k: list(range(self._first[k] + self._room[k] - 1, self._first[k] - 1, -1)) for k in self._room}
        self._slot_of, self._shown, self._names = {}, {}, {}
        used: Counter[ObjectClass] = Counter()
        for item in self._fixed:
            slot = used[item.label]
            used[item.label] += 1
            size = (item.length, item.width, item.height)
            style = int(rng.integers(2**31))
            self.pool.place(item.label, slot, item.x, item.y, item.yaw, *size, style, z=item.z - item.height / 2)
            name = f"{item.label.name.lower()}/fixed/{slot}"
            self._names[item.label, slot] = name
            self._shown[name] = item

    def place(self, users: Iterable[RoadUser], ego: Pose2) -> None:
        """Show the road users where they are now."""
        chosen = self._nearest(users, ego)
        for name in sorted(self._slot_of.keys() - {user.name for user in chosen}):
            label, slot = self._slot_of.pop(name)
            self.pool.hide(label, slot)
            self._free[label].append(slot)
            del self._shown[name], self._names[label, slot]
        for user in chosen:
            key = self._slot_of.get(user.name)
            if key is None:
                key = user.label, self._free[user.label].pop()
                self._slot_of[user.name] = key
                self._names[key] = user.name
            gait = math.floor(user.gait_phase * _GAIT_STEPS) / _GAIT_STEPS
            self.pool.place(
                *key, user.x, user.y, user.yaw, user.length, user.width, user.height, user.style_seed, gait_phase=gait
            )
            self._shown[user.name] = _as_object(user)

    def objects(self) -> tuple[tuple[str, DetectedObject], ...]:
        """Names and boxes, in ``map``, of everything shown."""
        return tuple(self._shown.items())

    def bodies(self) -> tuple[int, ...]:
        """Body ids of everything shown, in the order of ``objects``."""
        of = {name: self.pool.bodies[key] for key, name in self._names.items()}
        return tuple(of[name] for name in self._shown)

    def who(self, geom: int) -> tuple[str, str] | None:
        """Contact kind and name of the actor that a collision geom belongs to."""
        key = self.pool.hulls.get(geom)
        if key is None or key not in self._names:
            return None
        return contact_kind(key[0]), self._names[key]

    def _nearest(self, users: Iterable[RoadUser], ego: Pose2) -> list[RoadUser]:
        ordered = sorted(users, key=lambda u: ((u.x - ego.x) ** 2 + (u.y - ego.y) ** 2, u.name))
        taken: Counter[ObjectClass] = Counter()
        chosen = []
        for user in ordered:
            if taken[user.label] < self._room[user.label]:
                taken[user.label] += 1
                chosen.append(user)
        return chosen


def contact_kind(label: ObjectClass) -> str:
    """How the scorer counts a collision with such an object; a cyclist is a pedestrian."""
    if label in _VULNERABLE:
        return "pedestrian"
    return "vehicle" if label in (ObjectClass.CAR, ObjectClass.TRUCK) else "static"


def _as_object(user: RoadUser) -> DetectedObject:
    return DetectedObject(
        user.label,
        1.0,
        user.x,
        user.y,
        user.height / 2,
        user.yaw,
        user.length,
        user.width,
        user.height,
        user.vx,
        user.vy,
    )
