"""What this machine offers: installed versions, and answers of libraries that are asked in a process of their own.

A graphics driver, a CUDA driver or a middleware that is broken can end the process that loads it, so each is asked in a
subprocess with a time limit. Nothing here imports ROS.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROBE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What a probe printed as JSON, or (``value`` is None) the last line of what went wrong."""

    value: Any = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the probe came back with a value."""
        return not self.error


def ask(code: str, timeout_s: float = PROBE_TIMEOUT_S) -> Answer:
    """Run Python ``code`` in a process of its own; its last line of output is the answer, as JSON.

    Crashes, hangs and import errors come back as ``Answer.error``.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Answer(error=f"no answer within {timeout_s:g} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        try:
            return Answer(value=json.loads(lines[-1]))
        except json.JSONDecodeError:
            return Answer(error=f"unreadable answer {lines[-1]!r}")
    complaint = done.stderr.strip().splitlines()
    return Answer(error=complaint[-1] if complaint else f"ended with status {done.returncode}")


def version_of(*distributions: str) -> str | None:
    """Version of the first of these packages that is installed, without its local label (``+cpu``); None if none is."""
    for name in distributions:
        try:
            return importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def is_importable(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(module) is not None


def pinned_versions(requirements: Path) -> dict[str, str]:
    """Package name to pinned version, from a requirements file; empty when there is no such file."""
    if not requirements.is_file():
        return {}
    lines = (line.split("#")[0].strip() for line in requirements.read_text().splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line)


def free_shared_memory() -> int:
    """Bytes free in /dev/shm; 0 where there is none."""
    try:
        status = os.statvfs("/dev/shm")
    except FileNotFoundError:
        return 0
    return status.f_bavail * status.f_frsize
