"""Where a camera's images come from: one interface for recordings and devices, and the words that name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autodrive.camera.devices import GSTREAMER, V4L2, Device
from autodrive.camera.frame import Frame
from autodrive.camera.recordings import ImageFolder, VideoFile
from autodrive.errors import ConfigError
from autodrive.rig import Camera

KINDS = "video:FILE, folder:DIR, v4l2:/dev/videoN, gstreamer:PIPELINE"


class Source(Protocol):
    """A stream of frames.

    A recording knows ``first_ns``, the stamp of its first frame; for a device it is None. ``resumes``: a read that
    failed may be followed by one that does not.
    """

    first_ns: int | None
    resumes: bool

    def read(self) -> Frame | None:
        """The next frame, None at the end of a recording; raises InputError when there is none but should be."""

    def close(self) -> None:
        """Release the device or the file."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What stamps of devices are made with: wall clock and monotonic clock [ns]."""

    now_ns: Callable[[], int]
    monotonic_ns: Callable[[], int]


def open_source(word: str, camera: Camera, rate_hz: float, clocks: Clocks) -> Source:
    """The source that "kind:where" names; ``rate_hz`` is what a device is asked for and a folder without stamps has.

    Raises ConfigError for an unknown kind, InputError when it cannot be opened.
    """
    kind, colon, where = word.partition(":")
    if not (colon and where):
        raise ConfigError(f"camera {camera.name!r}: source {word!r} must be one of {KINDS}")
    if kind == "video":
        return VideoFile(Path(where))
    if kind == "folder":
        return ImageFolder(Path(where), rate_hz)
    if kind in (V4L2, GSTREAMER):
        return Device(kind, where, camera, rate_hz, clocks.now_ns, clocks.monotonic_ns)
    raise ConfigError(f"camera {camera.name!r}: source kind {kind!r} is unknown; use one of {KINDS}")
