"""What the cameras would make of a town, imitated from the truth: as good and as bad as the shipped network measures.

Figures are those of engines/vision.yaml and of tracks compared with the truth on a drive: position errors and recall
per class and range, headings turned by pi in a third of the frames, things that are not there, no velocities, cells of
a metre, crosswalks that show from near by only, no stop lines. Errors last: what is missed or misplaced in one frame
tends to be so in the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import cv2
import numpy as np
import shapely

from autodrive.geometry import Array, Pose2, box_corners, wrap_angle
from autodrive.scene import DetectedObject, GridExtent, GroundClass, GroundGrid, ObjectClass, Perception
from autodrive.sim.ground_masks import carve, ground_masks
from autodrive.sim.town import Town
from autodrive.sim.world import TICK_S, GroundTruth
from autodrive.vision.decode import decode_markings

EXTENT = GridExtent(-24.0, 40.0, -32.0, 32.0)
HALF_M, AHEAD_M = 32.0, 8.0  # the grid around a point ahead of base_link
CELLS, FINE = 64, 256
CAMERA_M = 1.5  # ahead of base_link
# share of objects found at these ranges [m]
RANGES_M = (0.0, 10.0, 20.0, 30.0, 40.0)
RECALL = {
    ObjectClass.CAR: (0.99, 0.98, 0.94, 0.75, 0.45),
    ObjectClass.TRUCK: (0.97, 0.96, 0.88, 0.6, 0.4),
    ObjectClass.CYCLIST: (0.95, 0.88, 0.55, 0.25, 0.05),
    ObjectClass.PEDESTRIAN: (0.98, 0.93, 0.65, 0.35, 0.1),
}
OTHERS = (0.7, 0.6, 0.4, 0.25, 0.1)
PAINT_SHOWS = (1.0, 1.0, 0.75, 0.55, 0.35)
MISS_S, SHIFT_S, TURN_S, GROUND_S = 0.4, 0.8, 0.4, 0.5  # how long errors last
GHOSTS_PER_FRAME, GHOST_S = 0.2, 0.5
GHOST_SHIFT_M = (2.0, 5.0)  # what is not there is mostly something that is, nearer or further than it is


@dataclass
class _Look:
    """The lasting errors of one object, in standard deviations."""

    miss: float
    shift: Array
    size: Array
    turned: bool


@dataclass
class _Ghost:
    item: DetectedObject  # in map
    left_s: float


@dataclass
class TownSenses:
    """``look`` once per tick. ``noise`` scales position errors and misses; 0 sees everything in range exactly."""

    town: Town
    seed: int
    noise: float = 1.0
    _looks: dict[str, _Look] = field(default_factory=dict)
    _ghosts: list[_Ghost] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 0x5E45E])
        self._walls = shapely.STRtree([shapely.Polygon(b.corners) for b in self.town.buildings])
        self._ground_error = self._rng.normal(0, 1, (len(GroundClass), 17, 17))
        distance = np.hypot(*np.meshgrid(*(_axis(low) for low in (EXTENT.x_min, EXTENT.y_min)), indexing="ij"))
        self._far = np.clip((distance - 8.0) / 24.0, 0.0, 1.0).astype(np.float32)
        self._paint_shows = np.interp(distance, RANGES_M, PAINT_SHOWS).astype(np.float32)

    def look(self, truth: GroundTruth) -> Perception:
        """One frame, in base_link of the true pose."""
        ground = self._ground(truth)
        return Perception(truth.stamp_ns, self._objects(truth), ground, decode_markings(ground, 0.5))

    def _objects(self, truth: GroundTruth) -> tuple[DetectedObject, ...]:
        inverse = truth.ego.inverse()
        local = inverse.apply(np.array([(o.x, o.y) for o in truth.objects]).reshape(-1, 2))
        inside = (local[:, 0] > EXTENT.x_min) & (local[:, 0] < EXTENT.x_max) & (np.abs(local[:, 1]) < EXTENT.y_max)
        rows = np.flatnonzero(inside)
        visible = self._visible(truth, rows)
        found = []
        for row, share in zip(rows.tolist(), visible.tolist(), strict=True):
            item = self._detect(truth.objects[row], truth.object_ids[row], local[row], truth.ego.yaw, share)
            if item is not None:
                found.append(item)
        return tuple(found) + self._false(truth.ego, found)

    def _detect(
        self, item: DetectedObject, name: str, at: Array, ego_yaw: float, share: float
    ) -> DetectedObject | None:
        rng, noise = self._rng, self.noise
        look = self._looks.get(name)
        if look is None:
            look = _Look(rng.normal(), rng.normal(0, 1, 2), rng.normal(0, 1, 2), bool(rng.random() < 0.33))
            self._looks[name] = look
        look.miss = _drift(look.miss, rng.normal(), MISS_S)
        look.shift = _drift(look.shift, rng.normal(0, 1, 2), SHIFT_S)
        if rng.random() < TICK_S / TURN_S:
            look.turned = bool(rng.random() < 0.33)
        white, wobble, blink = rng.normal(0, 1, 2), rng.normal(0, 1, 3), rng.random()
        distance = float(np.hypot(*at))
        recall = float(np.interp(distance, RANGES_M, RECALL.get(item.label, OTHERS))) * share
        recall = 1.0 - noise * (1.0 - recall) if share > 0 else 0.0
        if recall <= 0.0 or look.miss > NormalDist().inv_cdf(min(max(recall, 1e-4), 1 - 1e-4)):
            return None
        reach = distance**2 / (distance + 5.0)
        error = noise * (0.9 * look.shift + 0.4 * white) * (0.08 + 0.05 * reach, 0.05 + 0.02 * reach)
        azimuth = math.atan2(at[1], at[0])
        x = at[0] + error[0] * math.cos(azimuth) - error[1] * math.sin(azimuth)
        y = at[1] + error[0] * math.sin(azimuth) + error[1] * math.cos(azimuth)
        yaw = item.yaw - ego_yaw + 0.1 * noise * wobble[0]
        if item.label == ObjectClass.PEDESTRIAN:
            yaw += noise * 1.5 * look.size[0]
        elif look.turned and noise > 0:
            yaw += math.pi
        length, width = (
            v * math.exp(noise * (0.1 * k + 0.04 * w))
            for v, k, w in zip((item.length, item.width), look.size, wobble[1:], strict=True)
        )
        score = min(max(0.15 + 0.75 * recall - 0.2 * noise * blink, 0.16), 0.95)
        return DetectedObject(
            item.label, score, float(x), float(y), item.z, wrap_angle(yaw), length, width, item.height
        )

    def _visible(self, truth: GroundTruth, rows: np.ndarray) -> Array:
        """Share (N,) of each object that walls and lorries leave open; who stands behind a car shows the head."""
        if len(rows) == 0:
            return np.zeros(0)
        eye = truth.ego.apply(np.array([CAMERA_M, 0.0]))
        objects = [truth.objects[row] for row in rows]
        aims = np.array([(o.x, o.y) for o in objects])
        across = np.stack([-(aims - eye)[:, 1], (aims - eye)[:, 0]], axis=1)
        across /= np.maximum(np.hypot(*across.T), 1e-6)[:, None]
        half = np.array([0.4 * min(o.length, o.width) for o in objects])[:, None]
        ends = np.stack([aims - half * across, aims, aims + half * across], axis=1).reshape(-1, 2)
        # a little short of the object: it does not hide itself
        rays = shapely.linestrings(np.stack([np.repeat(eye[None], len(ends), axis=0), eye + 0.97 * (ends - eye)], 1))
        share = np.ones(len(rays))
        share[self._walls.query(rays, predicate="intersects")[0]] = 0.0
        for labels, left in (((ObjectClass.TRUCK,), 0.0), ((ObjectClass.CAR,), 0.75)):
            own = [k for k, o in enumerate(objects) if o.label in labels]
            boxes = [objects[k] for k in own]
            tree = shapely.STRtree([shapely.Polygon(box_corners(o.x, o.y, o.yaw, o.length, o.width)) for o in boxes])
            ray, box = tree.query(rays, predicate="intersects")
            hides = np.array(own, dtype=np.intp)[box] != ray // 3
            share[np.unique(ray[hides])] *= left
        return np.asarray(share.reshape(-1, 3).mean(axis=1))

    def _false(self, ego: Pose2, real: list[DetectedObject]) -> tuple[DetectedObject, ...]:
        rng = self._rng
        born, which, shift, side, life = (
            *rng.random(2),
            rng.uniform(*GHOST_SHIFT_M),
            rng.random(),
            rng.exponential(GHOST_S),
        )
        if born < GHOSTS_PER_FRAME * self.noise and real:
            o = real[int(which * len(real))]
            distance = math.hypot(o.x, o.y)
            scale = 1.0 + (shift if side < 0.5 else -shift) / max(distance, 6.0)
            x, y = ego.apply(scale * np.array([o.x, o.y]))
            self._ghosts.append(_Ghost(replace(o, x=float(x), y=float(y), yaw=o.yaw + ego.yaw), life))
        shown = []
        for ghost in self._ghosts:
            ghost.left_s -= TICK_S
            x, y = ego.inverse().apply(np.array([ghost.item.x, ghost.item.y])) + rng.normal(0, 0.2, 2)
            yaw = wrap_angle(ghost.item.yaw - ego.yaw)
            if rng.random() < 0.7:
                score = float(rng.uniform(0.2, 0.4))
                shown.append(replace(ghost.item, score=score, x=float(x), y=float(y), yaw=yaw))
        self._ghosts = [ghost for ghost in self._ghosts if ghost.left_s > 0]
        return tuple(shown)

    def _ground(self, truth: GroundTruth) -> GroundGrid:
        centre = truth.ego @ Pose2(AHEAD_M, 0.0, 0.0)
        movers = [o for o in truth.objects if math.hypot(o.x - centre.x, o.y - centre.y) < 46.0]
        inverse = centre.inverse()
        local = [(o, inverse @ Pose2(o.x, o.y, o.yaw)) for o in movers]
        boxes = [DetectedObject(o.label, 1.0, p.x, p.y, 0.0, p.yaw, o.length, o.width, o.height) for o, p in local]
        masks = carve(ground_masks(self.town, centre, HALF_M, FINE), HALF_M, boxes).astype(np.float32)
        share = masks.reshape(len(GroundClass), CELLS, FINE // CELLS, CELLS, FINE // CELLS).mean(axis=(2, 4))
        self._ground_error = _drift(self._ground_error, self._rng.normal(0, 1, self._ground_error.shape), GROUND_S)
        out = np.zeros_like(share)
        for kind in (GroundClass.FREE, GroundClass.LANE_MARKING, GroundClass.CROSSWALK):
            near = share[kind]
            far = cv2.GaussianBlur(near, (0, 0), 1.2)
            value = near + self.noise * self._far * (far - near)
            if kind == GroundClass.LANE_MARKING:
                value = np.minimum(2.5 * value, 1.0)
            if kind != GroundClass.FREE:
                value = value * (1.0 - self.noise * (1.0 - self._paint_shows))
            coarse = self._ground_error[kind].astype(np.float32)
            error = cv2.resize(coarse, (CELLS, CELLS), interpolation=cv2.INTER_LINEAR)
            value = value + self.noise * (0.06 + 0.14 * self._far) * error
            out[kind] = np.clip(value, 0.02, 0.98)
        return GroundGrid(EXTENT, out)


def _axis(low: float) -> Array:
    return np.asarray(low + (np.arange(CELLS) + 0.5) * (2 * HALF_M / CELLS))


def _drift(value, fresh, lasting_s: float):
    """One step of a stationary first-order process with unit variance."""
    keep = math.exp(-TICK_S / lasting_s)
    return keep * value + math.sqrt(1 - keep**2) * fresh
