"""Composes one frame of drive.mp4: the cameras on the left, the bird's-eye view on the right, the state on top."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.rig import Rig
from autodrive.scene import Command, EgoState, Forecast, GroundGrid, GroundMarkings, TrackedObject, Trajectory
from autodrive.viz import camera_view, colors
from autodrive.viz.birds_eye import BirdsEye

WIDTH, HEIGHT, HEADER = 1280, 720, 80
BODY = HEIGHT - HEADER


@dataclass(frozen=True)
class DriveView:
    """What is known at one stamp; everything but the images may still be missing."""

    stamp_ns: int
    images: tuple[NDArray[np.uint8], ...]
    ego: EgoState | None
    tracks: tuple[TrackedObject, ...]
    forecasts: tuple[Forecast, ...]
    free: GroundGrid | None
    markings: GroundMarkings | None
    trajectory: Trajectory | None
    command: Command | None
    route: NDArray[np.float64] | None


def compose(view: DriveView, rig: Rig, title: str, footprint: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return the RGB frame (HEIGHT, WIDTH, 3); ``footprint`` is front, rear overhang and width of the ego in metres."""
    canvas = colors.blank(HEIGHT, WIDTH, colors.PANEL)
    canvas[HEADER:, : WIDTH - BODY] = _cameras(view, rig)
    canvas[HEADER:, WIDTH - BODY :] = _birds_eye(view, rig, footprint)
    _header(canvas, view, title)
    return canvas


def _cameras(view: DriveView, rig: Rig) -> NDArray[np.uint8]:
    columns = 2 if len(rig.cameras) > 1 else 1
    rows = -(-len(rig.cameras) // columns)
    width = WIDTH - BODY
    mosaic = colors.blank(BODY, width, colors.BACKGROUND)
    tile_w, tile_h = width // columns, BODY // rows
    for k, (camera, image) in enumerate(zip(rig.cameras, view.images, strict=True)):
        picture = np.ascontiguousarray(image)
        if view.ego is not None:
            base_from_map = view.ego.pose.inverse()
            if view.trajectory is not None and camera.rotation[0, 2] > 0.8:
                camera_view.draw_plan(picture, camera, view.trajectory, base_from_map)
            camera_view.draw_boxes(picture, camera, view.tracks, base_from_map)
        zoom = min(tile_w / camera.width, tile_h / camera.height)
        size = (int(camera.width * zoom), int(camera.height * zoom))
        tile = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        x = (k % columns) * tile_w + (tile_w - size[0]) // 2
        y = (k // columns) * tile_h + (tile_h - size[1]) // 2
        mosaic[y : y + size[1], x : x + size[0]] = tile
        _text(mosaic, camera.name, (x + 6, y + 16), 0.42, colors.TEXT)
    return mosaic


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
        canvas.objects(view.tracks, base_from_map)
        if view.trajectory is not None:
            canvas.plan(view.trajectory, base_from_map)
    canvas.ego(*footprint)
    return canvas.image


def _header(canvas: NDArray[np.uint8], view: DriveView, title: str) -> None:
    _text(canvas, title, (16, 30), 0.6, colors.TEXT)
    _text(canvas, f"t = {view.stamp_ns / 1e9:6.1f} s", (16, 60), 0.55, colors.MUTED)
    if view.ego is not None:
        _text(canvas, f"{view.ego.speed * 3.6:4.0f} km/h", (180, 60), 0.55, colors.TEXT)
    if view.command is not None:
        text = f"steer {np.degrees(view.command.steering):+5.1f} deg   accel {view.command.acceleration:+4.1f} m/s2"
        _text(canvas, text, (300, 60), 0.55, colors.MUTED)
    if view.trajectory is not None:
        color = colors.WARNING if view.trajectory.fallback else colors.PLAN
        _text(canvas, view.trajectory.reason, (WIDTH - BODY + 16, 30), 0.6, color)
    _text(canvas, f"{len(view.tracks)} objects tracked", (WIDTH - BODY + 16, 60), 0.55, colors.MUTED)


def _text(image: NDArray[np.uint8], text: str, at: tuple[int, int], size: float, color: colors.Color) -> None:
    shadow = (at[0] + 1, at[1] + 1)
    cv2.putText(image, text, shadow, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)
