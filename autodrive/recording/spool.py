"""Between those who record and a disk that may be slow: a bounded queue and the thread that writes.

``put`` never waits. What does not fit is lost, counted by topic, and said by whoever asks ``lost``.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from rosbags.interfaces import Connection

from autodrive.errors import EnvironmentProblem
from autodrive.recording.bag_writer import BagWriter

BUDGET_BYTES = 256 * 1024**2  # four seconds of eight raw cameras 640x400 at 10 Hz
FLUSH_S = 0.4  # a killed recorder loses at most this and what was waiting
WAKE_S = 0.1
WAKE_BYTES = 4 * 1024**2  # so much is written at once: what waits is what a kill loses

Message = tuple[str, int, bytes]  # topic, time of recording [ns], CDR


class Spool:
    """Writes the bag that ``open_bag`` begins, on a thread of its own; flushes and closes it.

    ``head`` is written first, and taken item by item. It is in memory anyway and so does not count against the budget,
    which is only for what comes later.
    """

    def __init__(
        self, open_bag: Callable[[], BagWriter], budget_bytes: int = BUDGET_BYTES, head: Iterable[Message] = ()
    ) -> None:
        self._open_bag, self._budget = open_bag, budget_bytes
        self._head: Iterator[Message] = iter(head)
        self._waiting: deque[Message] = deque()
        self._declared: deque[Connection] = deque()
        self._bytes = 0
        self._change = threading.Condition()
        self._ending = False
        self.lost: Counter[str] = Counter()  # messages by topic
        self.problem = ""  # why writing ended, "" while it goes on
        self._thread = threading.Thread(target=self._run, name="bag", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the bag is finished, or was given up."""
        return not self._thread.is_alive()

    def declare(self, connection: Connection) -> None:
        """Announce a topic that the bag does not know yet; its messages follow."""
        with self._change:
            self._declared.append(connection)

    def put(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Take one message, or count it as lost."""
        with self._change:
            if self.problem or self._ending or self._bytes + len(data) > self._budget:
                self.lost[topic] += 1
                return
            self._waiting.append((topic, stamp_ns, data))
            self._bytes += len(data)
            if self._bytes > WAKE_BYTES:
                self._change.notify()

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
        bag: BagWriter | None = None
        try:
            bag = self._open_bag()
            self._write(bag)
        except EnvironmentProblem as error:
            self._give_up(str(error), bag)
        except Exception as error:
            self._give_up(f"defect: {error!r}", bag)
            raise

    def _write(self, bag: BagWriter) -> None:
        flushed = time.monotonic()
        while not self._ending:
            self._drain(bag, most=WAKE_BYTES)  # what is with the kernel survives a kill, if not a power cut
            if time.monotonic() - flushed >= FLUSH_S:
                bag.flush()
                flushed = time.monotonic()
            with self._change:
                self._change.wait_for(lambda: self._ending or self._bytes > WAKE_BYTES, WAKE_S)
        self._drain(bag)
        bag.close()

    def _drain(self, bag: BagWriter, most: float = math.inf) -> None:
        """Write the head and what waits, or ``most`` bytes of that."""
        for message in self._head:
            self._declare(bag)
            self._write_of_head(bag, message)
        while self._waiting and most > 0:
            self._declare(bag)
            topic, stamp_ns, data = self._waiting[0]
            bag.write(topic, stamp_ns, data)
            with self._change:  # only now: what is being written still takes memory
                self._waiting.popleft()
                self._bytes -= len(data)
            most -= len(data)

    def _write_of_head(self, bag: BagWriter, message: Message) -> None:
        try:
            bag.write(*message)
        except Exception:  # it is taken from the head already
            self._head = chain((message,), self._head)
            raise

    def _declare(self, bag: BagWriter) -> None:
        while self._declared:
            bag.declare(self._declared.popleft())

    def _give_up(self, why: str, bag: BagWriter | None) -> None:
        """What was taken and is not safe on the disk is lost too."""
        with self._change:
            self.problem = why
            self.lost.update(topic for topic, _, _ in chain(self._head, self._waiting))
            if bag is not None:
                self.lost.update(bag.unsafe)
            self._waiting.clear()
            self._bytes = 0
