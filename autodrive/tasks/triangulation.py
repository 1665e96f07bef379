"""Where a thing is, from lines of sight to it while the body walks: what one image says of range is a guess.

The network's place is the prior; directions are far more exact, and a walk of a metre gives them the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autodrive.geometry import Array, Pose2
from autodrive.vision.appearance import Sight

PRIOR_STD_M = (0.20, 0.20, 0.06)  # of the network's place
SIGHT_STD_RAD = 0.012
INDEPENDENT = 0.08  # share of the sights: neighbouring frames err alike
FADES = 0.985  # per sight: odometry drifts
TRUSTED_M = 0.45  # a place further from the network's than this belongs to something else, ...
SURE_PER_M2 = 400.0  # ... unless the sights fix it to 5 cm in every direction
MIN_RANGE_M = 0.4


@dataclass
class Triangulation:
    """Normal equations of the point nearest to all lines of sight so far."""

    _matrix: Array = field(default_factory=lambda: np.zeros((3, 3)))
    _vector: Array = field(default_factory=lambda: np.zeros(3))

    def add(self, sight: Sight, body: Pose2, about: Array) -> None:
        """Take in a line of sight (base_link of ``body``) to a thing that is ``about`` there (3,), in map."""
        eye, direction = np.array(sight[:3]), np.array(sight[3:])
        eye[:2] = body.apply(eye[:2])
        direction[:2] = Pose2(0.0, 0.0, body.yaw).apply(direction[:2])
        distance = max(float(np.linalg.norm(about - eye)), MIN_RANGE_M)
        across = (np.eye(3) - np.outer(direction, direction)) * (INDEPENDENT / (SIGHT_STD_RAD * distance) ** 2)
        self._matrix = FADES * self._matrix + across
        self._vector = FADES * self._vector + across @ eye

    def place(self, prior: Array, height_std_m: float = PRIOR_STD_M[2]) -> Array:
        """Best place (3,) in map, given the network's (3,) and how well its height is known."""
        if not self._matrix.any():  # most things have no sights, and every frame asks for all of them
            return prior
        weight = np.diag(1.0 / np.square([*PRIOR_STD_M[:2], height_std_m]))
        place = np.asarray(np.linalg.solve(self._matrix + weight, self._vector + weight @ prior), np.float64)
        near = float(np.linalg.norm(place - prior)) < TRUSTED_M
        return place if near or float(np.linalg.eigvalsh(self._matrix)[0]) > SURE_PER_M2 else prior
