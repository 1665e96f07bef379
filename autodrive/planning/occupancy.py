"""What the floor around a walking body was seen to be: a rolling occupancy memory in map coordinates.

Free space of single frames flickers and ends 8 m away; a route needs the hall. Each frame adds its evidence (log-odds)
to the cells of a window that moves along with the body. People are left out: where they stand tells nothing of the
floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array, Pose2, box_corners
from autodrive.scene import EgoState, GridExtent, GroundGrid, ObjectClass, TrackedObject

Mask = NDArray[np.bool_]
Grid32 = NDArray[np.float32]

STANDING = frozenset({ObjectClass.CONE, ObjectClass.BARRIER, ObjectClass.BOX, ObjectClass.TABLE, ObjectClass.SHELF})
SUBPIXEL_BITS = 4
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
UNSEEN, UNSEEN_BAND = 0.5, 0.005  # free with this probability is what no camera sees


@dataclass(frozen=True, slots=True)
class OccupancyConfig:
    """Cells, evidence per frame (log-odds) and the clearances [m] that the body needs around base_link."""

    cell: float = 0.125
    cells: int = 256
    max_evidence: float = 0.7
    doubt: float = 0.9  # free with less than this probability is no floor: low steps are taken for it with 0.6, ...
    blur: float = 0.5  # ... but so near to something it is floor from 0.5 on: edges are blurred
    least_score: float = 0.3  # a track that the network is less sure of is left to the free ground
    far_share: float = 0.2  # of the evidence at the rim of the grid; all of it within half the way there
    limit: float = 3.0
    occupied: float = 0.4
    known: float = 0.3
    person_clearance: float = 0.35
    target_bleed: float = (
        0.25  # the network's cells are as large as this: what it says this near to a target is its edge
    )
    radius: float = 0.34  # routes keep this far from what stands, ...
    narrow_radius: float = 0.30  # ... this far where there is no other way, ...
    tight_radius: float = 0.28  # ... and walking on is allowed down to this: half the body's width
    target_radius: float = 0.23  # the same for what the body is to stand before
    comfort: float = 0.80  # nearer than this costs


class OccupancyMemory:
    """Log-odds (n, n) that cells are occupied; ``origin`` (2,) is the map corner of cell [0, 0], x is axis 0."""

    def __init__(self, config: OccupancyConfig | None = None) -> None:
        self.config = config or OccupancyConfig()
        n = self.config.cells
        self.log_odds: Grid32 = np.zeros((n, n), np.float32)
        self.origin = np.zeros(2)
        self._placed = False

    def update(
        self,
        ego: EgoState,
        free: GroundGrid | None,
        tracks: Iterable[TrackedObject],
        held: tuple[TrackedObject, ...] = (),
    ) -> None:
        """Add one frame: free space in base_link at ``ego``'s stamp (None where stale) and tracks in map.

        ``held`` are tracks in the body's hands: they hide the floor, but do not stand on it.
        """
        self._follow(ego.pose)
        tracks = tuple(tracks)
        if free is not None:
            passing = tuple(t for t in tracks if t.label not in STANDING) + held
            self._add_free(ego.pose, free, passing, self.rasterise(tracks, self.config.blur))
        boxes = self.rasterise([t for t in tracks if self._stands(t)])
        self.log_odds[boxes] = np.minimum(self.log_odds[boxes] + self.config.max_evidence, self.config.limit)
        # whoever stands there knows that one can
        i, j = self.index(np.array([ego.pose.x, ego.pose.y]))
        self.log_odds[i - 1 : i + 2, j - 1 : j + 2] = -self.config.limit

    def index(self, points: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Cells (i, j) of map points (..., 2), clipped to the window."""
        ij = np.floor((np.asarray(points) - self.origin) / self.config.cell).astype(np.intp)
        ij = np.clip(ij, 0, self.config.cells - 1)
        return ij[..., 0], ij[..., 1]

    def centre(self, i: NDArray[np.intp] | int, j: NDArray[np.intp] | int) -> Array:
        """Map points (..., 2) of the centres of cells."""
        return np.asarray(self.origin + (np.stack([i, j], axis=-1) + 0.5) * self.config.cell)

    def contains(self, x: float, y: float) -> bool:
        """Whether a map point lies in the window, at least a cell from its rim."""
        ij = (np.array([x, y]) - self.origin) / self.config.cell
        return bool((ij >= 1).all() and (ij < self.config.cells - 1).all())

    def rasterise(self, tracks: Iterable[TrackedObject], grow: float = 0.0) -> Mask:
        """Cells (n, n) whose centres lie in the boxes of ``tracks``, grown by ``grow`` metres on every side."""
        image = np.zeros((self.config.cells, self.config.cells), np.uint8)
        for t in tracks:
            corners = box_corners(t.x, t.y, t.yaw, t.length + 2 * grow, t.width + 2 * grow)
            pixels = ((corners - self.origin) / self.config.cell - 0.5)[:, ::-1] * 2**SUBPIXEL_BITS
            cv2.fillConvexPoly(image, np.round(pixels).astype(np.int32), 1, cv2.LINE_8, SUBPIXEL_BITS)
        return image.astype(bool)

    def floor(self, tracks: Iterable[TrackedObject], targets: frozenset[int]) -> Floor:
        """The memory as of now with the present tracks drawn in exactly; the body may come near to ``targets``."""
        tracks = tuple(tracks)
        config = self.config
        standing = [t for t in tracks if self._stands(t) and t.track_id not in targets]
        approached = [t for t in tracks if t.track_id in targets and t.label in STANDING]
        occupied = self.log_odds > config.occupied
        if approached:
            occupied &= ~self.rasterise(approached, config.target_bleed)
        occupied |= self.rasterise(standing)
        # what no track explains is a step or a wall: the network draws their edges up to a cell inside
        untracked = occupied & ~self.rasterise(approached + standing, config.blur)
        grown = occupied | cv2.dilate(untracked.astype(np.uint8), CROSS).astype(bool)
        # half a cell less: drawing adds the cells that the edge crosses
        near_target = self.rasterise(approached, config.target_radius - config.cell / 2)
        clearance, wary = (
            cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            * np.float32(config.cell)
            for mask in (occupied, grown)
        )
        # drawn shapes include the cells that their edges cross: on average the edge is at the outermost cell's centre
        return Floor(self, clearance, wary, near_target, np.abs(self.log_odds) >= config.known)

    def _stands(self, track: TrackedObject) -> bool:
        return track.label in STANDING and track.score >= self.config.least_score

    def _follow(self, pose: Pose2) -> None:
        """Move the window in whole cells when the body has left its middle."""
        config, here = self.config, np.array([pose.x, pose.y])
        size = config.cells * config.cell
        if self._placed and (np.abs(here - self.origin - size / 2) < size / 8).all():
            return
        origin = np.round((here - size / 2) / config.cell) * config.cell
        shift = np.round((origin - self.origin) / config.cell).astype(int)
        moved = np.zeros_like(self.log_odds)
        if self._placed and (np.abs(shift) < config.cells).all():
            a, b = (slice(max(k, 0), config.cells + min(k, 0)) for k in shift)
            c, d = (slice(max(-k, 0), config.cells + min(-k, 0)) for k in shift)
            moved[c, d] = self.log_odds[a, b]
        self.log_odds, self.origin, self._placed = moved, origin, True

    def _add_free(self, pose: Pose2, free: GroundGrid, passing: tuple[TrackedObject, ...], blurred: Mask) -> None:
        """Take over the evidence of one grid, but nothing from under and beside what is only ``passing``.

        Where something is nearby (``blurred``) floor is believed sooner.
        """
        config, extent = self.config, free.extent
        reach = max(-extent.x_min, extent.x_max, -extent.y_min, extent.y_max)
        low = self.index(np.array([pose.x - reach, pose.y - reach]))
        high = self.index(np.array([pose.x + reach, pose.y + reach]))
        rows, columns = slice(low[0], high[0] + 1), slice(low[1], high[1] + 1)
        local = _local_cells(self, pose, rows, columns)
        # between the centres of the coarse cells evidence goes over evenly; outside the grid there is none
        row = (local[0] - np.float32(extent.x_min)) / np.float32(free.resolution) - np.float32(0.5)
        column = (local[1] - np.float32(extent.y_min)) / np.float32(free.resolution) - np.float32(0.5)
        near, apart = (
            cv2.remap(_evidence(free, level, config.max_evidence), column, row, cv2.INTER_LINEAR)
            for level in (0.5, config.doubt)
        )
        gain = np.where(blurred[rows, columns], near, apart)
        range_m = np.hypot(local[0], local[1])
        gain *= np.clip(1.0 - (1.0 - config.far_share) * (range_m / (reach / 2) - 1.0), config.far_share, 1.0)
        gain[self.rasterise(passing, config.person_clearance)[rows, columns]] = 0.0
        window = self.log_odds[rows, columns]
        self.log_odds[rows, columns] = np.clip(window + gain, -config.limit, config.limit)


@dataclass(frozen=True)
class Floor:
    """A snapshot for one plan: clearance [m] of every cell from what stands, targets' reach, and what was ever seen.

    ``wary`` is the clearance if steps and walls end where they may end at most.
    """

    memory: OccupancyMemory
    clearance: Grid32
    wary: Grid32
    near_target: Mask
    known: Mask

    def clearance_at(self, points: Array) -> Grid32:
        """Clearance [m] at map points (..., 2)."""
        i, j = self.memory.index(points)
        return np.asarray(self.clearance[i, j])

    def passable_at(self, points: Array, radius: float) -> Mask:
        """Whether a body of ``radius`` may stand at map points (..., 2)."""
        i, j = self.memory.index(points)
        return np.asarray((self.clearance[i, j] > radius) & ~self.near_target[i, j])

    def ground(self, pose: Pose2, reach: float = 5.0, cell: float = 0.1) -> GroundGrid:
        """Where base_link may go, in base_link at ``pose``: below 0.5 where the body would touch what stands."""
        axis = np.arange(-reach + cell / 2, reach, cell)
        local = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
        i, j = self.memory.index(pose.apply(local))
        config = self.memory.config
        value = 0.5 + 0.5 * np.clip((self.clearance[i, j] - config.tight_radius) / config.comfort, 0.0, 1.0)
        value = np.where((self.clearance[i, j] <= config.tight_radius) | self.near_target[i, j], 0.0, value)
        return GroundGrid(GridExtent(-reach, reach, -reach, reach), value[None].astype(np.float32))


def _evidence(free: GroundGrid, level: float, limit: float) -> Grid32:
    """Log-odds per coarse cell that it is no floor, which is what is free with less than ``level``; 0 where unseen."""
    value = np.clip(free.probability[0], 0.02, 0.98).astype(np.float32)
    odds = np.log((1 - value) / value) + np.float32(math.log(level / (1 - level)))
    return np.where(np.abs(value - UNSEEN) < UNSEEN_BAND, 0.0, np.clip(odds, -limit, limit)).astype(np.float32)


def _local_cells(memory: OccupancyMemory, pose: Pose2, rows: slice, columns: slice) -> tuple[Grid32, Grid32]:
    """x and y in base_link of the centres of a block of cells."""
    cell = memory.config.cell
    x = (memory.origin[0] + (np.arange(rows.start, rows.stop) + 0.5) * cell - pose.x).astype(np.float32)
    y = (memory.origin[1] + (np.arange(columns.start, columns.stop) + 0.5) * cell - pose.y).astype(np.float32)
    c, s = np.float32(np.cos(pose.yaw)), np.float32(np.sin(pose.yaw))
    return c * x[:, None] + s * y[None, :], c * y[None, :] - s * x[:, None]
