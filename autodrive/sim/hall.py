"""The hall of the humanoid: shelves, tables, boxes, cones, people, doorways, low steps and stripes on the floor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2, box_corners
from autodrive.scene import DetectedObject, GroundClass, ObjectClass
from autodrive.sim.actors import add_static_actor
from autodrive.sim.appearance import Appearance

WALKABLE_STEP_M = 0.05  # the locomotion policy climbs 5 cm and falls at 10 cm (simulation.md, section 4)
_STRIPE_RGBA = ((0.90, 0.75, 0.15, 1), (0.92, 0.92, 0.90, 1), (0.78, 0.16, 0.14, 1), (0.15, 0.35, 0.75, 1))
_WALL_THICKNESS_M = 0.2
_DOOR_WIDTH_M = 1.6


@dataclass(frozen=True, slots=True)
class Block:
    """An upright box that belongs to the building (wall, pillar, step), in ``map``, from the floor to ``height``."""

    x: float
    y: float
    yaw: float
    length: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Stripe:
    """A painted line on the floor from start to end, ``colour`` an index into the paints."""

    x0: float
    y0: float
    x1: float
    y1: float
    width: float
    colour: int


@dataclass(frozen=True, slots=True)
class Hall:
    """A hall of ``length`` (x) by ``width`` (y) centred on the map's origin.

    ``objects`` are in ``map`` with the true centre height as z: a box on a table has z above the table top.
    """

    seed: int
    length: float
    width: float
    height: float
    walls: tuple[Block, ...]
    steps: tuple[Block, ...]
    stripes: tuple[Stripe, ...]
    objects: tuple[DetectedObject, ...]
    people: tuple[DetectedObject, ...]


def make_hall(seed: int) -> Hall:
    """A hall drawn from the seed. People stand in ``people``: whoever builds a world decides how they move."""
    rng = np.random.default_rng([seed, 0x4A11])
    length, width = float(rng.uniform(10.0, 22.0)), float(rng.uniform(8.0, 16.0))
    walls = _walls(rng, length, width, height := float(rng.uniform(2.8, 5.0)))
    layout = _Layout(rng, length, width)
    for wall in walls[_outer_walls(walls, length, width) :]:
        layout.block(wall)
    shelves = [layout.along_wall(ObjectClass.SHELF, _shelf_size(rng)) for _ in range(rng.integers(1, 6))]
    shelves += [layout.anywhere(ObjectClass.SHELF, _shelf_size(rng)) for _ in range(rng.integers(0, 3))]
    tables = [layout.anywhere(ObjectClass.TABLE, _table_size(rng)) for _ in range(rng.integers(1, 5))]
    steps = [layout.step() for _ in range(rng.integers(0, 4))]
    things = [layout.anywhere(ObjectClass.BOX, _box_size(rng)) for _ in range(rng.integers(2, 9))]
    things += [layout.anywhere(ObjectClass.CONE, _cone_size(rng)) for _ in range(rng.integers(0, 7))]
    things += [layout.anywhere(ObjectClass.BARRIER, _barrier_size(rng)) for _ in range(rng.integers(0, 3))]
    people = [layout.anywhere(ObjectClass.PEDESTRIAN, person_size(rng)) for _ in range(rng.integers(1, 7))]
    placed = [item for item in (*shelves, *tables, *things) if item is not None]
    placed += [box for table in tables if table is not None for box in _boxes_on(rng, table)]
    return Hall(
        seed,
        length,
        width,
        height,
        tuple(walls),
        tuple(step for step in steps if step is not None),
        _stripes(rng, length, width),
        tuple(placed),
        tuple(person for person in people if person is not None),
    )


def add_hall(spec: mujoco.MjSpec, hall: Hall, appearance: Appearance) -> None:
    """Add floor, walls, steps, stripes and all ``objects`` (not the people) to a model that is being built."""
    for name, rgb in (("floor", appearance.floor_rgb), ("wall", appearance.wall_rgb)):
        spec.add_material(name=name, rgba=(*rgb, 1.0))
    world = spec.worldbody
    box = mujoco.mjtGeom.mjGEOM_BOX
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    world.add_geom(name="floor", type=plane, size=(hall.length / 2 + 6, hall.width / 2 + 6, 1), material="floor")
    for k, wall in enumerate(hall.walls):
        _add_block(world, f"wall/{k}", wall, material="wall")
    for k, step in enumerate(hall.steps):
        _add_block(world, f"step/{k}", step, rgba=(*np.clip(np.array(appearance.floor_rgb) * 0.72, 0, 1), 1.0))
    for k, stripe in enumerate(hall.stripes):
        dx, dy = stripe.x1 - stripe.x0, stripe.y1 - stripe.y0
        yaw = math.atan2(dy, dx)
        world.add_geom(
            name=f"stripe/{k}",
            type=box,
            size=(math.hypot(dx, dy) / 2, stripe.width / 2, 0.0005),
            pos=((stripe.x0 + stripe.x1) / 2, (stripe.y0 + stripe.y1) / 2, 0.002 + 0.001 * (k % 3)),
            quat=(math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)),
            rgba=_STRIPE_RGBA[stripe.colour],
            contype=0,
            conaffinity=0,
        )
    world.add_geom(
        name="ceiling",
        type=box,
        size=(hall.length / 2, hall.width / 2, 0.05),
        pos=(0, 0, hall.height + 0.05),
        rgba=(*np.clip(np.array(appearance.wall_rgb) * 1.05, 0, 1), 1.0),
        contype=0,
        conaffinity=0,
    )
    for k, item in enumerate(hall.objects):
        add_static_actor(spec, object_name(k, item), item, style_seed=hall.seed * 1000 + k)


def object_name(index: int, item: DetectedObject) -> str:
    """Body name of ``hall.objects[index]``."""
    return f"hall/{item.label.name.lower()}/{index}"


def hall_masks(hall: Hall, pose: Pose2, half_extent: float, cells: int) -> NDArray[np.bool_]:
    """Ground truth (4, cells, cells) around base_link at ``pose``: [i, j] runs along x, then y, from -half_extent.

    FREE is floor on which nothing stands (steps above WALKABLE_STEP_M count as standing); people are not carved out,
    because they move. LANE_MARKING are the stripes; the other channels are empty.
    """
    masks = np.zeros((len(GroundClass), cells, cells), np.uint8)
    free, lines = masks[GroundClass.FREE], masks[GroundClass.LANE_MARKING]
    inside = pose.inverse()
    fill_polygon(free, inside.apply(box_corners(0, 0, 0, hall.length, hall.width)), half_extent, 1)
    blocks = [*hall.walls, *(step for step in hall.steps if step.height > WALKABLE_STEP_M)]
    standing: tuple[Block | DetectedObject, ...] = (*blocks, *hall.objects)
    for item in standing:
        fill_polygon(free, inside.apply(_footprint(item)), half_extent, 0)
    cell = 2 * half_extent / cells
    for stripe in hall.stripes:
        dx, dy = stripe.x1 - stripe.x0, stripe.y1 - stripe.y0
        middle = ((stripe.x0 + stripe.x1) / 2, (stripe.y0 + stripe.y1) / 2, math.atan2(dy, dx))
        corners = box_corners(*middle, math.hypot(dx, dy), max(stripe.width, 1.2 * cell))
        fill_polygon(lines, inside.apply(corners), half_extent, 1)
    covering: tuple[Block | DetectedObject, ...] = (*hall.walls, *hall.steps, *hall.objects)
    for item in covering:
        fill_polygon(lines, inside.apply(_footprint(item)), half_extent, 0)
    return masks.astype(bool)


def _footprint(item: Block | DetectedObject) -> NDArray[np.float64]:
    return box_corners(item.x, item.y, item.yaw, item.length, item.width)


def fill_polygon(mask: NDArray[np.uint8], points: NDArray[np.float64], half_extent: float, value: int) -> None:
    """Fill a polygon (K, 2) in base_link into one mask [x, y] over [-half_extent, half_extent]."""
    cell = 2 * half_extent / mask.shape[0]
    pixels = (points + half_extent) / cell - 0.5
    # OpenCV takes (column, row): our row is x, our column is y
    cv2.fillPoly(mask, [np.round(pixels[:, ::-1] * 16).astype(np.int32)], value, lineType=cv2.LINE_8, shift=4)


def person_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height of a pedestrian."""
    return 0.5, float(rng.uniform(0.48, 0.66)), float(rng.uniform(1.5, 1.95))


def _shelf_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.uniform(1.2, 2.8)), float(rng.uniform(0.35, 0.7)), float(rng.uniform(1.3, 2.3))


def _table_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.uniform(0.9, 2.0)), float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.68, 0.92))


def _box_size(rng: np.random.Generator) -> tuple[float, float, float]:
    length, ratio = float(rng.uniform(0.25, 1.1)), float(rng.uniform(0.6, 1.0))
    return length, length * ratio, float(rng.uniform(0.2, 0.9))


def _cone_size(rng: np.random.Generator) -> tuple[float, float, float]:
    side = float(rng.uniform(0.28, 0.45))
    return side, side, float(rng.uniform(0.45, 0.8))


def _barrier_size(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.uniform(1.2, 2.0)), float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.9, 1.1))


def _boxes_on(rng: np.random.Generator, table: DetectedObject) -> list[DetectedObject]:
    """Boxes anywhere on a table, most of a size that two hands can lift."""
    boxes = []
    for side in (-0.3, 0.0, 0.3):
        if rng.random() < 0.5:
            largest = 0.22 if rng.random() < 0.7 else min(0.4, 0.6 * table.width, 0.28 * table.length)
            size = float(rng.uniform(0.14, largest))
            height = float(rng.uniform(0.12, 1.2 * largest))
            across = float(rng.uniform(-1, 1)) * (table.width / 2 - size / 2 - 0.02)
            place = Pose2(table.x, table.y, table.yaw) @ Pose2(side * table.length, across, float(rng.normal(0, 0.3)))
            z = table.z + table.height / 2 + height / 2
            width = size * float(rng.uniform(0.7, 1.0))
            boxes.append(DetectedObject(ObjectClass.BOX, 1.0, place.x, place.y, z, place.yaw, size, width, height))
    return boxes


def _walls(rng: np.random.Generator, length: float, width: float, height: float) -> list[Block]:
    """Four outer walls with a doorway in some, and perhaps a partition with a doorway."""
    walls: list[Block] = []
    t = _WALL_THICKNESS_M
    for sign in (-1, 1):
        walls += _wall_with_door(rng, length, height, Pose2(0.0, sign * (width + t) / 2, 0.0), rng.random() < 0.5)
        walls += _wall_with_door(rng, width, height, Pose2(sign * (length + t) / 2, 0.0, math.pi / 2), False)
    if rng.random() < 0.4:
        x = float(rng.uniform(-0.25, 0.25)) * length
        walls += _wall_with_door(rng, width, height, Pose2(x, 0.0, math.pi / 2), True)
    return walls


def _outer_walls(walls: list[Block], length: float, width: float) -> int:
    """How many of the leading walls lie on the hall's edge."""
    return sum(abs(w.x) >= length / 2 or abs(w.y) >= width / 2 for w in walls)


def _wall_with_door(rng: np.random.Generator, span: float, height: float, pose: Pose2, door: bool) -> list[Block]:
    t = _WALL_THICKNESS_M
    if not door:
        return [Block(pose.x, pose.y, pose.yaw, span + 2 * t, t, height)]
    at = float(rng.uniform(-0.3, 0.3)) * span
    pieces = []
    for low, high in ((-span / 2, at - _DOOR_WIDTH_M / 2), (at + _DOOR_WIDTH_M / 2, span / 2)):
        piece = pose @ Pose2((low + high) / 2, 0.0, 0.0)
        pieces.append(Block(piece.x, piece.y, pose.yaw, high - low, t, height))
    return pieces


def _stripes(rng: np.random.Generator, length: float, width: float) -> tuple[Stripe, ...]:
    stripes = []
    for _ in range(rng.integers(1, 6)):
        colour, wide = int(rng.integers(len(_STRIPE_RGBA))), float(rng.uniform(0.06, 0.14))
        margin = float(rng.uniform(0.5, 2.5))
        if rng.random() < 0.5:
            y = float(rng.uniform(-0.45, 0.45)) * width
            stripes.append(Stripe(-length / 2 + margin, y, length / 2 - margin, y, wide, colour))
        else:
            x = float(rng.uniform(-0.45, 0.45)) * length
            stripes.append(Stripe(x, -width / 2 + margin, x, width / 2 - margin, wide, colour))
    return tuple(stripes)


class _Layout:
    """Places footprints in the hall so that none overlaps another."""

    def __init__(self, rng: np.random.Generator, length: float, width: float) -> None:
        self._rng, self._length, self._width = rng, length, width
        self._taken: list[tuple[float, float, float]] = []

    def block(self, wall: Block) -> None:
        """Keep an inner wall's surroundings free."""
        pieces = max(2, int(wall.length / 0.5))
        for along in np.linspace(-wall.length / 2, wall.length / 2, pieces):
            x, y = Pose2(wall.x, wall.y, wall.yaw).apply(np.array([along, 0.0]))
            self._taken.append((float(x), float(y), 0.35))

    def along_wall(self, label: ObjectClass, size: tuple[float, float, float]) -> DetectedObject | None:
        """Try to stand something with its long side to an outer wall."""
        rng, gap = self._rng, size[1] / 2 + 0.06
        for _ in range(12):
            side = int(rng.integers(4))
            along = float(rng.uniform(-0.42, 0.42))
            if side < 2:
                place = (along * self._length, (self._width / 2 - gap) * (1 if side else -1), 0.0)
            else:
                place = ((self._length / 2 - gap) * (1 if side == 3 else -1), along * self._width, math.pi / 2)
            if (item := self._try(label, size, *place)) is not None:
                return item
        return None

    def anywhere(self, label: ObjectClass, size: tuple[float, float, float]) -> DetectedObject | None:
        """Try to stand something anywhere, square to the walls or not."""
        rng, margin = self._rng, math.hypot(size[0], size[1]) / 2 + 0.1
        for _ in range(12):
            x = float(rng.uniform(-1, 1)) * (self._length / 2 - margin)
            y = float(rng.uniform(-1, 1)) * (self._width / 2 - margin)
            yaw = float(rng.integers(4)) * math.pi / 2 if rng.random() < 0.5 else float(rng.uniform(-math.pi, math.pi))
            if (item := self._try(label, size, x, y, yaw)) is not None:
                return item
        return None

    def step(self) -> Block | None:
        """Try to lay a low platform."""
        rng = self._rng
        size = (float(rng.uniform(0.8, 2.5)), float(rng.uniform(0.6, 1.6)), float(rng.choice([0.03, 0.05, 0.1, 0.15])))
        item = self.anywhere(ObjectClass.BOX, size)
        return None if item is None else Block(item.x, item.y, item.yaw, *size)

    def _try(
        self, label: ObjectClass, size: tuple[float, float, float], x: float, y: float, yaw: float
    ) -> DetectedObject | None:
        # a chain of circles along the long side
        radius = size[1] / 2 * 1.15
        count = max(1, int(np.ceil(size[0] / size[1])))
        spots = np.linspace(-1, 1, count) * (size[0] / 2 - size[1] / 2) if count > 1 else np.zeros(1)
        circles = Pose2(x, y, yaw).apply(np.stack([spots, np.zeros(count)], axis=1))
        for cx, cy in circles:
            if any(math.hypot(cx - a, cy - b) < radius + r + 0.1 for a, b, r in self._taken):
                return None
        self._taken += [(float(cx), float(cy), radius) for cx, cy in circles]
        return DetectedObject(label, 1.0, x, y, size[2] / 2, yaw, *size)


def _add_block(world: mujoco.MjsBody, name: str, block: Block, **look: object) -> None:
    world.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(block.length / 2, block.width / 2, block.height / 2),
        pos=(block.x, block.y, block.height / 2),
        quat=(math.cos(block.yaw / 2), 0, 0, math.sin(block.yaw / 2)),
        **look,
    )
