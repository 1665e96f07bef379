"""What the ground ahead looks like, remembered along the route: free space and paint, fused over frames.

The network's masks flicker; fusing them in cells that are fixed to the reference path (s along, d across) averages the
flicker out without smearing when the body moves.
"""

from __future__ import annotations

import numpy as np

from autodrive.geometry import Array
from autodrive.planning.config import GroundConfig
from autodrive.planning.reference_path import ReferencePath
from autodrive.scene import EgoState, GroundClass, GroundGrid, GroundMarkings, TrackedObject

PAINT_GAIN = 0.3


class GroundMemory:
    """Exponentially averaged evidence in Frenet cells (rows along s, columns across d)."""

    def __init__(self, reference: ReferencePath, config: GroundConfig | None = None) -> None:
        self._reference, self._config = reference, config or GroundConfig()
        cells = self._config
        self._d = np.arange(-cells.d_limit, cells.d_limit + 1e-6, cells.cell_d)
        rows = int((reference.goal_s + cells.ahead) / cells.cell_s) + 2
        self._free = np.full((rows, len(self._d)), cells.prior)
        self._crosswalk = np.zeros_like(self._free)
        self._stop_line = np.zeros_like(self._free)

    def update(
        self,
        ego: EgoState,
        ego_s: float,
        free: GroundGrid | None,
        markings: GroundMarkings | None,
        tracks: tuple[TrackedObject, ...],
    ) -> None:
        """Fuse one frame; ``free`` and ``markings`` are in base_link at ``ego``'s stamp, None where stale."""
        rows = self._window(ego_s)
        if free is not None:
            self._update_free(ego, rows, free, tracks)
        if markings is not None:
            points = ego.pose.apply(markings.points)
            s, d = self._reference.to_frenet(points, ego_s - self._config.behind, ego_s + self._config.ahead)
            self._update_paint(self._crosswalk, rows, s, d, markings.kind == GroundClass.CROSSWALK)
            self._update_paint(self._stop_line, rows, s, d, markings.kind == GroundClass.STOP_LINE)

    def free_along(self, s: Array, d: Array, half_width: float) -> Array:
        """Mean free probability (P, S) across the body's width at path samples s (S,), d (P, S)."""
        cells = self._config
        row = np.clip(np.round(s / cells.cell_s).astype(np.intp), 0, len(self._free) - 1)
        offsets = np.arange(-half_width, half_width + 1e-6, cells.cell_d)
        column = np.round((d[..., None] + offsets + cells.d_limit) / cells.cell_d).astype(np.intp)
        column = np.clip(column, 0, len(self._d) - 1)
        mean = self._free[row[None, :, None], column].mean(axis=-1)
        padded = np.pad(mean, ((0, 0), (1, 1)), mode="edge")
        return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3)

    def crosswalks(self, ego_s: float) -> list[tuple[float, float]]:
        """Arc-length intervals of crosswalks that the route crosses, within the window around ``ego_s``."""
        evidence = self._crosswalk[:, np.abs(self._d) < 2.0].mean(axis=1)
        return self._intervals(evidence > 0.3, ego_s, minimum=1.0)

    def stop_lines(self, ego_s: float) -> list[float]:
        """Arc lengths of the near edges of stop lines across the route's lane."""
        across = (self._stop_line[:, np.abs(self._d) < 1.4] > 0.3).mean(axis=1)
        return [start for start, _ in self._intervals(across > 0.5, ego_s, minimum=0.0)]

    def _window(self, ego_s: float) -> slice:
        cells = self._config
        low = max(int((ego_s - cells.behind) / cells.cell_s), 0)
        return slice(low, min(max(int((ego_s + cells.ahead) / cells.cell_s), low + 1), len(self._free)))

    def _update_free(self, ego: EgoState, rows: slice, free: GroundGrid, tracks: tuple[TrackedObject, ...]) -> None:
        s = np.arange(rows.start, rows.stop) * self._config.cell_s
        x, y, yaw, _ = self._reference.at(s)
        cells = np.stack(
            [x[:, None] - np.sin(yaw)[:, None] * self._d, y[:, None] + np.cos(yaw)[:, None] * self._d], axis=-1
        )
        local = ego.pose.inverse().apply(cells)
        i = np.floor((local[..., 0] - free.extent.x_min) / free.resolution).astype(np.intp)
        j = np.floor((local[..., 1] - free.extent.y_min) / free.resolution).astype(np.intp)
        nx, ny = free.probability.shape[1:]
        seen = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        value = free.probability[0, np.clip(i, 0, nx - 1), np.clip(j, 0, ny - 1)].astype(np.float64)
        value = np.where(_near_tracks(cells, tracks, self._config.object_clearance), self._config.prior, value)
        window = self._free[rows]
        window[seen] += self._config.gain * (value - window)[seen]

    def _update_paint(self, evidence: Array, rows: slice, s: Array, d: Array, wanted: Array) -> None:
        window = evidence[rows]
        hit = np.zeros_like(window)
        i = np.floor(s / self._config.cell_s + 0.5).astype(np.intp) - rows.start
        j = np.floor((d + self._config.d_limit) / self._config.cell_d + 0.5).astype(np.intp)
        inside = wanted & (i >= 0) & (i < hit.shape[0]) & (j >= 0) & (j < hit.shape[1])
        hit[i[inside], j[inside]] = 1.0
        window += PAINT_GAIN * (hit - window) * np.where(hit > 0, 1.0, 0.3)

    def _intervals(self, rows: Array, ego_s: float, minimum: float) -> list[tuple[float, float]]:
        window = self._window(ego_s)
        flags = np.concatenate([[False], np.asarray(rows[window], dtype=bool), [False]])
        # close one-row holes
        flags[1:-1] |= flags[:-2] & flags[2:]
        edges = np.flatnonzero(np.diff(flags.astype(np.int8)))
        starts, ends = edges[::2] + window.start, edges[1::2] + window.start
        step = self._config.cell_s
        found = [(float(a * step), float((b - 1) * step)) for a, b in zip(starts, ends, strict=True)]
        return [(a, b) for a, b in found if b - a >= minimum]


def _near_tracks(cells: Array, tracks: tuple[TrackedObject, ...], clearance: float) -> Array:
    near = np.zeros(cells.shape[:-1], dtype=bool)
    for t in tracks:
        c, s = np.cos(t.yaw), np.sin(t.yaw)
        dx, dy = cells[..., 0] - t.x, cells[..., 1] - t.y
        near |= (np.abs(c * dx + s * dy) < t.length / 2 + clearance) & (
            np.abs(c * dy - s * dx) < t.width / 2 + clearance
        )
    return near
