"""Cameras that are there: Video4Linux devices and GStreamer pipelines, through OpenCV.

Not run with a camera, for lack of one: only the refusals of this file are tested, and its arithmetic of stamps.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from autodrive.camera.frame import Frame
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.rig import Camera

V4L2, GSTREAMER = "v4l2", "gstreamer"
_BACKENDS = {V4L2: cv2.CAP_V4L2, GSTREAMER: cv2.CAP_GSTREAMER}
OLDEST_BUFFER_NS = 1_000_000_000  # a driver's stamp older than that is of another clock


class Device:
    """Asks for the size of the rig file and ``rate_hz`` (0: as the driver likes), and takes what the driver gives."""

    first_ns: int | None = None
    resumes = False

    def __init__(
        self,
        kind: str,
        where: str,
        camera: Camera,
        rate_hz: float,
        now_ns: Callable[[], int],
        monotonic_ns: Callable[[], int],
    ) -> None:
        """Raises EnvironmentProblem when this OpenCV cannot, InputError when the camera cannot be opened."""
        backend = _BACKENDS[kind]
        if not cv2.videoio_registry.hasBackend(backend):
            raise EnvironmentProblem(
                f"camera {camera.name!r}: this OpenCV was built without {kind}; the wheel from PyPI has v4l2 only, "
                "so install the distribution's python3-opencv for GStreamer pipelines"
            )
        self._where, self._now_ns, self._monotonic_ns = f"camera {camera.name!r} ({where})", now_ns, monotonic_ns
        self._capture = cv2.VideoCapture()
        wanted = [cv2.CAP_PROP_FRAME_WIDTH, camera.width, cv2.CAP_PROP_FRAME_HEIGHT, camera.height]
        if rate_hz:
            wanted += [cv2.CAP_PROP_FPS, round(rate_hz)]
        if not self._capture.open(where, backend, wanted if kind == V4L2 else []):
            raise InputError(f"{self._where} does not open: is it plugged in, free, and readable for this user?")

    def read(self) -> Frame:
        """The next image; raises InputError when the camera stopped sending."""
        ok, bgr = self._capture.read()
        if not ok:
            raise InputError(f"{self._where} stopped sending images")
        buffer_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        stamp_ns = exposure_ns(buffer_ms, self._monotonic_ns(), self._now_ns())
        return Frame(stamp_ns, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def exposure_ns(buffer_ms: float, monotonic_ns: int, now_ns: int) -> int:
    """When an image was taken, by the wall clock that says ``now_ns``.

    Drivers stamp buffers by the monotonic clock; a stamp that cannot be of it counts as now, when the image came.
    """
    age_ns = monotonic_ns - round(buffer_ms * 1e6) if np.isfinite(buffer_ms) and buffer_ms > 0 else 0
    return now_ns - age_ns if 0 <= age_ns <= OLDEST_BUFFER_NS else now_ns
