"""Composes one frame of drive.mp4: the cameras on the left, the bird's-eye view on the right, the state on top."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.body import WalkCommand
from autodrive.rig import Camera, Rig, tilted
from autodrive.scene import (
    Command,
    DetectedObject,
    EgoState,
    Forecast,
    GroundGrid,
    GroundMarkings,
    TrackedObject,
    Trajectory,
)
from autodrive.tasks.wish import TaskState
from autodrive.viz import camera_view, colors
from autodrive.viz.birds_eye import BirdsEye

WIDTH, HEIGHT, HEADER = 1280, 720, 80
BODY = HEIGHT - HEADER
LEFT = WIDTH - BODY
FEW = 4  # so many cameras or fewer: the first is shown large, and a panel for words fits beside the last
Tile = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True, slots=True)
class Said:
    """What a robot last said of its instruction; ``mentions`` are phrases and the tracks that they mean."""

    instruction: str
    state: str
    says: str
    mentions: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class DriveView:
    """What is known at one stamp; everything but the images may be missing: not yet there, or not of this body."""

    stamp_ns: int
    images: tuple[NDArray[np.uint8], ...]
    ego: EgoState | None = None
    tracks: tuple[TrackedObject, ...] = ()
    detections: tuple[DetectedObject, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    free: GroundGrid | None = None
    markings: GroundMarkings | None = None
    trajectory: Trajectory | None = None
    command: Command | None = None
    route: NDArray[np.float64] | None = None
    walk: WalkCommand | None = None
    task: TaskState | None = None
    said: Said | None = None

    @property
    def targets(self) -> frozenset[int]:
        """Tracks that the body works at or goes to."""
        return frozenset() if self.task is None else self.task.near


def compose(view: DriveView, rig: Rig, title: str, footprint: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return the RGB frame (HEIGHT, WIDTH, 3); ``footprint`` is front, rear overhang and width of the ego in metres."""
    canvas = colors.blank(HEIGHT, WIDTH, colors.PANEL)
    canvas[HEADER:, :LEFT] = _cameras(view, rig, footprint[2])
    canvas[HEADER:, LEFT:] = _birds_eye(view, rig, footprint)
    _header(canvas, view, title)
    if view.said is not None and len(rig.cameras) <= FEW:
        _words(canvas, view, view.said, title)
    return canvas


def _tiles(count: int) -> list[Tile]:
    """Where each camera's picture goes, below the header."""
    if 1 < count <= FEW:
        half, quarter = BODY // 2, BODY // 4
        rest = [((k % 2) * LEFT // 2, half + (k // 2) * quarter, LEFT // 2, quarter) for k in range(count - 1)]
        return [(0, 0, LEFT, half), *rest]
    columns = 2 if count > 1 else 1
    width, height = LEFT // columns, BODY // -(-count // columns)
    return [((k % columns) * width, (k // columns) * height, width, height) for k in range(count)]


def _cameras(view: DriveView, rig: Rig, width_m: float) -> NDArray[np.uint8]:
    mosaic = colors.blank(BODY, LEFT, colors.BACKGROUND)
    ego = view.ego
    seen = rig if ego is None else tilted(rig, ego.roll, ego.pitch, ego.rise)
    for camera, image, (x, y, width, height) in zip(seen.cameras, view.images, _tiles(len(rig.cameras)), strict=True):
        zoom = min(width / camera.width, height / camera.height)
        camera = _scaled(camera, zoom)
        size = camera.width, camera.height
        picture = np.array(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        if ego is not None:
            base_from_map = ego.pose.inverse()
            if view.trajectory is not None and camera.rotation[0, 2] > 0.8:
                camera_view.draw_plan(picture, camera, view.trajectory, base_from_map, 0.45 * width_m)
            camera_view.draw_boxes(picture, camera, view.tracks, base_from_map, view.targets)
        if not view.tracks:  # one frame alone confirms no track: show what it was made of
            camera_view.draw_boxes(picture, camera, view.detections)
        left, top = x + (width - size[0]) // 2, y + (height - size[1]) // 2
        mosaic[top : top + size[1], left : left + size[0]] = picture
        _text(mosaic, camera.name, (x + 6, y + 16), 0.42, colors.TEXT)
    return mosaic


def _scaled(camera: Camera, zoom: float) -> Camera:
    """The camera whose pictures are ``zoom`` times as large."""
    width, height = int(camera.width * zoom), int(camera.height * zoom)
    return replace(camera, width=width, height=height, K=np.diag([zoom, zoom, 1.0]) @ camera.K)


def _birds_eye(view: DriveView, rig: Rig, footprint: tuple[float, float, float]) -> NDArray[np.uint8]:
    canvas = BirdsEye(rig.extent, BODY)
    if view.free is not None:
        canvas.ground(view.free)
    if view.markings is not None:
        canvas.markings(view.markings)
    if view.ego is not None:
        base_from_map = view.ego.pose.inverse()
        if view.route is not None:
            canvas.route(view.route, base_from_map)
        canvas.forecasts(view.forecasts, base_from_map)
        canvas.objects(view.tracks, base_from_map, view.targets)
        if not view.tracks:
            canvas.objects(view.detections)
        if view.trajectory is not None:
            canvas.plan(view.trajectory, base_from_map)
        goal = None if view.task is None else view.task.dock or view.task.goal
        if goal is not None:
            canvas.goal(base_from_map @ goal)
    canvas.ego(*footprint)
    return canvas.image


def _header(canvas: NDArray[np.uint8], view: DriveView, title: str) -> None:
    said = view.said
    first = title if said is None or not said.instruction else f'"{said.instruction}"'
    _text(canvas, textwrap.shorten(first, 60, placeholder=' ..."'), (16, 30), 0.6, colors.TEXT)
    _text(canvas, f"t = {view.stamp_ns / 1e9:6.1f} s", (16, 60), 0.55, colors.MUTED)
    if view.ego is not None:
        speed = f"{view.ego.speed * 3.6:4.0f} km/h" if view.walk is None else f"{view.ego.speed:4.2f} m/s"
        _text(canvas, speed, (180, 60), 0.55, colors.TEXT)
    if view.command is not None:
        text = f"steer {np.degrees(view.command.steering):+5.1f} deg   accel {view.command.acceleration:+4.1f} m/s2"
        _text(canvas, text, (300, 60), 0.55, colors.MUTED)
    if view.walk is not None:
        w = view.walk
        _text(canvas, f"walk {w.vx:+.2f} {w.vy:+.2f} m/s  turn {w.yaw_rate:+.2f} rad/s", (300, 60), 0.55, colors.MUTED)
    if view.trajectory is not None:
        color = colors.WARNING if view.trajectory.fallback else colors.PLAN
        _text(canvas, view.trajectory.reason, (LEFT + 16, 30), 0.6, color)
    counted = f"{len(view.tracks)} objects tracked"
    phase = "" if view.task is None else f"{view.task.phase}   "
    _text(canvas, phase + counted, (LEFT + 16, 60), 0.55, colors.MUTED)


def _words(canvas: NDArray[np.uint8], view: DriveView, said: Said, title: str) -> None:
    """What was understood, in the place where a grid of few cameras is empty."""
    x, y = LEFT // 2 + 12, HEADER + 3 * BODY // 4 + 24
    color = colors.WARNING if said.state in ("failed", "refused") else colors.PLAN
    lines = [(line, color) for line in textwrap.wrap(f"{said.state}: {said.says}", 36)[:3]]
    for phrase, ids in said.mentions:
        lines.append((f"{phrase} = {', '.join(map(str, ids))}", colors.TARGET))
    if view.task is not None and view.task.arms.kind != "rest":
        lines.append((f"arms: {view.task.arms.kind}", colors.TEXT))
    for k, (line, shade) in enumerate(lines[:6]):
        _text(canvas, line, (x, y + 20 * k), 0.46, shade)
    _text(canvas, title, (x, HEIGHT - 10), 0.4, colors.MUTED)


def _text(image: NDArray[np.uint8], text: str, at: tuple[int, int], size: float, color: colors.Color) -> None:
    plain = text.encode("ascii", "replace").decode()  # OpenCV's letters
    shadow = (at[0] + 1, at[1] + 1)
    cv2.putText(image, plain, shadow, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(image, plain, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)
