"""The vector space that every stage after the cameras speaks: objects, tracks, forecasts, free space, plans.

Values are immutable. SI units, radians, REP-103 frames. The frame of each value is stated in its docstring: perception
works in ``base_link`` at the exposure stamp, everything from the tracker on in ``map``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Pose2


class ObjectClass(IntEnum):
    """Classes of the detection head; the number is the channel of the heat map."""

    CAR = 0
    TRUCK = 1
    CYCLIST = 2
    PEDESTRIAN = 3
    CONE = 4
    BARRIER = 5
    BOX = 6
    TABLE = 7
    SHELF = 8


class GroundClass(IntEnum):
    """Channels of the ground segmentation head."""

    FREE = 0  # drivable or walkable, and nothing stands on it
    LANE_MARKING = 1
    CROSSWALK = 2
    STOP_LINE = 3


VEHICLES = frozenset({ObjectClass.CAR, ObjectClass.TRUCK})
ROAD_USERS = frozenset({ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.CYCLIST, ObjectClass.PEDESTRIAN})


@dataclass(frozen=True, slots=True)
class DetectedObject:
    """One oriented box on the ground, in ``base_link`` at the exposure stamp.

    ``x, y, z`` is the centre of the box; ``vx, vy`` is the velocity over ground expressed in base_link axes.
    """

    label: ObjectClass
    score: float
    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    height: float
    vx: float = 0.0
    vy: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """One object followed over time, in ``map``; ``vx, vy`` is the velocity over ground in map axes."""

    track_id: int
    label: ObjectClass
    score: float
    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    height: float
    vx: float
    vy: float
    yaw_rate: float
    age_s: float
    position_std_m: float = 0.5

    @property
    def speed(self) -> float:
        """Speed over ground in m/s."""
        return float(np.hypot(self.vx, self.vy))


@dataclass(frozen=True, slots=True)
class ForecastMode:
    """One way an object may move: poses (T, 3) of x, y, yaw in ``map`` at t = dt, 2 dt, ..."""

    probability: float
    poses: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forecast:
    """An object with all the ways that it may move; mode probabilities sum to one."""

    track: TrackedObject
    dt: float
    modes: tuple[ForecastMode, ...]


@dataclass(frozen=True, slots=True)
class GridExtent:
    """Metric extent of a bird's-eye grid in ``base_link``: index [i, j] runs along x (forward), then y (left)."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float

    def as_array(self) -> NDArray[np.float32]:
        """The four limits as a float32 vector, the form the network takes."""
        return np.array([self.x_min, self.x_max, self.y_min, self.y_max], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class GroundGrid:
    """Per-cell probabilities (channels, nx, ny) in ``base_link`` at the exposure stamp.

    The network's grid has one channel per GroundClass; the one that travels as an OccupancyGrid has channel FREE alone.
    """

    extent: GridExtent
    probability: NDArray[np.float32]

    @property
    def resolution(self) -> float:
        """Cell size in metres (cells are square)."""
        return (self.extent.x_max - self.extent.x_min) / self.probability.shape[1]


@dataclass(frozen=True, slots=True)
class GroundMarkings:
    """Paint on the ground in ``base_link`` at the exposure stamp.

    points (M, 2) [m], kind (M,) of GroundClass, score (M,) in 0..1.
    """

    points: NDArray[np.float64]
    kind: NDArray[np.int64]
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EgoState:
    """The body's own motion at ``stamp_ns``: pose of base_link in ``map``, speed along x, and derivatives.

    ``roll``, ``pitch`` [rad] and ``rise`` [m]: how the part that carries the cameras leans, and how much higher than
    nominal it stands (``autodrive.rig.tilted``); base_link itself stays level.
    """

    stamp_ns: int
    pose: Pose2
    speed: float
    yaw_rate: float
    acceleration: float = 0.0
    steering: float = 0.0
    lateral_speed: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    rise: float = 0.0


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A timed path in ``map``: arrays of equal length T, ``t[0] == 0`` at ``stamp_ns``.

    t [s], x, y [m], yaw [rad], speed [m/s], acceleration [m/s2], curvature [1/m]. ``reason`` says in a few words what
    decided it ("cruise", "yield to track 7", "stop: blocked"), ``fallback`` that no feasible candidate was left.
    """

    stamp_ns: int
    t: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    curvature: NDArray[np.float64]
    reason: str = ""
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """What control asks of a car: road-wheel angle [rad, left positive], acceleration [m/s2], target speed [m/s]."""

    stamp_ns: int
    steering: float
    acceleration: float
    speed: float
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A navigation route: polyline (N, 2) in ``map`` from start to goal, no lane geometry, and the start pose."""

    points: NDArray[np.float64]
    start: Pose2
    speed_limit: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Perception:
    """All that the network and decoder say of one synchronised camera frame, in ``base_link`` at ``stamp_ns``."""

    stamp_ns: int
    objects: tuple[DetectedObject, ...]
    ground: GroundGrid
    markings: GroundMarkings
    latency_ms: dict[str, float] = field(default_factory=dict)
