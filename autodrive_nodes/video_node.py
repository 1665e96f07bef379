"""Draws what a body saw and decided into drive.mp4, one video frame per frame set, and keeps the best as drive.png."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from autodrive.errors import ConfigError, EnvironmentProblem, InputError
from autodrive.files import write_atomic
from autodrive.rig import Camera, load_rig
from autodrive.transport.ring import Descriptor, RingReader
from autodrive.viz.drive_frame import HEIGHT, WIDTH, DriveView, Said, compose
from autodrive.viz.video import VideoWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.video_bodies import VideoBody, said_from_json, video_body

RATE_HZ = 10
FRAME_DEPTH = 10  # fewer than the image rings have slots: older images are gone anyway
MAX_PENDING = 60  # stamps of which parts came but no images
HELD = 3  # frame sets that wait for the rest of their stamp; topics overtake each other a little, not more
MANY_WORDS = 100  # what was said longer ago is not drawn any more


@dataclass
class _Pending:
    """What came for one stamp so far; ``reason`` is the planner's: its text, and whether it is a fallback."""

    images: tuple[NDArray[np.uint8], ...] | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    reason: tuple[str, bool] | None = None

    def complete(self, body: VideoBody) -> bool:
        explained = self.reason is not None or body.planner is None
        return self.images is not None and explained and len(self.parts) == len(body.parts)


class VideoNode(StageNode):
    """Listens only; what it cannot draw in time is left out of the video, never kept waiting in memory.

    ``body`` says what there is to hear and how large the ego is drawn.
    """

    defaults = {"rig": "", "out": "", "title": "", "body": "car"}  # noqa: RUF012

    def setup(self) -> None:
        """Open the video and subscribe."""
        self._rig = load_rig(Path(self.value("rig")))
        if not self.value("out"):
            raise ConfigError("video: parameter out is empty; name the folder for the video")
        self._out = Path(self.value("out"))
        self._body = video_body(self.value("body"))
        self._said: list[tuple[int, Said]] = []  # by the stamp from which it holds
        self._reader = RingReader()
        self._route: NDArray[np.float64] | None = None
        self._pending: dict[int, _Pending] = {}
        self._drawn_ns = -1
        self.dropped = 0
        self._best: tuple[tuple[bool, bool, int], NDArray[np.uint8]] | None = None
        self._video: VideoWriter | None = self._open()
        self.hear(contracts.FRAME_SET, self._on_frames, depth=FRAME_DEPTH)
        self.hear(contracts.ROUTE, self._on_route)
        self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        self.hear(contracts.GROUNDING, self._on_grounding)
        for name, (topic, convert) in self._body.parts.items():
            self.hear(topic, lambda m, n=name, c=convert: self._on_part(n, c, m))  # type: ignore[misc]

    def _open(self) -> VideoWriter:
        cv2.setNumThreads(1)  # the car's own stages need the cores
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            for name in ("drive.mp4", "drive.png"):
                (self._out / name).unlink(missing_ok=True)  # of an older run
            return VideoWriter(self._out / "drive.mp4", WIDTH, HEIGHT, RATE_HZ)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write a video to {self._out}: {error.strerror}") from error

    def shutdown(self) -> None:
        """Draw what is left, finish the video, write the picture."""
        if (video := getattr(self, "_video", None)) is None:
            return
        try:
            for stamp_ns in sorted(self._pending):
                self._draw(stamp_ns)
            self._video = None
            video.close()
            if self._best is not None:
                _, png = cv2.imencode(".png", self._best[1][..., ::-1])
                write_atomic(self._out / "drive.png", png.tobytes())
        except (OSError, EnvironmentProblem) as error:
            self.get_logger().error(f"drive.mp4 could not be finished: {error}")
        self.get_logger().info(f"drive.mp4: {video.frames} frames, {self.dropped} left out")

    def _on_frames(self, message: CompressedImage) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        if (pending := self._at(stamp_ns)) is None:
            return
        descriptors = dict(frame_set.from_message(message))
        images = [self._copy(camera, descriptors.get(camera.name)) for camera in self._rig.cameras]
        if not any(image is not None for image in images):
            return
        black = [np.zeros((c.height, c.width, 3), np.uint8) for c in self._rig.cameras]
        pending.images = tuple(b if i is None else i for i, b in zip(images, black, strict=True))
        self._draw_due(stamp_ns)

    def _copy(self, camera: Camera, descriptor: Descriptor | None) -> NDArray[np.uint8] | None:
        """The image, or None if its slot was reused before or while it was copied."""
        if descriptor is None:
            return None
        try:
            image = self._reader.view(descriptor).copy()
            return image if self._reader.valid(descriptor) else None
        except InputError:
            return None

    def _on_part(self, name: str, convert: Callable[[Any], Any], message: Any) -> None:
        stamp_ns = messages.stamp_of(message)
        if (pending := self._at(stamp_ns)) is not None:
            pending.parts[name] = convert(message)
            self._draw_due(stamp_ns)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        for status in message.status:
            fallback = status.level == DiagnosticStatus.WARN
            if status.name != self._body.planner or not (fallback or status.level == DiagnosticStatus.OK):
                continue
            if (pending := self._at(stamp_ns)) is not None:
                pending.reason = (status.message, fallback)
                self._draw_due(stamp_ns)

    def _on_route(self, message: Any) -> None:
        self._route = messages.path_points(message)

    def _on_grounding(self, message: String) -> None:
        self._said = [*self._said, said_from_json(message.data)][-MANY_WORDS:]

    def _at(self, stamp_ns: int) -> _Pending | None:
        """What is known of a stamp; None if it is already drawn or given up."""
        if stamp_ns <= self._drawn_ns:
            return None
        if len(self._pending) >= MAX_PENDING:
            self._draw(min(self._pending))
        return self._pending.setdefault(stamp_ns, _Pending())

    def _draw_due(self, stamp_ns: int) -> None:
        """Draw a complete stamp and all before it, or the oldest when too many wait."""
        if self._pending[stamp_ns].complete(self._body):
            due = [s for s in self._pending if s <= stamp_ns]
        else:
            waiting = sorted(s for s, pending in self._pending.items() if pending.images is not None)
            due = [s for s in self._pending if s <= waiting[-HELD - 1]] if len(waiting) > HELD else []
        for item in sorted(due):
            self._draw(item)

    def _draw(self, stamp_ns: int) -> None:
        pending = self._pending.pop(stamp_ns)
        self._drawn_ns = max(self._drawn_ns, stamp_ns)
        if pending.images is None or self._video is None:
            self.dropped += "tracks" in pending.parts  # there was a frame set, then
            return
        parts = dict(pending.parts)
        if pending.reason is not None and "trajectory" in parts:
            text, fallback = pending.reason
            parts["trajectory"] = replace(parts["trajectory"], reason=text, fallback=fallback)
        said = next((words for since, words in reversed(self._said) if since <= stamp_ns), None)
        view = DriveView(stamp_ns=stamp_ns, images=pending.images, route=self._route, said=said, **parts)
        frame = compose(view, self._rig, self.value("title"), self._body.footprint)
        self._append(frame)
        moving = view.ego is not None and view.ego.speed > self._body.moving_mps
        rank = (moving, bool(view.targets), len(view.tracks))
        if self._best is None or rank > self._best[0]:
            self._best = (rank, frame)

    def _append(self, frame: NDArray[np.uint8]) -> None:
        assert self._video is not None
        try:
            self._video.write(frame)
        except OSError as error:  # PyAV's errors of the file system are OSErrors
            self._video = None
            raise EnvironmentProblem(f"the video in {self._out} stopped: {error.strerror}; free some space") from error
