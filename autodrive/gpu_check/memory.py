"""The kernel under NVIDIA's compute-sanitizer, which sees reads and writes beyond what was allocated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from autodrive.errors import EnvironmentProblem
from autodrive.gpu_check.kernels import run_all
from autodrive.gpu_check.report import Table
from autodrive.rig import load_rig

TITLE = "Memory accesses of the pre-processing kernel"
TOOL = "compute-sanitizer"
MOST_SECONDS = 300


def check_memory(rig_file: Path, source: Path) -> Table:
    """Every pixel format, lens and size once, in a process of its own; raises EnvironmentProblem when it hangs."""
    if shutil.which(TOOL) is None:
        return Table(TITLE, (), None, (f"{TOOL} is not installed; it comes with the CUDA toolkit.",))
    watched = [sys.executable, "-m", __name__, str(rig_file), str(source)]
    try:
        done = subprocess.run(
            [TOOL, "--tool", "memcheck", "--error-exitcode", "9", *watched],
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(f"{TOOL} did not end within {MOST_SECONDS} s") from error
    said = (done.stdout + done.stderr).strip().splitlines()
    rows = [{"what": line.strip("= ")} for line in said[-(2 if done.returncode == 0 else 20) :]]
    return Table(TITLE, tuple(rows), done.returncode == 0, (f"{TOOL} --tool memcheck, float32.",))


def main(rig_file: Path, source: Path) -> None:
    """What is watched."""
    sys.stdout.write(f"{run_all(load_rig(rig_file), source)} pairs of camera and pixel format\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
