"""Runs of the whole graph in processes of their own, as a user starts them; also what such a process executes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autodrive.errors import AutodriveError
from autodrive_nodes.graph import Options

REPOSITORY = Path(__file__).resolve().parents[1]


class Run:
    """A run under way; ``environment`` overrides variables, None removes one."""

    def __init__(self, options: Options, **environment: str | None) -> None:
        inherited = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
        self.process = subprocess.Popen(
            [sys.executable, __file__, options.to_json()],
            env={name: value for name, value in inherited.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, timeout_s: float = 240.0) -> dict[str, Any]:
        """What the run reports; fails with its message if it did not come to its end."""
        output, errors = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, errors
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found

    def error(self, timeout_s: float = 240.0) -> str:
        """The one message of a run that must fail."""
        _, errors = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 1, errors
        return errors

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()  # its children die with it
        self.process.wait()


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """The first true value of a condition; fails after the time limit."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: did not happen within {timeout_s:.0f} s"
        time.sleep(0.05)
    return value


def main() -> int:
    """Run the system that the first argument describes; progress and result are lines of JSON."""
    from autodrive_nodes.supervisor import run_system

    try:
        result = run_system(
            Options.from_json(sys.argv[1]), lambda progress: print(json.dumps({"progress": progress}), flush=True)
        )
    except AutodriveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
