"""Puts road users and roadside objects on the stage: chooses actors from the pool, and knows who is who."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.actors import ActorPool
from autodrive.sim.traffic_motion import RoadUser

Heights = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_VULNERABLE = frozenset({ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST})
# reshaping an actor costs ten times as much as moving it: limbs move in steps, and only near the ego
_GAIT_STEPS = 10
_GAIT_RANGE_M = 30.0
_FIXED_SLOTS = 32  # per class; in a town of 90 parked cars these reach beyond 100 m


class Cast:
    """The actors of one town: what stands beside the roads, and road users as they come and go.

    Where the pool is too small, those nearest to the ego are shown; nothing else exists for the ego.
    """

    def __init__(
        self, fixed: Sequence[DetectedObject], users: Mapping[ObjectClass, int], heights: Heights, animate: bool = True
    ) -> None:
        """``fixed`` are in ``map``; ``users`` is how many moving actors of each class can be shown at once.

        ``heights`` gives the ground's height [m] at points (N, 2); without ``animate`` nobody moves their limbs.
        """
        self._fixed = tuple(fixed)
        self._heights, self._animate = heights, animate
        standing = {k: min(n, _FIXED_SLOTS) for k, n in Counter(item.label for item in fixed).items()}
        self._room = {True: standing, False: dict(users)}
        self.pool = ActorPool({k: standing.get(k, 0) + users.get(k, 0) for k in ObjectClass})

    def enter(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Bind to the compiled model with an empty stage; ``rng`` decides the paint of what never moves."""
        self.pool.bind(model, data)
        self._standing = [_standing(k, item, int(rng.integers(2**31))) for k, item in enumerate(self._fixed)]
        self._free = {
            standing: {
                k: list(range(_first(self._room, standing, k), _first(self._room, standing, k) + n))
                for k, n in room.items()
            }
            for standing, room in self._room.items()
        }
        self._slot_of: dict[str, tuple[bool, ObjectClass, int]] = {}
        self._name_of: dict[tuple[ObjectClass, int], str] = {}
        self._shown: dict[str, DetectedObject] = {}

    def place(self, users: Iterable[RoadUser], ego: Pose2) -> None:
        """Show everything near the ego where it is now."""
        chosen = [(True, u) for u in _nearest(self._standing, ego, self._room[True])]
        chosen += [(False, u) for u in _nearest(users, ego, self._room[False])]
        self._dismiss({user.name for _, user in chosen})
        ground = self._heights(np.array([(u.x, u.y) for _, u in chosen]).reshape(-1, 2)).tolist()
        for (standing, user), z in zip(chosen, ground, strict=True):
            entry = self._slot_of.get(user.name)
            if entry is None:
                entry = standing, user.label, self._free[standing][user.label].pop()
                self._slot_of[user.name] = entry
                self._name_of[entry[1:]] = user.name
            elif standing:
                continue
            size = (user.length, user.width, user.height)
            near = math.hypot(user.x - ego.x, user.y - ego.y) < _GAIT_RANGE_M
            gait = math.floor(user.gait_phase * _GAIT_STEPS) / _GAIT_STEPS if self._animate and near else 0.0
            self.pool.place(*entry[1:], user.x, user.y, user.yaw, *size, user.style_seed, z=z, gait_phase=gait)
            self._shown[user.name] = DetectedObject(
                user.label, 1.0, user.x, user.y, z + user.height / 2, user.yaw, *size, user.vx, user.vy
            )

    def objects(self) -> tuple[tuple[str, DetectedObject], ...]:
        """Names and boxes, in ``map``, of everything shown."""
        return tuple(self._shown.items())

    def bodies(self) -> tuple[int, ...]:
        """Body ids of everything shown, in the order of ``objects``."""
        return tuple(self.pool.bodies[self._slot_of[name][1:]] for name in self._shown)

    def who(self, geom: int) -> tuple[str, str] | None:
        """Contact kind and name of the actor that a collision geom belongs to."""
        key = self.pool.hulls.get(geom)
        name = self._name_of.get(key) if key else None
        return (contact_kind(key[0]), name) if key and name else None

    def _dismiss(self, staying: set[str]) -> None:
        for name in [name for name in self._slot_of if name not in staying]:
            standing, label, slot = self._slot_of.pop(name)
            self.pool.hide(label, slot)
            self._free[standing][label].append(slot)
            del self._shown[name], self._name_of[label, slot]


def contact_kind(label: ObjectClass) -> str:
    """How the scorer counts a collision with such an object; a cyclist is a pedestrian."""
    if label in _VULNERABLE:
        return "pedestrian"
    return "vehicle" if label in (ObjectClass.CAR, ObjectClass.TRUCK) else "static"


def _first(room: Mapping[bool, Mapping[ObjectClass, int]], standing: bool, label: ObjectClass) -> int:
    """The pool's first slot: standing actors come first, moving ones after them."""
    return 0 if standing else room[True].get(label, 0)


def _standing(index: int, item: DetectedObject, style: int) -> RoadUser:
    name = f"{item.label.name.lower()}/standing/{index}"
    return RoadUser(
        name, item.label, item.x, item.y, item.yaw, item.length, item.width, item.height, 0.0, 0.0, style, 0.0
    )


def _nearest(users: Iterable[RoadUser], ego: Pose2, room: Mapping[ObjectClass, int]) -> list[RoadUser]:
    taken: Counter[ObjectClass] = Counter()
    chosen = []
    for user in sorted(users, key=lambda u: ((u.x - ego.x) ** 2 + (u.y - ego.y) ** 2, u.name)):
        if taken[user.label] < room.get(user.label, 0):
            taken[user.label] += 1
            chosen.append(user)
    return chosen
