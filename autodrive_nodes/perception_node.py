"""From a frame set to tracked objects, free space and paint: pre-processing, network, decoding, tracking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autodrive.camera.gpu_preprocess import GpuFrontEnd
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.inference.engine import AUTO, Engine, load_best, load_engine
from autodrive.inference.signing import load_trusted_keys
from autodrive.rig import Rig, load_rig
from autodrive.transport.ring import RingReader
from autodrive.vision.perceiver import Perceiver
from autodrive.vision.tracker import Tracker
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.object_bytes import tracks_to_bytes
from autodrive_nodes.paths import PREPROCESS_KERNEL
from autodrive_nodes.stage_node import StageNode


class PerceptionNode(StageNode):
    """frame set, odometry -> detections, tracks, free space, lanes, all with the stamp of the exposure."""

    # without a list of one's own, the keys of autodrive/inference/trusted_keys.yaml are trusted
    defaults = {"rig": "", "engine": "", "runtime": "onnxruntime", "threads": 2, "trusted_keys": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Load the engine; an invalid file or rig is refused here."""
        rig = load_rig(Path(self.value("rig")))
        self._names = tuple(c.name for c in rig.cameras)
        keys = self.value("trusted_keys")
        trusted = load_trusted_keys(Path(keys)) if keys else None
        manifest, runtime, threads = Path(self.value("engine")), self.value("runtime"), self.value("threads")
        if runtime == AUTO:
            engine, reasons = load_best(manifest, threads, trusted)
            self.get_logger().info("; ".join((f"chose {engine.runtime}", *reasons)))
        else:
            engine = load_engine(manifest, runtime, threads, trusted)
        self._perceiver = Perceiver(engine, rig, front_end=self._front_end(engine, rig))
        self._tracker = Tracker()
        self._reader = RingReader()
        self._detections, self._tracks = self.say(contracts.DETECTIONS), self.say(contracts.TRACKS)
        self._free, self._lanes = self.say(contracts.FREE_SPACE), self.say(contracts.LANES)
        self.hear_together(
            {
                "frames": (contracts.FRAME_SET, frame_set.from_message),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
            },
            self._step,
        )

    def _front_end(self, engine: Engine, rig: Rig) -> GpuFrontEnd | None:
        """Pre-processing where the engine runs, if it can be; the log says which, and why."""
        try:
            front_end = GpuFrontEnd(engine, rig, PREPROCESS_KERNEL)
        except EnvironmentProblem as problem:
            self.get_logger().info(f"images are prepared on the CPU: {problem}")
            return None
        self.get_logger().info("images are prepared on the GPU, in the engine's own input")
        return front_end

    def _step(self, stamp_ns: int, values: dict[str, Any]) -> None:
        frames: frame_set.FrameSet = values["frames"]
        if tuple(name for name, _ in frames) != self._names:
            raise InputError(f"frame set has cameras {[n for n, _ in frames]}, the rig has {list(self._names)}")
        images = [self._reader.view(descriptor) for _, descriptor in frames]
        perception = self._perceiver(images, stamp_ns, values["ego"])
        if not all(self._reader.valid(descriptor) for _, descriptor in frames):
            raise InputError("an image was overwritten while it was looked at: the vision group is too slow")
        tracks = self._tracker.update(perception, values["ego"])
        # what planning waits for first
        self._free.publish(messages.to_occupancy(stamp_ns, perception.ground))
        self._lanes.publish(messages.to_markings(stamp_ns, perception.markings))
        self._tracks.publish(tracks_to_bytes(stamp_ns, tracks))
        self._detections.publish(messages.to_detections(stamp_ns, perception.objects))
