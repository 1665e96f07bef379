"""A hall in which tasks can be done: tables with boxes that two hands can lift, near edges that can be reached.

Drawn from the halls of ``make_hall``; what is not suited is drawn again, so every seed gives a hall that is solvable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from autodrive.errors import ConfigError
from autodrive.geometry import Pose2, distance_to_box
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.actor_parts import BOX_PAINT, box_colour
from autodrive.sim.hall import Block, Hall, hall_masks, make_hall

TABLE_HEIGHTS_M = (0.70, 0.88)
SIZE_M = (0.14, 0.22)
MASS_KG = (0.2, 0.4)
EDGE_M = (0.02, 0.05)  # from the table's edge to the near side of a box
APPROACH_M = (0.25, 0.75)  # free floor before the edge: where feet stand, where the body comes from
APPROACH_HALF_M = 0.40
BODY_M = 0.35  # free around a path of the body
START_FREE_M = 1.0
STEP_FREE_M, START_TRIES = 0.6, 20
START_REACH_M = (2.0, 5.5)  # from the first table
APART_M = 7.0  # between two tables at most: the robot sees eight metres
TRIES = 400
CELLS, CELL_M = 256, 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """A box that can be lifted: where it is at the start (in ``map``), its colour's name, mass [kg], and look."""

    item: DetectedObject
    colour: str
    mass: float
    style_seed: int


@dataclass(frozen=True)
class TaskHall:
    """``hall`` without boxes on tables, ``loads`` that stand on its first two tables, and the robot's ``start``."""

    hall: Hall
    tables: tuple[DetectedObject, ...]
    loads: tuple[Load, ...]
    start: Pose2

    def colours(self) -> tuple[str, ...]:
        """The colour of each of ``hall.objects``, "" for what has none of its own."""
        return tuple(
            box_colour(style_of(self.hall, k)) if item.label == ObjectClass.BOX else ""
            for k, item in enumerate(self.hall.objects)
        )


def style_of(hall: Hall, index: int) -> int:
    """Style seed of ``hall.objects[index]``, as ``add_hall`` paints it."""
    return hall.seed * 1000 + index


def make_task_hall(seed: int) -> TaskHall:
    """The first suitable hall of a seed's series."""
    for attempt in range(TRIES):
        rng = np.random.default_rng([seed, attempt, 0x7A5C])
        hall = make_hall(int(rng.integers(1 << 31)))
        raised = [k for k, item in enumerate(hall.objects) if item.z - item.height / 2 > 0.3]
        hall = replace(hall, objects=tuple(item for k, item in enumerate(hall.objects) if k not in raised))
        if (found := _furnish(hall, rng)) is not None:
            return found
    raise ConfigError(f"no hall of seed {seed} suits tasks")  # does not happen: one in ten does


def _furnish(hall: Hall, rng: np.random.Generator) -> TaskHall | None:
    low, high = TABLE_HEIGHTS_M
    free = hall_masks(hall, Pose2(0, 0, 0), CELLS * CELL_M / 2, CELLS)[GroundClass.FREE]
    room = ndimage.distance_transform_edt(free) * CELL_M
    sides = {
        k: [side for side in (1, -1) if _approachable(item, side, free)]
        for k, item in enumerate(hall.objects)
        if item.label == ObjectClass.TABLE and low <= item.height <= high
    }
    usable = [k for k, open_sides in sides.items() if open_sides]
    if len(usable) < 2:
        return None
    first, second = (hall.objects[k] for k in usable[:2])
    if math.dist((first.x, first.y), (second.x, second.y)) > APART_M:
        return None
    start = _start(first, room, hall.steps, rng)
    if start is None or not _connected(room, start, [(hall.objects[k], sides[k][0]) for k in usable[:2]]):
        return None
    tables = tuple(hall.objects[k] for k in usable[:2])
    return TaskHall(hall, tables, _loads(rng, [(hall.objects[k], sides[k]) for k in usable[:2]]), start)


def _approachable(table: DetectedObject, side: int, free: NDArray[np.bool_]) -> bool:
    """Whether the floor along a long side is free as far as a body that works there needs it."""
    half = min(table.length / 2 - 0.1, APPROACH_HALF_M + 0.3 * table.length)
    along, away = np.meshgrid(np.linspace(-half, half, 15), np.linspace(*APPROACH_M, 8))
    local = np.stack([along.ravel(), side * (table.width / 2 + away.ravel())], axis=1)
    return bool(_at(free, Pose2(table.x, table.y, table.yaw).apply(local)).all())


def _at(grid: NDArray[np.generic], points: NDArray[np.float64]) -> NDArray[np.generic]:
    index = np.clip(((points + CELLS * CELL_M / 2) / CELL_M).astype(int), 0, CELLS - 1)
    return np.asarray(grid[index[..., 0], index[..., 1]])


def _start(
    table: DetectedObject, room: NDArray[np.float64], steps: tuple[Block, ...], rng: np.random.Generator
) -> Pose2 | None:
    """Somewhere in reach of the table with room around, and not on the edge of a low step."""
    cells = np.argwhere(room > START_FREE_M)
    points = (cells + 0.5) * CELL_M - CELLS * CELL_M / 2
    distance = np.hypot(*(points - (table.x, table.y)).T)
    suited = points[(distance > START_REACH_M[0]) & (distance < START_REACH_M[1])]
    if not len(suited):
        return None
    for _ in range(START_TRIES):
        x, y = suited[rng.integers(len(suited))].tolist()
        if all(distance_to_box((x, y), s.x, s.y, s.yaw, s.length, s.width) > STEP_FREE_M for s in steps):
            return Pose2(x, y, float(rng.uniform(-math.pi, math.pi)))
    return None


def _connected(room: NDArray[np.float64], start: Pose2, work: list[tuple[DetectedObject, int]]) -> bool:
    """Whether a body can walk from the start to before each table."""
    parts, _ = ndimage.label(room > BODY_M)
    points = [(start.x, start.y)]
    for table, side in work:
        before = Pose2(table.x, table.y, table.yaw) @ Pose2(0.0, side * (table.width / 2 + APPROACH_M[1]), 0.0)
        points.append((before.x, before.y))
    found = {int(v) for v in _at(parts, np.array(points))}
    return len(found) == 1 and 0 not in found


def _loads(rng: np.random.Generator, work: list[tuple[DetectedObject, list[int]]]) -> tuple[Load, ...]:
    """Two boxes on the first table and one on the second, all of different colours, near edges with free floor."""
    colours = [str(name) for name in rng.permutation(list(BOX_PAINT))]
    loads = []
    for (table, sides), shares in zip(work, ((-0.25, 0.25), (0.3,)), strict=True):
        for share in shares:
            side = sides[int(rng.integers(len(sides)))]
            length, width, height = (float(v) for v in rng.uniform(*SIZE_M, 3))
            across = side * (table.width / 2 - width / 2 - float(rng.uniform(*EDGE_M)))
            turn = float(rng.normal(0.0, 0.12))
            place = Pose2(table.x, table.y, table.yaw) @ Pose2(share * table.length, across, turn)
            item = DetectedObject(
                ObjectClass.BOX, 1.0, place.x, place.y, table.height + height / 2, place.yaw, length, width, height
            )
            colour = colours.pop()
            loads.append(Load(item, colour, float(rng.uniform(*MASS_KG)), _style(colour, int(rng.integers(1 << 24)))))
    return tuple(loads)


def _style(colour: str, first: int) -> int:
    """The next style seed that paints a box in this colour."""
    return next(seed for seed in range(first, first + 1000) if box_colour(seed) == colour)
