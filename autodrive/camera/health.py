"""What is wrong with a camera: from when its images were exposed, when they came, and a glance at them.

Times are arguments, all of one clock.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import ConfigError

WINDOW = 50  # frames
STEP = 16  # every so many pixels of a row and rows are looked at
THUMBNAIL = (10, 5)  # width, height
GRAIN_ROWS = 12  # and every pixel of so many rows, for noise
DARK, BRIGHT = 8, 247  # grey levels at which a pixel says no more than "black" or "white"


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What a camera must keep to be healthy.

    ``rate_hz``: of the camera, 0 when it is not known; ``latency_s``: from exposure to arrival, 0 when the stamps are
    not of the clock of the arrivals; ``lost_s``: so long without an image is a lost camera; ``frozen``: so many equal
    images in a row stand still, 0 where equal images are natural (a rendered world has no noise); ``clipped``: share of
    black or of white pixels above which the exposure is out of range; ``blind``: share above which there is nothing to
    be seen, ``grain``: noise in grey levels above which nothing can be made out (0: neither is judged).
    """

    rate_hz: float = 0.0
    latency_s: float = 0.0
    lost_s: float = 1.0
    frozen: int = 0
    clipped: float = 0.9
    blind: float = 0.0
    grain: float = 0.0

    def __post_init__(self) -> None:
        """Raises ConfigError for limits that no camera could keep."""
        if not (self.rate_hz >= 0 and self.latency_s >= 0 and self.lost_s > 0 and self.frozen >= 0):
            raise ConfigError(f"camera limits must not be negative, and lost_s must be positive: {self}")
        if not (0 <= self.blind <= 1 and self.grain >= 0):
            raise ConfigError(f"blind must be in 0..1, grain not negative: {self}")
        if self.frozen == 1 or not 0 < self.clipped <= 1:
            raise ConfigError(f"frozen must be 0 or at least 2, clipped in 0..1: {self}")


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of an image.

    A hash of the pixels looked at, the shares of black and of white ones, grey levels of the image made small, and the
    ``grain``: how much [grey levels] half of the pixels at least differ from the line through their row's neighbours.
    """

    digest: int
    black: float
    white: float
    thumbnail: NDArray[np.float32]
    grain: float


@dataclass(frozen=True, slots=True)
class Health:
    """One camera's state: the worst finding, all findings as text, and figures for /diagnostics."""

    level: Level
    text: str
    values: dict[str, float]


def look(image: NDArray[np.uint8]) -> Look:
    """A glance at an image (H, W, 3): every STEP-th pixel, and some rows."""
    pixels = np.ascontiguousarray(image[STEP // 2 :: STEP, STEP // 2 :: STEP])
    black, white = (float(np.mean(side)) for side in ((pixels <= DARK).all(-1), (pixels >= BRIGHT).all(-1)))
    return Look(zlib.crc32(pixels.data), black, white, _thumbnail(image), _grain(image))


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of areas: a body that sways changes them little, another view much."""
    step = max(image.shape[1] // 320, 1)
    small = cv2.resize(np.ascontiguousarray(image[::step, ::step]), THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(THUMBNAIL[1], THUMBNAIL[0], -1).mean(-1)


def _grain(image: NDArray[np.uint8]) -> float:
    """Edges are rare in a row of pixels, noise is in all of them: the median sees the one and not the other."""
    step = max(image.shape[0] // GRAIN_ROWS, 1)
    rows = image[step // 2 :: step, :, 1].astype(np.int16)
    if rows.shape[0] == 0 or rows.shape[1] < 3:
        return 0.0
    return float(np.median(np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])))


class CameraHealth:
    """Remembers the last WINDOW frames of one camera."""

    def __init__(self, limits: HealthLimits, now_ns: int) -> None:
        self._limits = limits
        self._stamps: deque[int] = deque(maxlen=WINDOW)
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._arrival_ns = now_ns  # of the last image; a camera that never sent one is lost from the start on
        self._look: Look | None = None
        self._equal = 1
        self._refused: str | None = None
        self.frames = self.dropped = self.refused = self.lost = 0

    def frame(self, stamp_ns: int, arrival_ns: int, glance: Look) -> None:
        """An image came. After a gap of ``lost_s`` the camera was lost and is back: its rate is measured anew."""
        if arrival_ns - self._arrival_ns > self._limits.lost_s * 1e9 and self._stamps:
            self.lost += 1
            self._stamps.clear()
            self._latencies.clear()
        self.dropped += self._missing_before(stamp_ns)
        self._equal = self._equal + 1 if self._look is not None and glance.digest == self._look.digest else 1
        self._look, self._arrival_ns, self._refused = glance, arrival_ns, None
        self._stamps.append(stamp_ns)
        self._latencies.append((arrival_ns - stamp_ns) / 1e9)
        self.frames += 1

    def refuse(self, why: str) -> None:
        """An image came that cannot be used (its size, its bytes)."""
        self.refused += 1
        self._refused = why

    def state(self, now_ns: int) -> Health:
        """What to say of the camera now."""
        findings = [*self._errors(now_ns), *self._warnings()]
        level = max((level for level, _ in findings), default=Level.OK)
        values = {"frames": float(self.frames), "dropped": float(self.dropped), "lost": float(self.lost)}
        values |= {"refused": float(self.refused), "equal": float(self._equal), "rate_hz": round(self.rate_hz(), 2)}
        if self._limits.latency_s and self._latencies:
            values["latency_ms"] = round(1e3 * float(np.median(self._latencies)), 2)
            values["latency_max_ms"] = round(1e3 * max(self._latencies), 2)
        if self._look is not None:
            values |= {"black": round(self._look.black, 3), "white": round(self._look.white, 3)}
            values["grain"] = round(self._look.grain, 1)
        return Health(level, "; ".join(text for _, text in findings) or "delivers", values)

    def fault(self, now_ns: int) -> str | None:
        """Why the camera must not be used now, None if it may."""
        return "; ".join(text for _, text in self._errors(now_ns)) or None

    def rate_hz(self) -> float:
        """Of the exposures in the window; 0 until there are two."""
        if len(self._stamps) < 2 or self._stamps[-1] <= self._stamps[0]:
            return 0.0
        return (len(self._stamps) - 1) / ((self._stamps[-1] - self._stamps[0]) / 1e9)

    def _missing_before(self, stamp_ns: int) -> int:
        """How many exposures the gap before this one swallowed, by the rate given or the usual distance so far."""
        if not self._stamps:
            return 0
        if self._limits.rate_hz:
            period = 1e9 / self._limits.rate_hz
        elif len(self._stamps) > 3:
            period = float(np.median(np.diff(self._stamps)))
        else:
            return 0
        return max(0, round((stamp_ns - self._stamps[-1]) / period) - 1) if period > 0 else 0

    def _errors(self, now_ns: int) -> list[tuple[Level, str]]:
        found = []
        silent_s = (now_ns - self._arrival_ns) / 1e9
        if silent_s > self._limits.lost_s:
            found.append(f"no image for {silent_s:.1f} s")
        if self._refused is not None:
            found.append(self._refused)
        if self._limits.frozen and self._equal >= self._limits.frozen:
            found.append("frozen: its images are equal")
        if self._look is not None:
            found += self._blindness(self._look)
        return [(Level.ERROR, text) for text in found]

    def _blindness(self, glance: Look) -> list[str]:
        limits, found = self._limits, []
        share, what = max((glance.black, "black"), (glance.white, "white"))
        if limits.blind and share >= limits.blind:
            found.append(f"blind: {100 * share:.0f} % of the image is {what}")
        if limits.grain and glance.grain > limits.grain:
            found.append(f"noisy: half of its pixels are off by {glance.grain:.0f} grey levels")
        return found

    def _warnings(self) -> list[tuple[Level, str]]:
        limits, found = self._limits, []
        if limits.rate_hz and len(self._stamps) > 4 and self.rate_hz() < 0.9 * limits.rate_hz:
            found.append(f"{self.rate_hz():.1f} images per second instead of {limits.rate_hz:g}")
        if limits.latency_s and self._latencies and max(self._latencies) > limits.latency_s:
            found.append(f"images come up to {max(self._latencies) * 1e3:.0f} ms after their exposure")
        if limits.latency_s and self._latencies and min(self._latencies) < -0.001:
            found.append("stamps lie in the future: the camera's clock is not this machine's")
        if self._look is not None and max(self._look.black, self._look.white) > limits.clipped:
            share, what = max((self._look.black, "black"), (self._look.white, "white"))
            found.append(f"exposure out of range: {100 * share:.0f} % of the image is {what}")
        return [(Level.WARN, text) for text in found]
