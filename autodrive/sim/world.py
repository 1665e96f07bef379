"""The seam between the stack and whatever simulates the world: MuJoCo here, CARLA and Gazebo behind the same calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from autodrive.body import BodyState
from autodrive.geometry import Pose2
from autodrive.rig import Rig
from autodrive.scene import DetectedObject

TICK_S = 0.1


@dataclass(frozen=True)
class Sensors:
    """What a car's own sensors say at ``stamp_ns``: everything that the driving graph may read.

    ``images``: one RGB uint8 array (H, W, 3) per rig camera, in rig order, valid until the next step. ``wheel_speed``
    [m/s] is the mean of the rear wheels' speed sensors along x; ``steering`` [rad] the road-wheel angle; ``gyro``
    [rad/s] and ``accelerometer`` [m/s2] (3,) in base_link axes, averaged over the tick, with noise.
    """

    stamp_ns: int
    images: tuple[NDArray[np.uint8], ...]
    wheel_speed: float
    steering: float
    gyro: NDArray[np.float64]
    accelerometer: NDArray[np.float64]


@dataclass(frozen=True)
class HumanoidSensors:
    """What a humanoid's own sensors say at a tick; ``images`` as in ``Sensors``, but only where cameras are exposed."""

    body: BodyState
    images: tuple[NDArray[np.uint8], ...] = ()


@dataclass(frozen=True)
class Contact:
    """The ego body touches something.

    ``kind`` is "vehicle", "pedestrian" (cyclists too), "object" (what stands in a hall) or "static" (buildings).
    """

    kind: str
    name: str


@dataclass(frozen=True)
class GroundTruth:
    """The truth at ``stamp_ns``, for labels and scoring only; no driving node may read it.

    ``objects`` are in ``map``; ``contacts`` lists what the ego body touches now; ``off_road`` whether a wheel is off
    the drivable area; ``visible_px`` holds, per object, the pixels that any camera sees (empty if not asked for).
    ``fallen``: a body on legs lies on the ground. ``colours`` names each object's colour as a person would, "" where
    nobody could (empty: nobody asked).
    """

    stamp_ns: int
    ego: Pose2
    speed: float
    objects: tuple[DetectedObject, ...]
    object_ids: tuple[str, ...]
    contacts: tuple[Contact, ...]
    off_road: bool
    visible_px: tuple[int, ...] = ()
    fallen: bool = False
    colours: tuple[str, ...] = ()


C = TypeVar("C", contravariant=True)
S = TypeVar("S", covariant=True)


class World(Protocol[C, S]):
    """A world with one ego body in it, which takes commands C and has sensors S.

    ``step`` advances exactly one tick of ``tick_s``; nothing in it reads a wall clock. A car's is a World[Command,
    Sensors] that also has a ``route``, a humanoid's a World[JointCommand, HumanoidSensors].
    """

    rig: Rig
    tick_s: float

    def reset(self, seed: int) -> S:
        """Start an episode; the same seed gives the same episode, to the byte."""

    def step(self, command: C) -> S:
        """Apply ``command`` for one tick and return the sensors at its end."""

    def ground_truth(self) -> GroundTruth:
        """The truth at the last returned stamp."""

    def state_digest(self) -> bytes:
        """sha256 over every state since reset, for the determinism check."""

    def close(self) -> None:
        """Release graphics and traffic."""
