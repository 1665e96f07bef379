"""Runs one drive for hours and looks at its processes once in a while.

One drive, and not one after the other: a process that ends takes its leaks with it. In lockstep, so that another user
of the machine makes the run slower and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from autodrive.soak import Sample
from autodrive.transport.ring import segments_of
from autodrive_nodes.graph import Options
from autodrive_nodes.processes import containers
from autodrive_nodes.supervisor import run_system

MIB = 1024 * 1024
MACHINE = "machine"
_LONGER_THAN_ANY_S = 1e6


class _Over(Exception):
    """The time of the run is over; it is no error."""


def soak(
    options: Options, wall_s: float, every_s: float, show: Callable[[float, dict[str, Any]], None]
) -> list[Sample]:
    """Run ``options`` for ``wall_s`` seconds of wall clock; a sample of every process every ``every_s`` seconds.

    Both count from the first simulated second on: what starting takes says nothing of the run. Raises what
    ``run_system`` raises, and AutodriveError if the drive ends by itself.
    """
    samples: list[Sample] = []
    began: float | None = None
    looked = 0.0
    looks = Looks()

    def on_progress(progress: dict[str, Any]) -> None:
        nonlocal began, looked
        now = time.monotonic()
        if began is None:
            began = looked = now
            return
        show(now - began, progress)
        if now - looked >= every_s:
            looked = now
            samples.extend(looks.take(now - began, progress))
        if now - began >= wall_s:
            raise _Over

    with suppress(_Over, KeyboardInterrupt):  # who has seen enough gets what there is
        run_system(options, on_progress)
    return samples


class Looks:
    """Samples of the running system; remembers how much processor time each process had used by the one before."""

    def __init__(self) -> None:
        self._used: dict[int, float] = {}
        self._frames = 0

    def take(self, wall_s: float, progress: dict[str, Any]) -> list[Sample]:
        """One sample of each process, of each stage's latency, and the load of the machine."""
        found = [Sample(wall_s, MACHINE, {"load": psutil.getloadavg()[0]})]
        frames, self._frames = progress["frames"] - self._frames, progress["frames"]
        for group, pid in containers(os.getpid()).items():
            with suppress(psutil.Error):  # it ended meanwhile
                process = psutil.Process(pid)
                found.append(Sample(wall_s, group, _values(process) | self._processor(process, frames)))
        for stage, latency in progress["latency_ms"].items():
            found.append(Sample(wall_s, stage, {f"{name}_ms": value for name, value in latency.items()}))
        return found

    def _processor(self, process: psutil.Process, frames: int) -> dict[str, float]:
        times = process.cpu_times()
        used = times.user + times.system
        before, self._used[process.pid] = self._used.get(process.pid), used
        return {} if before is None or frames <= 0 else {"cpu_ms": 1e3 * (used - before) / frames}


def _values(process: psutil.Process) -> dict[str, float]:
    memory = process.memory_info()
    values = {
        # what a file backs is shared with other programs, and comes and goes with them
        "memory_mib": (memory.rss - memory.shared) / MIB,
        "descriptors": float(process.num_fds()),
        "threads": float(process.num_threads()),
    }
    rings = sum(path.stat().st_blocks * 512 for path in segments_of(process.pid))
    return values | ({"shared_memory_mib": rings / MIB} if rings else {})
