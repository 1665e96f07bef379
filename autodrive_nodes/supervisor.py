"""Starts a system where there is no ``ros2 launch``: one process per group, logs, restarts, and an ordered end.

The groups and the lifecycle manager are the same processes that the launch files start. Each writes to
OUT/log/GROUP.log; lines that begin with READY, PROGRESS, DONE or FATAL are for us.

In lockstep a process that dies ends the run: frames would be lost, and with them the sense of the mode. In realtime the
safety gate stops the body, and what died or hangs is started again, except where that would not be safe: nothing takes
the place of the gate, of the body's own bridge, and of the judge of a simulated run.
"""

from __future__ import annotations

import json
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autodrive.errors import AutodriveError
from autodrive.transport.ring import remove_stale_segments
from autodrive_nodes.container import MANAGER
from autodrive_nodes.graph import Options, build
from autodrive_nodes.lifecycle_manager import READY
from autodrive_nodes.processes import Processes
from autodrive_nodes.restarts import Restarts, ends_the_run, forgiving, starts_again
from autodrive_nodes.ros_domain import claim_domain
from autodrive_nodes.stage_node import FATAL_PREFIX

START_TIMEOUT_S = 90.0
STALL_TIMEOUT_S = 120.0  # the scorer notices a silent stage before
LAST_WORDS_S = 2.0
HANG_S = 10.0
POLL_S = 0.2
Progress = Callable[[dict[str, Any]], None]


def run_system(options: Options, on_progress: Progress) -> dict[str, Any]:
    """Run a system to its end and return the result that its last node reports.

    In realtime ``restarts`` says how often each process was started again, ``lost`` which were not. Raises
    AutodriveError with one clear line if the system does not come up, a process dies that is not started again, or
    nothing happens for a while; KeyboardInterrupt on ctrl-C and SIGTERM. Whatever happens, no process is left behind.
    """
    system = build(options)
    domain, lock = claim_domain()
    logs = Path(options.out or tempfile.mkdtemp(prefix="autodrive-")) / "log"
    logs.mkdir(parents=True, exist_ok=True)
    processes = Processes(logs, {"ROS_DOMAIN_ID": str(domain)})
    try:
        interrupts = _Interrupts()
        for group in (*system.groups, MANAGER):
            with interrupts.held():
                processes.start(group, options)
        return _Supervisor(processes, options).follow(on_progress)
    finally:
        processes.stop()
        remove_stale_segments()
        lock.close()


class _Supervisor:
    """Reads what the processes say until one says DONE."""

    def __init__(self, processes: Processes, options: Options) -> None:
        self._processes, self._options = processes, options
        self._forgiving = forgiving(options)
        self._ready = False
        self._restarts = Restarts()
        self._lost: dict[str, str] = {}

    def follow(self, on_progress: Progress) -> dict[str, Any]:
        heard = time.monotonic()
        while True:
            self._look_after()
            try:
                group, line = self._processes.lines.get(timeout=POLL_S)
            except queue.Empty:
                patience = STALL_TIMEOUT_S if self._ready else START_TIMEOUT_S
                if time.monotonic() - heard > patience:
                    raise AutodriveError(self._stalled(patience)) from None
                continue
            heard = time.monotonic()
            if (result := self._on_line(group, line, on_progress)) is not None:
                return result

    def _on_line(self, group: str, line: str | None, on_progress: Progress) -> dict[str, Any] | None:
        if line is None:
            self._on_end(group)
            return None
        word, _, rest = line.partition(" ")
        if line.startswith(FATAL_PREFIX):
            if not self._may_go_on(group):
                raise AutodriveError(line.removeprefix(FATAL_PREFIX))
            self._say(line.removeprefix(FATAL_PREFIX))
            self._processes.kill(group)
        elif word == READY:
            self._ready = True
        elif word == "PROGRESS":
            on_progress(json.loads(rest))
        elif word == "DONE":
            result: dict[str, Any] = json.loads(rest)
            return {**result, "restarts": self._restarts.count, "lost": self._lost} if self._forgiving else result
        return None

    def _may_go_on(self, group: str) -> bool:
        return self._ready and not ends_the_run(self._options, group)

    def _on_end(self, group: str) -> None:
        if not self._may_go_on(group):
            raise AutodriveError(self._fatal_line() or self._processes.how_it_ended(group))
        how = self._processes.how_it_ended(group)
        if not starts_again(self._options, group):
            self._give_up(group, f"{how}; without it the body stands, and it is not started again")
        elif (delay_s := self._restarts.died(group, time.monotonic())) is None:
            self._give_up(group, f"{how}; it died too often and is not started again")
        else:
            self._say(f"{how}; it is started again in {delay_s:.1f} s")

    def _give_up(self, group: str, text: str) -> None:
        self._lost[group] = text
        self._say(text)

    def _look_after(self) -> None:
        """Start what is due, kill what hangs: its end is then noticed like any other."""
        if not (self._forgiving and self._ready):
            return
        for group in self._restarts.take_due(time.monotonic()):
            self._processes.start(group, self._options)
        for group in self._processes.hung(HANG_S):
            self._say(f"process {group!r} gives no sign of life for {HANG_S:.0f} s and is killed")
            self._processes.kill(group)

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        with (self._processes.logs / "supervisor.log").open("a") as log:
            log.write(f"{text}\n")

    def _fatal_line(self) -> str:
        """Why a process ended is often said by another one, whose output may still be on its way."""
        deadline = time.monotonic() + LAST_WORDS_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                _, line = self._processes.lines.get(timeout=left)
            except queue.Empty:
                break
            if line is not None and line.startswith(FATAL_PREFIX):
                return line.removeprefix(FATAL_PREFIX)
        return ""

    def _stalled(self, patience: float) -> str:
        return f"nothing happened for {patience:.0f} s: a stage does not answer ({self._processes.complaint()})"


class _Interrupts:
    """SIGINT and SIGTERM become KeyboardInterrupt, but later while held: a process half started would be lost."""

    def __init__(self) -> None:
        self._held = self._came = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        self._came = True
        if not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait with an interrupt until the block is done."""
        self._held = True
        yield
        self._held = False
        if self._came:
            raise KeyboardInterrupt
