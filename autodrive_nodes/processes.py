"""The processes of a running graph: one per group, their lines of output, their logs, and their ordered end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from autodrive_nodes.container import ALIVE
from autodrive_nodes.graph import RECORDING, SAFETY, Options

STOP_TIMEOUT_S = 10.0
RECORDING_TIMEOUT_S = 60.0  # it may still have to draw what it has heard


def containers(supervisor: int) -> dict[str, int]:
    """Group -> pid of the containers that the process ``supervisor`` has started and that are there now."""
    found = {}
    with suppress(psutil.Error):
        for process in psutil.Process(supervisor).children():
            with suppress(psutil.Error):  # it ended meanwhile
                words = process.cmdline()
                if "--group" in words:
                    found[words[words.index("--group") + 1]] = process.pid
    return found


class Processes:
    """Starts groups; ``lines`` has what they say, as (group, line), and (group, None) when one has ended."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self.lines: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.logs = logs
        # Python's allocator and BLAS threads must not fight over the few cores that the stages share
        quiet = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self._environment = {**os.environ, **quiet, **environment}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._alive_s: dict[str, float] = {}

    def start(self, group: str, options: Options) -> None:
        """Start a group, again if it has ended; its log goes on."""
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
        log = self.log(group).open("a" if group in self._processes else "w")
        self._processes[group] = process
        self._alive_s[group] = time.monotonic()
        threading.Thread(target=self._read, args=(group, process, log), daemon=True).start()

    def log(self, group: str) -> Path:
        """Where a group's output is kept."""
        return self.logs / f"{group}.log"

    def _read(self, group: str, process: subprocess.Popen[str], log: IO[str]) -> None:
        assert process.stdout is not None
        with log:
            for line in process.stdout:
                if line.startswith(ALIVE):
                    self._alive_s[group] = time.monotonic()
                    continue
                log.write(line)
                log.flush()
                self.lines.put((group, line.rstrip("\n")))
        self.lines.put((group, None))

    def hung(self, longer_than_s: float) -> list[str]:
        """Groups that run and have given no sign of life for a while."""
        late = time.monotonic() - longer_than_s
        return [g for g, p in self._processes.items() if p.poll() is None and self._alive_s[g] < late]

    def how_it_ended(self, group: str) -> str:
        """One line about a group that has ended."""
        status = self._processes[group].wait()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        text = self.log(group).read_text(errors="replace").strip().splitlines()
        last = f"; its last words: {text[-1]}" if text else ""
        return f"process {group!r} {how}{last}; see {self.log(group)}"

    def complaint(self) -> str:
        """The last error that any group has logged, else where to look."""
        complaints = []
        for group in self._processes:
            text = self.log(group).read_text(errors="replace").strip().splitlines()
            complaints += [line for line in text if "[ERROR]" in line][-1:]
        return complaints[-1] if complaints else f"see the logs in {self.logs}"

    def kill(self, group: str) -> None:
        """SIGKILL, which also ends what does not answer."""
        self._signal(group, signal.SIGKILL)

    def stop(self) -> None:
        """End all: the safety gate after those that it watches, then the recording, so that it keeps everything."""
        last = [group for group in (SAFETY, RECORDING) if group in self._processes]
        others = [group for group in self._processes if group not in last]
        for groups in (others, *([group] for group in last)):
            for group in groups:
                self._signal(group, signal.SIGINT)
            deadline = time.monotonic() + (RECORDING_TIMEOUT_S if groups == [RECORDING] else STOP_TIMEOUT_S)
            for group in groups:
                self._wait(group, deadline)

    def _wait(self, group: str, deadline: float) -> None:
        try:
            self._processes[group].wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self.kill(group)
            self._processes[group].wait()

    def _signal(self, group: str, number: int) -> None:
        if self._processes[group].poll() is None:
            self._processes[group].send_signal(number)
