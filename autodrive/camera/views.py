"""Views of a calibration board in a folder of images or a video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.camera.boards import Charuco, Chessboard, View
from autodrive.camera.calibrate import is_new
from autodrive.camera.recordings import ImageFolder, VideoFile
from autodrive.errors import InputError

MOST_VIEWS = 80


@dataclass(frozen=True)
class Views:
    """Views at different places, of how many ``images``, and the RGB image of the first of them."""

    views: tuple[View, ...]
    images: int
    example: NDArray[np.uint8]


def find_views(path: Path, board: Chessboard | Charuco) -> Views:
    """Look for ``board`` in every image; raises InputError when it is nowhere or the images differ in size."""
    source = ImageFolder(path, 1.0) if path.is_dir() else VideoFile(path)
    views, images, example = list[View](), 0, None
    size: tuple[int, ...] | None = None
    while len(views) < MOST_VIEWS and (frame := source.read()) is not None:
        images += 1
        size = size or frame.image.shape
        if frame.image.shape != size:
            raise InputError(f"{path}: image {images} is of another size than those before: one camera at a time")
        view = board.find(f"image {images}", np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8))
        if view is not None and is_new(view, views, size[1]):
            views.append(view)
            example = frame.image if example is None else example
    source.close()
    if example is None:
        raise InputError(f"{path}: the board is in none of {images} images; check --board (inner corners, sizes)")
    return Views(tuple(views), images, example)
