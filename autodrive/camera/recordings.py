"""Recorded cameras: video files, whose frames carry their time, and folders of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.camera.frame import Frame
from autodrive.errors import InputError

IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
_STAMP = re.compile(r"(?<!\d)(\d{19}|\d{16})$")  # nanoseconds or microseconds since 1970


class VideoFile:
    """The first video stream of any file that FFmpeg reads; variable frame rates keep their times."""

    resumes = False

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file that is no video."""
        self._path = path
        try:
            self._container = av.open(str(path))
        except (OSError, av.error.FFmpegError) as error:
            raise InputError(f"video {path}: {error.strerror or error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise InputError(f"video {path} has no video stream")
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._frames: Iterator[av.VideoFrame] = self._container.decode(stream)
        try:
            self._ahead = self._next()
        except InputError:
            self.close()
            raise
        if self._ahead is None:
            self.close()
            raise InputError(f"video {path} has no frames")
        self.first_ns: int | None = self._ahead.stamp_ns

    def read(self) -> Frame | None:
        """The next frame; raises InputError where the file is damaged."""
        frame = self._ahead
        self._ahead = self._next() if frame is not None else None
        return frame

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _next(self) -> Frame | None:
        try:
            frame = next(self._frames, None)
        except av.error.FFmpegError as error:
            raise InputError(f"video {self._path} is damaged: {error.strerror}") from error
        if frame is None:
            return None
        if frame.pts is None or frame.time_base is None:
            raise InputError(f"video {self._path}: a frame has no time")
        stamp_ns = round(frame.pts * frame.time_base * 1_000_000_000)
        return Frame(stamp_ns, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))


class ImageFolder:
    """Images in the order of their names; a name that ends in 16 or 19 digits gives its time (us or ns since 1970)."""

    resumes = True

    def __init__(self, folder: Path, rate_hz: float) -> None:
        """Raises InputError for a folder without images, or where only some names give a time or times repeat."""
        try:
            self._paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGES)
        except OSError as error:
            raise InputError(f"image folder {folder}: {error.strerror}") from error
        if not self._paths:
            raise InputError(f"image folder {folder} has no images ({', '.join(sorted(IMAGES))})")
        self._stamps = _stamps(self._paths, folder, rate_hz)
        self._next = 0
        self.first_ns: int | None = self._stamps[0]

    def read(self) -> Frame | None:
        """The next image; raises InputError for a file that is none, and goes on behind it the next time."""
        if self._next == len(self._paths):
            return None
        path, stamp_ns = self._paths[self._next], self._stamps[self._next]
        self._next += 1
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"image {path}: {error.strerror}") from error
        return Frame(stamp_ns, decode_image(data, str(path)))

    def close(self) -> None:
        """Nothing is held."""


def decode_image(data: bytes | memoryview, where: str) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of an encoded image (JPEG by libjpeg-turbo); raises InputError that names ``where``."""
    packed = np.frombuffer(data, np.uint8)
    pixels = cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB) if packed.size else None
    if pixels is None:
        raise InputError(f"{where}: {packed.size} bytes are no image")
    return np.asarray(pixels, np.uint8)


def _stamps(paths: list[Path], folder: Path, rate_hz: float) -> list[int]:
    found = [_STAMP.search(path.stem) for path in paths]
    if not any(found):
        if not rate_hz > 0:
            raise InputError(f"image folder {folder}: the names give no times, so rate_hz must say how fast they came")
        return [round(k * 1e9 / rate_hz) for k in range(len(paths))]
    stamps = [int(m[1]) * (1000 if len(m[1]) == 16 else 1) for m in found if m]
    if len(stamps) < len(paths) or any(b <= a for a, b in pairwise(stamps)):
        raise InputError(f"image folder {folder}: every name must end in a time, in the order of the names")
    return stamps
