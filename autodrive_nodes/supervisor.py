"""Starts a system where there is no ``ros2 launch``: one process per group, logs, and an ordered end.

The groups and the lifecycle manager are the same processes that the launch files start. Each writes to
OUT/log/GROUP.log; lines that begin with READY, PROGRESS, DONE or FATAL are for us.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autodrive.errors import AutodriveError
from autodrive.transport.ring import remove_stale_segments
from autodrive_nodes.container import MANAGER
from autodrive_nodes.graph import RECORDING, Options, build
from autodrive_nodes.lifecycle_manager import READY
from autodrive_nodes.ros_domain import claim_domain
from autodrive_nodes.stage_node import FATAL_PREFIX

STOP_TIMEOUT_S = 10.0
RECORDING_TIMEOUT_S = 60.0  # it may still have to draw what it has heard
START_TIMEOUT_S = 90.0
STALL_TIMEOUT_S = 120.0  # the scorer notices a silent stage before
LAST_WORDS_S = 2.0
Progress = Callable[[dict[str, Any]], None]


def run_system(options: Options, on_progress: Progress) -> dict[str, Any]:
    """Run a system to its end and return the result that its last node reports.

    Raises AutodriveError with one clear line if the system does not come up, a process dies, or nothing happens for a
    while; KeyboardInterrupt on ctrl-C and SIGTERM. Whatever happens, no process is left behind.
    """
    system = build(options)
    domain, lock = claim_domain()
    logs = Path(options.out or tempfile.mkdtemp(prefix="autodrive-")) / "log"
    logs.mkdir(parents=True, exist_ok=True)
    supervisor = _Supervisor(logs, {"ROS_DOMAIN_ID": str(domain)})
    try:
        interrupts = _Interrupts()
        for group in (*system.groups, MANAGER):
            with interrupts.held():
                supervisor.start(group, options)
        return supervisor.follow(on_progress)
    finally:
        supervisor.stop()
        lock.close()


class _Supervisor:
    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs = logs
        # Python's allocator and BLAS threads must not fight over the few cores that the stages share
        quiet = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self._environment = {**os.environ, **quiet, **environment}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._lines: queue.Queue[tuple[str, str | None]] = queue.Queue()  # None: the process has ended

    def start(self, group: str, options: Options) -> None:
        module = [sys.executable, "-m", "autodrive_nodes.container"]
        process = subprocess.Popen(
            [*module, "--group", group, "--options", options.to_json(), "--parent", str(os.getpid())],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # ctrl-C in a terminal is for us, who end them in order
        )
        self._processes[group] = process
        log = (self._logs / f"{group}.log").open("w")
        threading.Thread(target=self._read, args=(group, process, log), daemon=True).start()

    def _read(self, group: str, process: subprocess.Popen[str], log: IO[str]) -> None:
        assert process.stdout is not None
        with log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                self._lines.put((group, line.rstrip("\n")))
        self._lines.put((group, None))

    def follow(self, on_progress: Progress) -> dict[str, Any]:
        """Read what the processes say until one says DONE."""
        patience = START_TIMEOUT_S
        while True:
            try:
                group, line = self._lines.get(timeout=patience)
            except queue.Empty:
                raise AutodriveError(self._stalled(patience)) from None
            if line is None:
                raise AutodriveError(self._fatal_line() or self._died(group))
            word, _, rest = line.partition(" ")
            if line.startswith(FATAL_PREFIX):
                raise AutodriveError(line.removeprefix(FATAL_PREFIX))
            if word == READY:
                patience = STALL_TIMEOUT_S
            elif word == "PROGRESS":
                on_progress(json.loads(rest))
            elif word == "DONE":
                result: dict[str, Any] = json.loads(rest)
                return result

    def _fatal_line(self) -> str:
        """Why a process ended is often said by another one, whose output may still be on its way."""
        deadline = time.monotonic() + LAST_WORDS_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                _, line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is not None and line.startswith(FATAL_PREFIX):
                return line.removeprefix(FATAL_PREFIX)
        return ""

    def _died(self, group: str) -> str:
        log = self._logs / f"{group}.log"
        status = self._processes[group].wait()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        text = log.read_text(errors="replace").strip().splitlines()
        last = f"; its last words: {text[-1]}" if text else ""
        return f"process {group!r} {how}{last}; see {log}"

    def _stalled(self, patience: float) -> str:
        complaints = []
        for group in self._processes:
            text = (self._logs / f"{group}.log").read_text().strip().splitlines()
            complaints += [line for line in text if "[ERROR]" in line][-1:]
        why = complaints[-1] if complaints else f"see the logs in {self._logs}"
        return f"nothing happened for {patience:.0f} s: a stage does not answer ({why})"

    def stop(self) -> None:
        """End all processes, the recording group last so that it keeps everything."""
        for last in (False, True):
            groups = [group for group in self._processes if (group == RECORDING) == last]
            for group in groups:
                self._signal(group, signal.SIGINT)
            deadline = time.monotonic() + (RECORDING_TIMEOUT_S if last else STOP_TIMEOUT_S)
            for group in groups:
                self._wait(group, deadline)
        remove_stale_segments()

    def _wait(self, group: str, deadline: float) -> None:
        try:
            self._processes[group].wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self._signal(group, signal.SIGKILL)
            self._processes[group].wait()

    def _signal(self, group: str, number: int) -> None:
        if self._processes[group].poll() is None:
            self._processes[group].send_signal(number)


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
