"""One object per line of sight: a small thing whose range is in doubt shows up at several ranges along its ray.

Pixels belong to one thing. Of two small things of one class that would fill the same pixels, the surer one stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from autodrive.geometry import wrap_angle
from autodrive.scene import DetectedObject, ObjectClass

SMALL = frozenset({ObjectClass.BOX, ObjectClass.CONE})
MIN_RANGE_M = 0.3


def one_per_sight(objects: Iterable[DetectedObject], eye: tuple[float, float, float]) -> tuple[DetectedObject, ...]:
    """``objects`` (base_link, best score first) without small ones that hide in the sight of a better one.

    ``eye`` is the middle of the cameras in base_link [m].
    """
    kept: list[DetectedObject] = []
    sights: list[tuple[ObjectClass, float, float, float, float]] = []
    for item in objects:
        if item.label in SMALL:
            sight = _sight(item, eye)
            if any(item.label == label and _same(sight, other) for label, *other in sights):
                continue
            sights.append((item.label, *sight))
        kept.append(item)
    return tuple(kept)


def _sight(item: DetectedObject, eye: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """Azimuth and elevation of the middle, half the width and half the height [rad]."""
    x, y, z = item.x - eye[0], item.y - eye[1], item.z - eye[2]
    distance = max(math.hypot(x, y), MIN_RANGE_M)
    half_width, half_height = (math.atan(size / 2 / distance) for size in (max(item.length, item.width), item.height))
    return math.atan2(y, x), math.atan2(z, distance), half_width, half_height


def _same(a: tuple[float, ...], b: Iterable[float]) -> bool:
    azimuth, elevation, half_width, half_height = b
    aside, above = abs(wrap_angle(a[0] - azimuth)), abs(a[1] - elevation)
    return aside < (a[2] + half_width) / 2 and above < (a[3] + half_height) / 2
