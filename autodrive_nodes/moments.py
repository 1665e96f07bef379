"""Keeps the seconds around what the triggers find worth keeping, each in a bag of its own below OUT/moments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message

from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.spool import Spool
from autodrive.recording.triggers import Observation, Ring, Trigger
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import message_type

AFTER_NS = 5_000_000_000


class Moments:
    """Fed with every recorded message; ``open_bag`` begins the bag of a moment."""

    def __init__(self, folder: Path, triggers: list[Trigger], open_bag: Callable[[Path], BagWriter]) -> None:
        self._folder, self._triggers, self._open_bag = folder, triggers, open_bag
        self._ring = Ring()
        self._spool: Spool | None = None
        self._until_ns = 0
        self._finished: list[Spool] = []
        self._wanted_mps2: float | None = None

    def put(self, name: str, stamp_ns: int, data: bytes) -> str:
        """Take one message; the name of the trigger that it fired, or ""."""
        if self._spool is not None:
            self._spool.put(name, stamp_ns, data)
            if stamp_ns > self._until_ns:
                self._end()
        else:
            self._ring.put(name, stamp_ns, data)
        return self._judge(self._observe(name, stamp_ns, data))

    def press(self, stamp_ns: int) -> str:
        """Somebody asks to keep this moment; the name of the trigger, "" while one is being kept."""
        fired = self._judge(Observation(stamp_ns, pressed=True))
        self._judge(Observation(stamp_ns, pressed=False))
        return fired

    def close(self) -> None:
        """Finish all bags; waits for the disk."""
        self._end()
        for spool in self._finished:
            spool.close()

    def _judge(self, seen: Observation | None) -> str:
        if seen is None:
            return ""
        fired = [trigger.name for trigger in self._triggers if trigger.fires(seen)]
        if not fired or self._spool is not None:
            return ""
        self._until_ns = seen.stamp_ns + AFTER_NS
        path = self._folder / f"{fired[0]}_{seen.stamp_ns * 1e-9:.1f}s"
        self._spool = Spool(self._open_bag(path))
        for name, stamp_ns, data in self._ring.take():
            self._spool.put(name, stamp_ns, data)
        return fired[0]

    def _end(self) -> None:
        """Let the thread of a full moment end by itself: what hears the graph does not wait for the disk."""
        if self._spool is not None:
            self._spool.end()
            self._finished.append(self._spool)
            self._spool = None

    def _observe(self, name: str, stamp_ns: int, data: bytes) -> Observation | None:
        """What one message tells the triggers."""
        if name == contracts.ODOMETRY.name:
            return Observation(stamp_ns, speed_mps=messages.from_odometry(_decoded(contracts.ODOMETRY, data)).speed)
        if name == contracts.CONTROL.name:
            self._wanted_mps2 = messages.from_control(_decoded(contracts.CONTROL, data)).acceleration
            return None
        if name == contracts.COMMAND.name:
            allowed = messages.from_control(_decoded(contracts.COMMAND, data)).acceleration
            return Observation(stamp_ns, wanted_mps2=self._wanted_mps2, allowed_mps2=allowed)
        if name == contracts.TRACKS.name:
            scores = [track.score for track in tracks_from_bytes(data)]
            return Observation(stamp_ns, best_score=max(scores, default=1.0))
        return None


def _decoded(topic: Topic, data: bytes) -> Any:
    return deserialize_message(data, message_type(topic.type))
