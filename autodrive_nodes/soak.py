"""Runs one drive for hours and looks at its processes once in a while.

One drive, and not one after the other: a process that ends takes its leaks with it. In lockstep, so that another user
of the machine makes the run slower and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from autodrive.soak import Sample
from autodrive.transport.ring import PREFIX, SHM
from autodrive_nodes.graph import Options
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

    Raises what ``run_system`` raises, and AutodriveError if the drive ends by itself.
    """
    samples: list[Sample] = []
    began = time.monotonic()
    looked = began

    def on_progress(progress: dict[str, Any]) -> None:
        nonlocal looked
        now = time.monotonic()
        show(now - began, progress)
        if now - looked >= every_s:
            looked = now
            samples.extend(look(now - began, progress["latency_ms"]))
        if now - began >= wall_s:
            raise _Over

    with suppress(_Over, KeyboardInterrupt):  # who has seen enough gets what there is
        run_system(options, on_progress)
    return samples


def look(wall_s: float, latency_ms: dict[str, dict[str, float]]) -> list[Sample]:
    """One sample of each process of the running system, of each stage's latency, and the load of the machine."""
    found = [Sample(wall_s, MACHINE, {"load": psutil.getloadavg()[0]})]
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
            if "--group" not in words:
                continue
            values = {
                "memory_mib": _own_memory(process) / MIB,
                "descriptors": float(process.num_fds()),
                "threads": float(process.num_threads()),
            }
        except psutil.Error:  # it ended meanwhile
            continue
        if rings := _rings(process.pid):
            values["shared_memory_mib"] = rings / MIB
        found.append(Sample(wall_s, words[words.index("--group") + 1], values))
    found += [Sample(wall_s, stage, {f"{k}_ms": v for k, v in both.items()}) for stage, both in latency_ms.items()]
    return found


def _own_memory(process: psutil.Process) -> int:
    """Bytes that no file backs: what is shared with other programs comes and goes with them."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def _rings(pid: int) -> int:
    """Bytes of the image rings that a process owns."""
    return sum(path.stat().st_blocks * 512 for path in SHM.glob(f"{PREFIX}-*-{pid}-*"))
