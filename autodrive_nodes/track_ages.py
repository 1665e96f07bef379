"""How long tracks have been heard of: Autoware's messages do not say it, and no flicker is worth a brake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from autodrive.scene import Forecast, TrackedObject
from autodrive_nodes.message_parts import serialized, stamp_of
from autodrive_nodes.object_bytes import forecasts_from_bytes, tracks_from_bytes


class TrackAges:
    """Reads tracks or forecasts and fills in their ages; a track that misses a message begins anew."""

    def __init__(self) -> None:
        self._since_ns: dict[int, int] = {}

    @serialized
    def tracks(self, data: bytes) -> tuple[TrackedObject, ...]:
        """Tracks in map. Raises InputError."""
        return self._aged(stamp_of(data), tracks_from_bytes(data))

    @serialized
    def forecasts(self, data: bytes) -> tuple[Forecast, ...]:
        """Forecasts in map. Raises InputError."""
        found = forecasts_from_bytes(data)
        aged = self._aged(stamp_of(data), [forecast.track for forecast in found])
        return tuple(replace(forecast, track=track) for forecast, track in zip(found, aged, strict=True))

    def _aged(self, stamp_ns: int, tracks: Iterable[TrackedObject]) -> tuple[TrackedObject, ...]:
        tracks = tuple(tracks)
        self._since_ns = {t.track_id: self._since_ns.get(t.track_id, stamp_ns) for t in tracks}
        return tuple(replace(t, age_s=max(stamp_ns - self._since_ns[t.track_id], 0) * 1e-9) for t in tracks)
