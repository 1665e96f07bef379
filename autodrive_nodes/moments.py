"""Keeps the seconds around what the triggers find worth keeping, each in a bag of its own below OUT/moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rosbags.interfaces import Connection

from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.memory import Memory
from autodrive.recording.spool import Spool
from autodrive.recording.triggers import Observation, Trigger
from autodrive_nodes.trigger_inputs import TriggerInputs

AFTER_NS = 5_000_000_000
LONGEST_NS = 60_000_000_000  # of what comes after the first trigger


class Moments:
    """Fed with every recorded message; ``open_bag`` begins the bag of a moment, in the thread that writes it.

    A trigger that fires while a moment is kept lengthens it, up to a minute. ``lost`` counts what moments lack, by
    topic, ``problems`` are why some ended early.
    """

    def __init__(self, folder: Path, triggers: list[Trigger], open_bag: Callable[[Path], BagWriter]) -> None:
        self._folder, self._triggers, self._open_bag = folder, triggers, open_bag
        self._memory, self._inputs = Memory(), TriggerInputs()
        self._spool: Spool | None = None
        self._began_ns = self._until_ns = 0
        self._ending: dict[Path, Spool] = {}  # full, but not all on the disk yet
        self._path = folder
        self.lost: Counter[str] = Counter()
        self.problems: list[str] = []

    def put(self, name: str, stamp_ns: int, data: bytes) -> str:
        """Take one message; the name of the trigger that it fired, or ""."""
        self._memory.put(name, stamp_ns, data)
        if self._spool is not None:
            self._spool.put(name, stamp_ns, data)
            if not self._began_ns <= stamp_ns <= self._until_ns:
                self._end()
        return self._judge(self._inputs.observe(name, stamp_ns, data))

    def declare(self, connection: Connection) -> None:
        """Announce a topic that came while a moment is kept."""
        if self._spool is not None:
            self._spool.declare(connection)

    def press(self, stamp_ns: int) -> str:
        """Somebody asks to keep this moment; the name of the trigger, "" while one is being kept."""
        fired = self._judge(Observation(stamp_ns, pressed=True))
        self._judge(Observation(stamp_ns, pressed=False))
        return fired

    def look_after(self) -> None:
        """Forget bags that are finished, and remember what they lack."""
        for path, spool in list(self._ending.items()):
            if spool.done:
                del self._ending[path]
                self.lost.update(spool.lost)
                self.problems += [f"moment {path.name}: {spool.problem}"] if spool.problem else []

    def close(self) -> None:
        """Finish all bags; waits for the disk."""
        self._end()
        for spool in self._ending.values():
            spool.close()
        self.look_after()

    def _judge(self, seen: Observation | None) -> str:
        fired = [trigger.name for trigger in self._triggers if trigger.fires(seen)] if seen is not None else []
        if seen is None or not fired:
            return ""
        if self._spool is not None:
            self._until_ns = min(seen.stamp_ns + AFTER_NS, self._began_ns + LONGEST_NS)
            return ""
        self._began_ns, self._until_ns = seen.stamp_ns, seen.stamp_ns + AFTER_NS
        self._path = path = self._folder / f"{fired[0]}_{seen.stamp_ns * 1e-9:.1f}s"
        self._spool = Spool(lambda: self._open_bag(path), head=self._memory.all())
        return fired[0]

    def _end(self) -> None:
        """Let the thread of a full moment end by itself: what hears the graph does not wait for the disk."""
        if self._spool is not None:
            self._spool.end()
            self._ending[self._path] = self._spool
            self._spool = None
