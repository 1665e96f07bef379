"""What a body on legs senses and is asked: joint states and IMU, walking commands, joint and arm commands.

Values are immutable. SI units, radians, REP-103 frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BodyState:
    """Joints and pelvis IMU at ``stamp_ns``.

    ``position`` [rad] and ``velocity`` [rad/s] are (J,) in the order of ``names``; ``quaternion`` (4,) is w, x, y, z of
    the pelvis in the world (roll and pitch are good, yaw drifts); ``gyro`` [rad/s] and ``accelerometer`` [m/s2] are
    (3,) in pelvis axes.
    """

    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    velocity: Array
    quaternion: Array
    gyro: Array
    accelerometer: Array


@dataclass(frozen=True, slots=True)
class WalkCommand:
    """Velocity [m/s] and yaw rate [rad/s] in ``base_link`` axes; all zero means stand."""

    stamp_ns: int
    vx: float
    vy: float
    yaw_rate: float


@dataclass(frozen=True, slots=True)
class JointCommand:
    """Position targets [rad] and feed-forward torques [N m], (J,) each, in the order of ``names``."""

    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    effort: Array


@dataclass(frozen=True, slots=True)
class ArmCommand:
    """Position targets [rad] and feed-forward torques [N m] of the arm joints that it takes over.

    Empty ``names``: the walking policy keeps the arms.
    """

    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    effort: Array
