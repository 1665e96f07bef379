"""Plays the cameras of a rig: a thread for each waits for its images and gives them on with their exposure stamps.

Recordings keep their own distances in time and start together; a device that falls silent is tried again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from autodrive.camera.frame import Frame
from autodrive.camera.source import Source
from autodrive.errors import AutodriveError, InputError

RETRY_S = 1.0
APART_NS = 3600 * 1_000_000_000
Deliver = Callable[[str, Frame], None]
Complain = Callable[[str, str], None]


class CameraFeed:
    """``deliver(camera, frame)`` and ``complain(camera, text)`` are called in the thread of that camera.

    ``reopen(camera)`` opens a device again and may raise; ``now_ns`` is the clock of the stamps. Raises
    InputError for recordings that begin more than an hour apart: their stamps are not of one clock.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        reopen: Callable[[str], Source],
        deliver: Deliver,
        complain: Complain,
        now_ns: Callable[[], int],
    ) -> None:
        self._sources, self._reopen = dict(sources), reopen
        self._deliver, self._complain, self._now_ns = deliver, complain, now_ns
        self._stop = threading.Event()
        firsts = [s.first_ns for s in self._sources.values() if s.first_ns is not None]
        self._origin_ns = min(firsts, default=0)
        if firsts and max(firsts) - self._origin_ns > APART_NS:
            begins = {name: source.first_ns for name, source in self._sources.items()}
            raise InputError(f"the recordings are not of one time: their first stamps are {begins} ns")
        self._threads = [threading.Thread(target=self._run, args=(name,), daemon=True) for name in self._sources]

    def start(self) -> None:
        """Begin; recordings count from now."""
        self._start_ns = self._now_ns()
        for thread in self._threads:
            thread.start()

    @property
    def playing(self) -> bool:
        """Whether any camera may still deliver: devices always, recordings until their end."""
        return any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End all threads, which release their sources; a device that hangs in its driver is left behind."""
        self._stop.set()
        for name, thread in zip(self._sources, self._threads, strict=True):
            if thread.ident is None:
                self._sources[name].close()
            else:
                thread.join(timeout=2 * RETRY_S)

    def _run(self, name: str) -> None:
        source: Source | None = self._sources[name]
        while not self._stop.is_set():
            if source is None:
                source = self._opened_again(name)
            elif source.first_ns is not None:
                if not self._play_one(name, source):
                    break
            elif not self._take_one(name, source):
                source.close()
                source = None
        if source is not None:
            source.close()

    def _opened_again(self, name: str) -> Source | None:
        if self._stop.wait(RETRY_S):
            return None
        try:
            return self._reopen(name)
        except AutodriveError as error:
            self._complain(name, str(error))
            return None

    def _play_one(self, name: str, source: Source) -> bool:
        """One frame of a recording at its time; False at the end. A damaged image is told and passed over."""
        try:
            frame = source.read()
        except AutodriveError as error:
            self._complain(name, str(error))
            return source.resumes
        if frame is None:
            return False
        due_ns = self._start_ns + frame.stamp_ns - self._origin_ns
        if self._stop.wait(max(0.0, (due_ns - self._now_ns()) / 1e9)):
            return False
        self._deliver(name, Frame(due_ns, frame.image))
        return True

    def _take_one(self, name: str, source: Source) -> bool:
        """One image of a device as soon as it comes; False when the device stopped."""
        try:
            frame = source.read()
        except AutodriveError as error:
            self._complain(name, str(error))
            return False
        if frame is not None:
            self._deliver(name, frame)
        return frame is not None
