"""Measures pre-processing of camera images beside what one writes with plain OpenCV calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import Preprocessor

LENS = (-0.25, 0.08, 0.001, -0.0005, -0.01)  # plumb_bob, of a common wide lens


def measure(rig: Rig, width: int, height: int, repeats: int) -> dict[str, float]:
    """Median ms per frame set of the rig with cameras of that size; the ways take turns, so that load meets all."""
    rig = replace(rig, cameras=tuple(_real(camera, width, height) for camera in rig.cameras))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in rig.cameras]
    undistort = [partial(cv2.undistort, cameraMatrix=c.K, distCoeffs=c.distortion) for c in rig.cameras]
    remap = [_stored_remap(camera) for camera in rig.cameras]
    preprocess = Preprocessor(rig)
    ways: dict[str, Callable[[], Any]] = {
        "autodrive": lambda: preprocess(images),
        "undistort_resize": lambda: _plain(images, undistort),
        "stored_maps_resize": lambda: _plain(images, remap),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_:  # the first warms up
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(values)) for name, values in times.items()}


def _real(camera: Camera, width: int, height: int) -> Camera:
    focal = camera.K[0, 0] * width / camera.width
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return replace(camera, width=width, height=height, K=K, distortion=np.array(LENS), model="plumb_bob")


def _stored_remap(camera: Camera) -> Callable[[Any], Any]:
    size = camera.width, camera.height
    x, y = cv2.initUndistortRectifyMap(camera.K, camera.distortion, np.eye(3), camera.K, size, cv2.CV_16SC2)
    return partial(cv2.remap, map1=x, map2=y, interpolation=cv2.INTER_LINEAR)


def _plain(images: list[NDArray[np.uint8]], straighteners: list[Any]) -> NDArray[np.float32]:
    out = np.zeros((len(images), 3, NETWORK_HEIGHT, NETWORK_WIDTH), np.float32)
    for target, image, straighten in zip(out, images, straighteners, strict=True):
        rows = image.shape[0] * NETWORK_WIDTH // image.shape[1]
        small = cv2.resize(straighten(image), (NETWORK_WIDTH, rows), interpolation=cv2.INTER_AREA)[-NETWORK_HEIGHT:]
        target[:, -len(small) :] = ((small.astype(np.float32) - PIXEL_MEAN) / PIXEL_STD).transpose(2, 0, 1)
    return out
