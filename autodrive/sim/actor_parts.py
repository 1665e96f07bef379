"""What actors look like: per class a fixed list of primitive parts whose sizes, places and colours follow from its box.

Body frame: x forward, y left, z up, origin on the ground below the box centre. Every list starts with a soft shadow.
The kinds of one class never change (they become the geoms of a model); parts that a style lacks have alpha 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autodrive.scene import ObjectClass

Rgb = tuple[float, float, float]
Point = tuple[float, float, float]

DARK: Rgb = (0.06, 0.06, 0.07)
GLASS: Rgb = (0.10, 0.13, 0.16)
LAMP: Rgb = (1.0, 0.98, 0.85)
TAIL: Rgb = (0.85, 0.03, 0.03)
WHITE: Rgb = (0.93, 0.93, 0.92)
ORANGE: Rgb = (0.95, 0.38, 0.06)
RED: Rgb = (0.80, 0.08, 0.08)
_CAR_PAINT = np.array(
    [
        *((0.92, 0.92, 0.92), (0.08, 0.08, 0.09), (0.55, 0.57, 0.6), (0.3, 0.31, 0.33), (0.68, 0.1, 0.1)),
        *((0.1, 0.2, 0.55), (0.12, 0.38, 0.22), (0.85, 0.7, 0.2), (0.45, 0.32, 0.22), (0.2, 0.5, 0.6)),
    ]
)
_ALONG_Y = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)
_UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@dataclass
class Parts:
    """Parts being collected; ``kind`` is box, cylinder, capsule or ellipsoid, sizes are MuJoCo's half sizes."""

    kind: list[str] = field(default_factory=list)
    material: list[str] = field(default_factory=list)
    size: list[Point] = field(default_factory=list)
    position: list[Point] = field(default_factory=list)
    quaternion: list[tuple[float, float, float, float]] = field(default_factory=list)
    rgba: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(
        self,
        kind: str,
        size: Point,
        position: Point,
        rgb: Rgb,
        material: str = "",
        quaternion: tuple[float, float, float, float] = _UPRIGHT,
        alpha: float = 1.0,
    ) -> None:
        """Append one part."""
        self.kind.append(kind)
        self.material.append(material)
        self.size.append((max(size[0], 1e-3), max(size[1], 1e-3), max(size[2], 1e-3)))
        self.position.append(position)
        self.quaternion.append(quaternion)
        self.rgba.append((*rgb, alpha))

    def box(self, low: Point, high: Point, rgb: Rgb, material: str = "", shown: bool = True) -> None:
        """Append a box from its lower to its upper corner."""
        size = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
        middle = tuple((b + a) / 2 for a, b in zip(low, high, strict=True))
        self.add("box", size, middle, rgb, material, alpha=float(shown))  # type: ignore[arg-type]

    def wheel(self, x: float, y: float, radius: float, half_width: float, rgb: Rgb = DARK, shown: bool = True) -> None:
        """Append a wheel that stands on the ground."""
        size = (radius, half_width, 0.0)
        self.add("cylinder", size, (x, y, radius), rgb, quaternion=_ALONG_Y, alpha=float(shown))

    def limb(self, start: Point, end: Point, radius: float, rgb: Rgb) -> None:
        """Append a capsule between two points."""
        a, b = np.array(start), np.array(end)
        axis = b - a
        length = float(np.linalg.norm(axis))
        axis = axis / max(length, 1e-9)
        w = 1.0 + axis[2]
        quaternion = np.array([w, -axis[1], axis[0], 0.0]) if w > 1e-6 else np.array([0.0, 1.0, 0.0, 0.0])
        qw, qx, qy, qz = (float(v) for v in quaternion / np.linalg.norm(quaternion))
        middle = (a + b) / 2
        self.add("capsule", (radius, length / 2, 0.0), _point(middle), rgb, quaternion=(qw, qx, qy, qz))

    def shadow(self, length: float, width: float) -> None:
        """Append the dark patch below the actor."""
        self.add("box", (length * 0.56 + 0.1, width * 0.56 + 0.1, 0.002), (0, 0, 0.03), (0, 0, 0), "shadow", alpha=0.6)


def actor_parts(
    label: ObjectClass, length: float, width: float, height: float, style_seed: int, gait_phase: float = 0.0
) -> Parts:
    """The parts of one actor that fills the given box; ``gait_phase`` [rad] moves legs and pedals (0: standing)."""
    rng = np.random.default_rng([style_seed, int(label)])
    parts = Parts()
    parts.shadow(length, width)
    if label in (ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST):
        _PEOPLE[label](parts, rng, length, width, height, gait_phase)
    else:
        _THINGS[label](parts, rng, length, width, height)
    return parts


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


def _rgb(values: NDArray[np.float64]) -> Rgb:
    return _point(np.clip(values, 0.02, 0.98))


def _paint(rng: np.random.Generator) -> Rgb:
    return _rgb(_CAR_PAINT[rng.integers(len(_CAR_PAINT))] + rng.normal(0, 0.04, 3))


def _car(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    paint, x, y = _paint(rng), length / 2 - 0.03, width / 2
    van, suv = height > 1.8, height > 1.58
    sedan = not suv and length > 4.2 and rng.random() < 0.75
    waist = height * (0.50 if van else 0.56)
    nose = 0.06 * height if not van else 0.0
    rear = -x * (0.80 if sedan else 0.99)
    screen = x * (0.80 if van else float(rng.uniform(0.36, 0.48)))
    hood = min(screen - 0.1, x)
    p.box((-x, -y, 0.2), (hood, y, waist), paint)
    p.box((hood, -y, 0.2), (x, y, waist - nose), paint)
    roof = height - 0.05
    for material, shown in (("cabin_sedan", sedan), ("cabin_hatch", not sedan)):
        p.box((rear, -y * 0.97, waist), (screen, y * 0.97, roof), GLASS, material, shown)
    front, back, side = (0.38, 0.62, 0.84) if sedan else (0.50, 0.86, 0.86)
    middle, half = (rear + screen) / 2, (screen - rear) / 2
    p.box((middle - half * back, -y * 0.97 * side, roof), (middle + half * front, y * 0.97 * side, height), paint)
    p.box((rear, -y * 0.96, waist), (rear + half * 1.05, y * 0.96, height - 0.02), paint, shown=van)
    radius = 0.33 if not suv else 0.37
    for sx in (0.6, -0.6):
        for sy in (1, -1):
            p.wheel(sx * x, sy * (y - 0.10), radius, 0.105)
            hub = (sx * x, sy * (y - 0.10), radius)
            p.add("cylinder", (radius * 0.55, 0.11, 0.0), hub, (0.55, 0.56, 0.58), quaternion=_ALONG_Y)
    lamp = waist - nose - 0.14
    for sy in (1, -1):
        inner, outer = sorted((sy * y * 0.52, sy * y * 0.94))
        p.box((x - 0.04, inner, lamp - 0.07), (x + 0.03, outer, lamp + 0.08), LAMP)
        p.box((-x - 0.03, inner, waist - 0.28), (-x + 0.04, outer, waist - 0.06), TAIL)
    p.box((x - 0.04, -y * 0.45, lamp - 0.16), (x + 0.02, y * 0.45, lamp + 0.06), DARK)
    p.box((x - 0.05, -y * 0.98, 0.2), (x + 0.02, y * 0.98, 0.36), DARK)
    p.box((-x - 0.02, -y * 0.98, 0.2), (-x + 0.05, y * 0.98, 0.40), DARK)
    p.box((-x - 0.03, -0.26, 0.5), (-x + 0.02, 0.26, 0.62), WHITE)


def _truck(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    bus = length > 8.0 and rng.random() < 0.5
    paint, cargo, x, y = _paint(rng), _paint(rng), length / 2 - 0.03, width / 2
    cab = x - min(2.3, 0.3 * length)
    floor = 0.45 if bus else 0.95
    p.box((-x + 0.04, -y * 0.9, 0.45), (x - 0.04, y * 0.9, 1.0), DARK)
    p.box((-x, -y, floor), (x if bus else cab - 0.15, y, height), paint if bus else cargo)
    cab_top = height * float(rng.uniform(0.72, 0.95))
    p.box((cab, -y * 0.97, 0.42), (x, y * 0.97, cab_top), paint, "cabin_truck", not bus)
    top = height if bus else cab_top
    p.box((x * 0.9, -y * 0.90, top * 0.52), (x + 0.02, y * 0.90, top * 0.86), GLASS)
    window = (-x * 0.96, x * 0.93) if bus else (cab + 0.5, x - 0.35)
    p.box((window[0], -y - 0.01, top * 0.50), (window[1], y + 0.01, top * 0.82), GLASS)
    p.box((-x - 0.02, -y * 0.85, height * 0.55), (-x + 0.05, y * 0.85, height * 0.85), GLASS, shown=bus)
    p.box((-x * 0.9, -y - 0.015, floor + 0.2), (x * 0.4, y + 0.015, floor + 0.45), _paint(rng), shown=not bus)
    for sy in (1, -1):
        inner, outer = sorted((sy * y * 0.62, sy * y * 0.95))
        p.box((x - 0.04, inner, 0.62), (x + 0.03, outer, 0.85), LAMP)
        p.box((-x - 0.03, inner, 0.62), (-x + 0.04, outer, 0.95), TAIL)
    p.box((x - 0.04, -y * 0.55, 0.60), (x + 0.02, y * 0.55, 1.05), DARK)
    p.box((-x - 0.03, -0.28, 0.5), (-x + 0.03, 0.28, 0.62), WHITE)
    for sx, shown in ((0.68, True), (-0.62, True), (-0.42, length > 8.5 and not bus)):
        for sy in (1, -1):
            p.wheel(sx * x, sy * (y - 0.16), 0.48, 0.155, shown=shown)


def _cloth(rng: np.random.Generator, darkest: float = 0.05, brightest: float = 0.95) -> Rgb:
    return _rgb(rng.uniform(darkest, brightest) + rng.normal(0, 0.16, 3))


def _skin(rng: np.random.Generator) -> Rgb:
    return _rgb(np.array([0.88, 0.68, 0.55]) * rng.uniform(0.35, 1.05))


def _pedestrian(
    p: Parts, rng: np.random.Generator, length: float, width: float, height: float, gait_phase: float
) -> None:
    skin, shirt, trousers, hair = _skin(rng), _cloth(rng), _cloth(rng, 0.05, 0.55), _cloth(rng, 0.02, 0.4)
    hip, shoulder, swing = 0.50 * height, 0.82 * height, math.sin(gait_phase)
    spread = width / 2 - 0.07
    for side in (1, -1):
        angle = 0.52 * side * swing
        bend = angle - 0.35 * max(0.0, -math.cos(gait_phase) * side) * abs(swing) - 0.15 * abs(swing)
        thigh, shin, y = 0.25 * height, 0.21 * height, side * 0.09
        knee = (thigh * math.sin(angle), y, hip - thigh * math.cos(angle))
        ankle = (knee[0] + shin * math.sin(bend), y, knee[2] - shin * math.cos(bend))
        p.limb((0.0, y, hip), knee, 0.082, trousers)
        p.limb(knee, ankle, 0.065, trousers)
        p.box((ankle[0] - 0.07, y - 0.05, ankle[2] - 0.07), (ankle[0] + 0.17, y + 0.05, ankle[2] + 0.03), DARK)
        sleeve = -0.45 * side * swing + 0.05
        reach = 0.33 * height
        hand = (reach * math.sin(sleeve), side * spread, shoulder - reach * math.cos(sleeve))
        elbow = (0.4 * hand[0], side * spread, shoulder - 0.5 * reach)
        p.limb((0.0, side * (spread - 0.02), shoulder - 0.05), elbow, 0.055, shirt)
        p.limb(elbow, hand, 0.042, skin if rng.random() < 0.4 else shirt)
    middle = (hip + shoulder) / 2
    p.add("ellipsoid", (0.135, spread - 0.02, (shoulder - hip) / 2 + 0.09), (0.0, 0.0, middle), shirt)
    p.add("ellipsoid", (0.13, 0.16, 0.14), (0.0, 0.0, hip), trousers)
    head = height - 0.13
    p.limb((0.0, 0.0, shoulder), (0.0, 0.0, head - 0.05), 0.05, skin)
    p.add("ellipsoid", (0.098, 0.082, 0.125), (0.015, 0.0, head), skin)
    p.add("ellipsoid", (0.095, 0.092, 0.11), (-0.03, 0.0, head + 0.025), hair)
    bag = rng.random() < 0.35
    p.box((-0.28, -0.15, hip + 0.05), (-0.11, 0.15, shoulder - 0.02), _cloth(rng), shown=bag)


def _cyclist(p: Parts, rng: np.random.Generator, length: float, width: float, height: float, phase: float) -> None:
    skin, shirt, trousers, frame, helmet = _skin(rng), _cloth(rng), _cloth(rng, 0.05, 0.5), _paint(rng), _paint(rng)
    radius, s = 0.335, height / 1.75
    front, back = length / 2 - radius, -length / 2 + radius
    for x in (front, back):
        p.wheel(x, 0.0, radius, 0.025)
        p.add("cylinder", (radius * 0.86, 0.027, 0.0), (x, 0.0, radius), (0.5, 0.5, 0.52), quaternion=_ALONG_Y)
    saddle, crank, head_tube = (-0.22, 0.0, 0.92 * s), (-0.05, 0.0, 0.30), (front - 0.12, 0.0, 0.88 * s)
    for a, b in ((crank, head_tube), (crank, saddle), (saddle, head_tube), (crank, (back, 0.0, radius))):
        p.limb(a, b, 0.026, frame)
    p.limb((front, 0.0, radius), head_tube, 0.024, frame)
    grip = (front - 0.10, 0.0, 1.0 * s)
    reach = width / 2 - 0.05
    p.limb((grip[0], -reach, grip[2]), (grip[0], reach, grip[2]), 0.022, DARK)
    hip, shoulder = (-0.20, 0.0, 1.0 * s), (0.14, 0.0, 1.42 * s)
    for side in (1, -1):
        turn = phase + (0.0 if side > 0 else math.pi)
        foot = (-0.05 + 0.17 * math.cos(turn), side * 0.11, 0.32 + 0.17 * math.sin(turn))
        knee = ((hip[0] + foot[0]) / 2 + 0.24, side * 0.11, (hip[2] + foot[2]) / 2 + 0.10)
        p.limb((hip[0], side * 0.10, hip[2]), knee, 0.08, trousers)
        p.limb(knee, foot, 0.06, trousers)
        p.limb((shoulder[0], side * 0.18, shoulder[2]), (grip[0], side * reach * 0.9, grip[2]), 0.045, shirt)
    p.limb(hip, shoulder, 0.15, shirt)
    p.add("ellipsoid", (0.11, 0.09, 0.12), (0.24, 0.0, height - 0.15), skin)
    p.add("ellipsoid", (0.13, 0.10, 0.085), (0.21, 0.0, height - 0.085), helmet)
    p.box((-0.38, -0.04, 0.80 * s), (-0.33, 0.04, 0.88 * s), TAIL)


def _cone(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    base = DARK if rng.random() < 0.5 else ORANGE
    p.box((-length / 2, -width / 2, 0.0), (length / 2, width / 2, 0.04), base)
    r = min(length, width) / 2
    bands = ((0.80, ORANGE), (0.68, ORANGE), (0.56, WHITE), (0.44, WHITE), (0.32, ORANGE), (0.20, ORANGE))
    step = (height - 0.04) / len(bands)
    for k, (part, rgb) in enumerate(bands):
        p.add("cylinder", (r * part, step / 2, 0.0), (0.0, 0.0, 0.04 + (k + 0.5) * step), rgb)


def _barrier(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    x, y = length / 2, width / 2
    colour = ORANGE if rng.random() < 0.3 else RED
    for k in range(8):
        a, b = -x + k * length / 8, -x + (k + 1) * length / 8
        upper, lower = (colour, WHITE) if k % 2 else (WHITE, colour)
        p.box((a, -y * 0.4, height * 0.66), (b, y * 0.4, height * 0.95), upper)
        p.box((a, -y * 0.4, height * 0.22), (b, y * 0.4, height * 0.48), lower)
    for sx in (0.8, -0.8):
        p.box((sx * x - 0.04, -y * 0.3, 0.0), (sx * x + 0.04, y * 0.3, height * 0.97), (0.4, 0.4, 0.42))
        p.box((sx * x - 0.08, -y, 0.0), (sx * x + 0.08, y, 0.09), DARK)
        p.add("ellipsoid", (0.07, 0.07, 0.07), (sx * x, 0.0, height - 0.07), (1.0, 0.65, 0.1))


BOX_PAINT: dict[str, Rgb] = {
    "brown": (0.50, 0.34, 0.18),
    "blue": (0.12, 0.28, 0.70),
    "red": (0.76, 0.10, 0.09),
    "yellow": (0.90, 0.78, 0.12),
    "green": (0.13, 0.52, 0.20),
    "white": (0.86, 0.86, 0.84),
    "grey": (0.36, 0.37, 0.39),
    "orange": (0.93, 0.45, 0.07),
    "purple": (0.45, 0.18, 0.58),
}
_BOX_PAINT = np.array(list(BOX_PAINT.values()))


def box_colour(style_seed: int) -> str:
    """The name in BOX_PAINT of the colour of a box with this style."""
    rng = np.random.default_rng([style_seed, int(ObjectClass.BOX)])
    return list(BOX_PAINT)[rng.integers(len(BOX_PAINT))]


def _box(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    rgb = np.asarray(_BOX_PAINT[rng.integers(len(_BOX_PAINT))] + rng.normal(0, 0.03, 3))
    x, y = length / 2, width / 2
    p.box((-x, -y, 0.0), (x, y, height * 0.92), _rgb(rgb))
    p.box((-x, -y, height * 0.92), (x, y, height), _rgb(rgb * rng.uniform(0.6, 1.25)))
    p.box((-x - 0.002, -y * 0.15, 0.0), (x + 0.002, y * 0.15, height + 0.002), _rgb(rgb * 0.8 + 0.15))


def _table(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    wood = _rgb(np.array([(0.6, 0.42, 0.25), (0.82, 0.8, 0.76), (0.35, 0.25, 0.18)][rng.integers(3)]))
    legs = _cloth(rng, 0.1, 0.6)
    x, y = length / 2, width / 2
    p.box((-x, -y, height - 0.05), (x, y, height), _rgb(np.array(wood) + rng.normal(0, 0.05, 3)))
    p.box((-x * 0.9, -y * 0.9, height - 0.12), (x * 0.9, y * 0.9, height - 0.05), legs)
    for sx in (1, -1):
        for sy in (1, -1):
            cx, cy = sx * (x - 0.06), sy * (y - 0.06)
            p.box((cx - 0.035, cy - 0.035, 0.0), (cx + 0.035, cy + 0.035, height - 0.05), legs)


def _shelf(p: Parts, rng: np.random.Generator, length: float, width: float, height: float) -> None:
    steel = _rgb(np.array([(0.2, 0.3, 0.6), (0.55, 0.4, 0.22), (0.55, 0.55, 0.57), (0.75, 0.3, 0.1)][rng.integers(4)]))
    x, y, levels = length / 2, width / 2, 4
    for sx in (1, -1):
        for sy in (1, -1):
            cx, cy = sx * (x - 0.03), sy * (y - 0.03)
            p.box((cx - 0.03, cy - 0.03, 0.0), (cx + 0.03, cy + 0.03, height), steel)
    for k in range(levels):
        z = 0.08 + k * (height - 0.16) / (levels - 1)
        p.box((-x, -y, z), (x, y, z + 0.035), _rgb(np.array(steel) * 1.15))
    room = (height - 0.16) / (levels - 1)
    for k in range(levels - 1):
        z = 0.08 + k * room + 0.035
        for half in (-1, 1):
            centre = half * x * float(rng.uniform(0.35, 0.6))
            wide, high = x * float(rng.uniform(0.18, 0.33)), room * float(rng.uniform(0.3, 0.85))
            rgb = _rgb(_BOX_PAINT[rng.integers(len(_BOX_PAINT))] + rng.normal(0, 0.06, 3))
            p.box((centre - wide, -y * 0.85, z), (centre + wide, y * 0.85, z + high), rgb, shown=rng.random() < 0.85)


_PEOPLE = {ObjectClass.PEDESTRIAN: _pedestrian, ObjectClass.CYCLIST: _cyclist}
_THINGS = {
    ObjectClass.CAR: _car,
    ObjectClass.TRUCK: _truck,
    ObjectClass.CONE: _cone,
    ObjectClass.BARRIER: _barrier,
    ObjectClass.BOX: _box,
    ObjectClass.TABLE: _table,
    ObjectClass.SHELF: _shelf,
}
