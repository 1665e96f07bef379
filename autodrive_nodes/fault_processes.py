"""Faults that are made from outside the graph: to processes, files, shared memory and the machine.

Each function makes one and returns what ends it. What a restart brings back needs no end.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from autodrive.files import write_atomic
from autodrive.inference.manifest import load_manifest
from autodrive.transport.ring import segments_of
from autodrive_nodes.fault_run import FaultRun

Ending = Callable[[], None]
FILE_BYTES = 4096
DAMAGED_BYTES = 4096


def copy_engine(manifest: Path, folder: Path) -> Path:
    """A network of one's own to damage, with all that belongs to it; returns its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in manifest.parent.glob(f"{manifest.stem}*"):
        if path.is_file():
            shutil.copy2(path, folder / path.name)
    shutil.copy2(manifest.parent / load_manifest(manifest).file, folder)
    return folder / manifest.name


def kill(run: FaultRun, group: str) -> Ending:
    """SIGKILL."""
    os.kill(run.pid_of(group), signal.SIGKILL)
    return _nothing


def hang(run: FaultRun, group: str) -> Ending:
    """SIGSTOP; it ends with SIGCONT, if the process is still there."""
    pid = run.pid_of(group)
    os.kill(pid, signal.SIGSTOP)
    return lambda: _signal(pid, signal.SIGCONT)


def delete_engine(run: FaultRun, group: str, manifest: Path) -> Ending:
    """The network's file is gone when the process that had loaded it has to start again."""
    file = manifest.parent / load_manifest(manifest).file
    content = file.read_bytes()
    file.unlink()
    kill(run, group)
    return lambda: write_atomic(file, content)


def corrupt_engine(run: FaultRun, group: str, manifest: Path) -> Ending:
    """Some bytes in the middle of the network's file are others when the process has to start again."""
    file = manifest.parent / load_manifest(manifest).file
    content = file.read_bytes()
    middle = len(content) // 2
    damaged = bytes(byte ^ 0xFF for byte in content[middle : middle + DAMAGED_BYTES])
    # at once: a process that starts meanwhile must not read half of it
    write_atomic(file, content[:middle] + damaged + content[middle + DAMAGED_BYTES :])
    kill(run, group)
    return lambda: write_atomic(file, content)


def press_memory(run: FaultRun, group: str) -> Ending:
    """The process gets no more address space than it has."""
    pid = run.pid_of(group)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return _limit(pid, resource.RLIMIT_AS, pages * resource.getpagesize())


def fill_disk(run: FaultRun, group: str) -> Ending:
    """No file of the process can grow: every write behind the first bytes fails, as on a full disk."""
    return _limit(run.pid_of(group), resource.RLIMIT_FSIZE, FILE_BYTES)


def unlink_shared_memory(run: FaultRun, groups: tuple[str, ...]) -> Ending:
    """The names of the image rings are gone; who has mapped them keeps them, who comes later finds none."""
    for group in groups:
        for path in segments_of(run.pid_of(group)):
            path.unlink(missing_ok=True)
    return _nothing


def load_machine() -> Ending:
    """As many busy processes as there are cores, besides the graph: together they ask for twice what there is."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
        for _ in range(os.cpu_count() or 1)
    ]

    def end() -> None:
        for process in busy:
            process.kill()
            process.wait()

    return end


def _nothing() -> None:
    return None


def _limit(pid: int, kind: int, most: int) -> Ending:
    _, hard = resource.prlimit(pid, kind)
    before = resource.prlimit(pid, kind, (most, hard))

    def end() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, kind, before)

    return end


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
