"""Writes H.264 video frame by frame; the file appears under its name only when it is complete."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray


class VideoWriter:
    """A context manager that encodes RGB frames (H, W, 3) uint8, H and W even, at a fixed rate."""

    def __init__(self, path: Path, width: int, height: int, rate_hz: int) -> None:
        self.path = path
        self.frames = 0
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._container = av.open(str(self._partial), mode="w")
        self._stream = self._container.add_stream("libx264", rate=Fraction(rate_hz))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = {"preset": "ultrafast", "crf": "24", "threads": "1"}

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame."""
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
            self._container.mux(packet)
        self.frames += 1

    def close(self) -> None:
        """Finish the file; one without a single frame is removed."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        if self.frames:
            os.replace(self._partial, self.path)
        else:
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
