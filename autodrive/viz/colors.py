"""One colour per class and purpose (RGB), shared by every picture so that they can be read side by side."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from autodrive.scene import GroundClass, ObjectClass

Color = tuple[int, int, int]

OBJECT: dict[ObjectClass, Color] = {
    ObjectClass.CAR: (86, 180, 233),
    ObjectClass.TRUCK: (120, 120, 250),
    ObjectClass.CYCLIST: (0, 200, 140),
    ObjectClass.PEDESTRIAN: (255, 140, 0),
    ObjectClass.CONE: (240, 90, 60),
    ObjectClass.BARRIER: (220, 60, 110),
    ObjectClass.BOX: (204, 160, 90),
    ObjectClass.TABLE: (160, 200, 90),
    ObjectClass.SHELF: (190, 130, 220),
}
GROUND: dict[GroundClass, Color] = {
    GroundClass.FREE: (52, 66, 60),
    GroundClass.LANE_MARKING: (235, 235, 225),
    GroundClass.CROSSWALK: (250, 215, 90),
    GroundClass.STOP_LINE: (250, 90, 90),
}
BACKGROUND: Color = (22, 24, 28)
PANEL: Color = (32, 35, 41)
TEXT: Color = (232, 234, 237)
MUTED: Color = (150, 155, 165)
PLAN: Color = (80, 250, 123)
ROUTE: Color = (110, 120, 140)
EGO: Color = (245, 245, 245)
WARNING: Color = (255, 85, 85)
TARGET: Color = (255, 255, 60)  # what an instruction was taken to mean


def blank(height: int, width: int, color: Color) -> NDArray[np.uint8]:
    """A new picture (height, width, 3) of one colour; copying one costs a tenth of filling it with three values."""
    return _template(height, width, color).copy()


@cache
def _template(height: int, width: int, color: Color) -> NDArray[np.uint8]:
    return np.full((height, width, 3), color, np.uint8)
