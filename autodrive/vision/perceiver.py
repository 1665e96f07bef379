"""Camera images in, objects and ground out: pre-process, run the engine, decode, and remember for half a second."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import EngineError, InputError
from autodrive.geometry import Pose2
from autodrive.inference.engine import IMAGES, DeviceImages, Engine
from autodrive.rig import Rig, projection, tilted
from autodrive.scene import EgoState, GroundClass, GroundGrid, ObjectClass, Perception
from autodrive.vision.coverage import seen_ground
from autodrive.vision.decode import DecodeConfig, decode_markings, decode_objects
from autodrive.vision.layout import BOX_CHANNELS, GRID_CELLS
from autodrive.vision.preprocess import Preprocessor
from autodrive.vision.sight import one_per_sight

Images = Sequence[NDArray[np.uint8]]
FrontEnd = Callable[[Images], None]
Arrays = dict[str, NDArray[Any]]
Network = Callable[[Arrays], Arrays]
UNKNOWN_FREE = 0.5
LEVEL = 1e-3  # rad and m: a body that leans less stands upright


@dataclass(frozen=True, slots=True)
class PerceiverConfig:
    """``memory_s``: the wanted age of the frame that is fed back; frames outside ``memory_range_s`` are not used.

    Training pairs are 0.4 to 0.6 s apart.
    """

    decode: DecodeConfig = field(default_factory=DecodeConfig)
    memory_s: float = 0.5
    memory_range_s: tuple[float, float] = (0.35, 0.65)


@dataclass(frozen=True, slots=True)
class _Remembered:
    stamp_ns: int
    features: NDArray[np.float32]
    pose: Pose2


@dataclass(frozen=True, slots=True)
class _View:
    """Where the cameras look at one moment, and which ground cells (G, G) they see."""

    intrinsics: NDArray[np.float32]
    extrinsics: NDArray[np.float32]
    seen: NDArray[np.bool_]

    @staticmethod
    def of(rig: Rig) -> _View:
        intrinsics, extrinsics = projection(rig)
        return _View(intrinsics, extrinsics, seen_ground(rig.extent, GRID_CELLS, intrinsics, extrinsics))


class Perceiver:
    """One rig's perception. Its only state is a short ring of earlier features with the poses they were seen from."""

    def __init__(
        self, engine: Engine, rig: Rig, config: PerceiverConfig | None = None, front_end: FrontEnd | None = None
    ) -> None:
        """``front_end`` brings images into the engine's own memory, see ``DeviceImages``; None prepares on the CPU."""
        self._engine, self._rig, self._config = engine, rig, config or PerceiverConfig()
        _check_meaning(engine)
        self._run = _bound(engine, front_end) if front_end else _from_host(engine, Preprocessor(rig))
        self._upright = _View.of(rig)
        self._extent = rig.extent.as_array()
        x, y, z = np.mean([camera.position for camera in rig.cameras], axis=0).tolist()
        self._eye = x, y, z
        features = engine.manifest.output("features")
        self._no_memory = np.zeros([int(size) for size in features.shape], np.float32)
        # what no camera sees is unknown: ground that is as likely free as not, and no paint
        unknown = np.array([UNKNOWN_FREE if kind == GroundClass.FREE else 0.0 for kind in GroundClass], np.float32)
        self._unknown = unknown[:, None, None]
        self._ring: deque[_Remembered] = deque()

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._ring.clear()

    def __call__(self, images: Sequence[NDArray[np.uint8]], stamp_ns: int, ego: EgoState | None) -> Perception:
        """Perceive one synchronised frame; ``ego`` is the body's state at the stamp, None if unknown (no memory then).

        Raises InputError for bad images or ego state; the frame then leaves no trace.
        """
        if ego is not None and not _is_finite(ego):
            raise InputError(f"ego pose at {stamp_ns} ns is not finite: {ego}; check the odometry")
        begin = time.perf_counter()
        network = self._run(images)
        prepared = time.perf_counter()
        view = self._view(ego)
        outputs = network(self._inputs(view, stamp_ns, ego))
        computed = time.perf_counter()
        ground = GroundGrid(self._rig.extent, np.where(view.seen, outputs["ground"][0], self._unknown))
        objects = decode_objects(outputs["heat"][0], outputs["box"][0], self._rig.extent, self._config.decode)
        objects = one_per_sight(objects, self._eye)
        markings = decode_markings(ground, self._config.decode.paint_threshold)
        if ego is not None:
            self._remember(stamp_ns, outputs["features"], ego.pose)
        decoded = time.perf_counter()
        latency = {
            "preprocess": (prepared - begin) * 1e3,
            "network": (computed - prepared) * 1e3,
            "decode": (decoded - computed) * 1e3,
        }
        return Perception(stamp_ns, objects, ground, markings, latency)

    def _view(self, ego: EgoState | None) -> _View:
        if ego is None or max(abs(ego.roll), abs(ego.pitch), abs(ego.rise)) < LEVEL:
            return self._upright
        return _View.of(tilted(self._rig, ego.roll, ego.pitch, ego.rise))

    def _inputs(self, view: _View, stamp_ns: int, ego: EgoState | None) -> Arrays:
        """All inputs of the network but the images."""
        remembered = self._recall(stamp_ns) if ego is not None else None
        memory, motion, age = self._no_memory, Pose2(0.0, 0.0, 0.0), 0.0
        if remembered is not None and ego is not None:
            memory = remembered.features
            motion = remembered.pose.inverse() @ ego.pose
            age = (stamp_ns - remembered.stamp_ns) * 1e-9
        return {
            "intrinsics": view.intrinsics,
            "optical_from_base": view.extrinsics,
            "extent": self._extent,
            "memory": memory,
            "previous_from_current": np.array([motion.x, motion.y, motion.yaw], np.float32),
            "memory_dt": np.array([age], np.float32),
        }

    def _recall(self, stamp_ns: int) -> _Remembered | None:
        """The frame whose age is nearest to the wanted one, if any is in range. Time that ran backwards forgets all."""
        if self._ring and self._ring[-1].stamp_ns >= stamp_ns:
            self.reset()
        youngest, oldest = self._config.memory_range_s
        while self._ring and (stamp_ns - self._ring[0].stamp_ns) * 1e-9 > oldest:
            self._ring.popleft()
        old_enough = [m for m in self._ring if (stamp_ns - m.stamp_ns) * 1e-9 >= youngest]
        wanted = stamp_ns - self._config.memory_s * 1e9
        return min(old_enough, key=lambda m: abs(m.stamp_ns - wanted), default=None)

    def _remember(self, stamp_ns: int, features: NDArray[np.float32], pose: Pose2) -> None:
        self._ring.append(_Remembered(stamp_ns, features, pose))


def _from_host(engine: Engine, preprocess: Preprocessor) -> Callable[[Images], Network]:
    """Prepares images on the CPU, for a run that hands them over with the other inputs."""

    def prepare(images: Images) -> Network:
        tensors = preprocess(images)
        return lambda inputs: engine.run({IMAGES: tensors, **inputs})

    return prepare


def _bound(engine: Engine, front_end: FrontEnd) -> Callable[[Images], Network]:
    """Leaves images where the engine looks for them."""
    if not isinstance(engine, DeviceImages):
        raise EngineError(f"engine {engine.manifest.name!r}: {engine.runtime} takes its images from host memory")

    def prepare(images: Images) -> Network:
        front_end(images)
        return engine.run_bound

    return prepare


def _is_finite(ego: EgoState) -> bool:
    return all(map(math.isfinite, (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.roll, ego.pitch, ego.rise)))


def _check_meaning(engine: Engine) -> None:
    """The file's channels must mean what this code thinks; raises EngineError."""
    manifest = engine.manifest
    expected = {
        "classes": (manifest.classes, tuple(c.name.lower() for c in ObjectClass)),
        "ground_classes": (manifest.ground_classes, tuple(c.name.lower() for c in GroundClass)),
        "box_channels": (manifest.box_channels, BOX_CHANNELS),
    }
    for key, (stated, known) in expected.items():
        if stated != known:
            raise EngineError(f"engine {manifest.name!r}: {key} are {list(stated)}, this code decodes {list(known)}")
