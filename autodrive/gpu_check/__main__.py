"""Run every check in turn; a part that fails is reported and the others still run."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from autodrive.errors import AutodriveError
from autodrive.gpu_check import engines, kernels, memory
from autodrive.gpu_check.frames import ensure_frames
from autodrive.gpu_check.report import Table, failed, write_report
from autodrive.inference.cuda_driver import Device, find_device
from autodrive.inference.manifest import load_manifest
from autodrive.rig import load_rig

ROOT = Path(__file__).resolve().parents[2]
RIGS = ("car", "humanoid")
KERNEL = ROOT / "engines" / "kernels" / "preprocess.cu"
THREADS = 4


def main() -> int:
    """Returns 0 when all passed, 1 when something failed, 2 without a GPU or a network: nothing was checked then."""
    parser = argparse.ArgumentParser(prog="python -m autodrive.gpu_check", description=__doc__)
    parser.add_argument("--engine", type=Path, default=ROOT / "engines" / "vision.yaml")
    parser.add_argument("--frames", type=Path, help="folder with car/ and humanoid/ of samples (default: made in OUT)")
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu_report.md and gpu_report.json")
    args = parser.parse_args()
    try:
        device = find_device()
        about = _what(args.engine)
    except AutodriveError as problem:
        sys.stderr.write(f"gpu-check: {problem}; nothing was checked and no figure is given\n")
        return 2
    heading = {"card": f"{device.name}, capability {device.capability}", **_versions(), **about}
    tables = _run_parts(device, args.engine, args.frames or args.out / "frames", args.out, heading)
    sys.stdout.write((args.out / "gpu_report.md").read_text())
    return int(any(table.passed is False for table in tables))


def _run_parts(device: Device, engine: Path, frames: Path, out: Path, heading: dict[str, str]) -> list[Table]:
    rig_files = [ROOT / "config" / "rigs" / f"{name}.yaml" for name in RIGS]
    rigs = [load_rig(file) for file in rig_files]
    tables: list[Table] = []

    def part(title: str, work: Callable[[], Table]) -> None:
        begin = time.perf_counter()
        try:
            tables.append(work())
        except Exception as error:  # whatever goes wrong on somebody's card belongs into the report
            tables.append(failed(title, error))
        sys.stderr.write(f"{title}: {tables[-1].verdict()} in {time.perf_counter() - begin:.1f} s\n")
        write_report(out, heading, tables)

    part("Pre-processing kernel against OpenCV", lambda: kernels.check_against_opencv(rigs[0], KERNEL))
    part(memory.TITLE, lambda: memory.check_memory(rig_files[0], KERNEL))
    part("Throughput of the pre-processing kernel", lambda: kernels.measure_throughput(rigs[0], KERNEL))
    try:
        loaded = engines.load_all(engine, device, THREADS, out / "engines")
    except Exception as error:
        tables.append(failed("Loading the runtimes", error))
        write_report(out, heading, tables)
        return tables
    part("Runtimes against onnxruntime", lambda: engines.check_parity(loaded, rigs, ensure_frames(frames, RIGS)))
    part("Latency of the network", lambda: engines.measure_latency(loaded.engines))
    part("Whole chain, images to objects", lambda: engines.measure_chain(loaded.engines, rigs[0], KERNEL))
    part("Page-locked images to outputs", lambda: engines.measure_device_path(loaded.engines, rigs[0], KERNEL))
    return tables


def _what(engine: Path) -> dict[str, str]:
    return {
        "network": load_manifest(engine).sha256,
        "command": " ".join(("python -m autodrive.gpu_check", *sys.argv[1:])),
    }


def _versions() -> dict[str, str]:
    import torch

    return {
        "driver": _first_line("nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"),
        "nvcc": _last_line("nvcc", "--version"),
        "torch": torch.__version__,
        "python": f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _first_line(*command: str) -> str:
    return (_lines(*command) or ["unknown"])[0]


def _last_line(*command: str) -> str:
    return (_lines(*command) or ["unknown"])[-1]


def _lines(*command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        return ["not installed"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().splitlines()


if __name__ == "__main__":
    sys.exit(main())
