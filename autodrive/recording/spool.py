"""Between those who record and a disk that may be slow: a bounded queue and the thread that writes.

``put`` never waits. What does not fit is lost, counted by topic, and said by whoever asks ``lost``.
"""

from __future__ import annotations

import threading
from collections import Counter, deque

from autodrive.errors import EnvironmentProblem
from autodrive.recording.bag_writer import BagWriter

BUDGET_BYTES = 256 * 1024**2  # four seconds of eight raw cameras 640x400 at 10 Hz
FLUSH_S = 0.5  # a killed recorder loses at most this and what was waiting


class Spool:
    """Owns ``bag`` from now on: writes it on a thread of its own, flushes it twice a second, and closes it."""

    def __init__(self, bag: BagWriter, budget_bytes: int = BUDGET_BYTES) -> None:
        self.bag, self._budget = bag, budget_bytes
        self._waiting: deque[tuple[str, int, bytes]] = deque()
        self._bytes = 0
        self._change = threading.Condition()
        self._ending = False
        self.lost: Counter[str] = Counter()  # messages by topic
        self.problem = ""  # why writing ended, "" while it goes on
        self._thread = threading.Thread(target=self._run, name="bag", daemon=True)
        self._thread.start()

    def put(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Take one message, or count it as lost."""
        with self._change:
            if self.problem or self._ending or self._bytes + len(data) > self._budget:
                self.lost[topic] += 1
                return
            self._waiting.append((topic, stamp_ns, data))
            self._bytes += len(data)

    def end(self) -> None:
        """Take nothing more; what waits is written and the bag finished meanwhile."""
        with self._change:
            self._ending = True
            self._change.notify()

    def close(self) -> None:
        """Write what waits and finish the bag."""
        self.end()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending:
                with self._change:
                    self._change.wait_for(lambda: self._ending, FLUSH_S)
                self._drain()
                self.bag.flush()
            self._drain()
            self.bag.close()
        except EnvironmentProblem as error:
            self.problem = str(error)

    def _drain(self) -> None:
        while self._waiting:
            with self._change:
                topic, stamp_ns, data = self._waiting.popleft()
            self.bag.write(topic, stamp_ns, data)
            with self._change:  # only now: what is being written still takes memory
                self._bytes -= len(data)
