"""One run of the graph in a process of its own, which can be broken and ended from outside, and what it says."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import IO

from autodrive.errors import AutodriveError, EnvironmentProblem
from autodrive_nodes.container import die_with
from autodrive_nodes.graph import Options
from autodrive_nodes.processes import containers
from autodrive_nodes.ros_domain import claim_domain
from autodrive_nodes.supervisor import run_system

END_TIMEOUT_S = 40.0


class FaultRun:
    """A run under way in ``domain``; a context manager that ends it."""

    def __init__(self, options: Options) -> None:
        self.domain, lock = claim_domain()
        lock.close()  # for the process to claim
        words = {"ROS_DOMAIN_ID": str(self.domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autodrive_nodes.fault_run", options.to_json(), str(os.getpid())],
            env={**os.environ, **words},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # ctrl-C is for the campaign, which ends its runs
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.hung = False
        self.last_words = ""
        assert self.process.stdout is not None and self.process.stderr is not None
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def __enter__(self) -> FaultRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def over(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def lines(self) -> list[str]:
        """What the supervisor of the processes has said since the last call."""
        found = []
        while not self._lines.empty():
            found.append(self._lines.get())
        return found

    def pid_of(self, group: str) -> int:
        """The process that hosts a group now; raises EnvironmentProblem if there is none."""
        found = containers(self.process.pid).get(group)
        if found is None:
            raise EnvironmentProblem(f"the run has no process {group!r} now")
        return found

    def end(self) -> None:
        """End it in order; what does not end in END_TIMEOUT_S is killed with all its processes, and ``hung``."""
        if not self.over:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.hung = True
            self.process.kill()  # its processes die with it
            self.process.wait()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if text := line.strip():
                self.last_words = text
                self._lines.put(text)


def main() -> int:
    """Run the system that the first argument describes, until the process that the second one names is gone."""
    die_with(int(sys.argv[2]))
    try:
        run_system(Options.from_json(sys.argv[1]), lambda progress: None)
    except AutodriveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f"{json.dumps('the run came to its end')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
