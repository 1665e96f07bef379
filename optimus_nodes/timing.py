"""The two clocks of the humanoid: cameras and thinking at 10 Hz, the body's own control at 50 Hz."""

from __future__ import annotations

FRAME_NS = 100_000_000
TICK_NS = 20_000_000


def frame_of(stamp_ns: int) -> int:
    """Stamp of the camera frame whose commands hold at a tick."""
    return stamp_ns // FRAME_NS * FRAME_NS


def is_frame(stamp_ns: int) -> bool:
    """Whether cameras are exposed at this tick."""
    return stamp_ns % FRAME_NS == 0
