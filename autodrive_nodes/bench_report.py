"""Runs every benchmark of this repository, each beside its peer, and writes one page of figures."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import EnvironmentProblem
from autodrive.files import write_atomic
from autodrive_nodes.paths import DEFAULT_ENGINE, SHARE

Rows = list[dict[str, Any]]
INT8 = DEFAULT_ENGINE.with_suffix(".int8.yaml")
HEAD = """# Performance

Written by `make bench`: every benchmark here, each beside its peer in the same run. Machines are shared and noisy:
trust the ratios, and read the load before any figure in ms. [gpu_report.md](gpu_report.md) has what a GPU does.
"""


@dataclass(frozen=True)
class Section:
    """One benchmark: the ``autodrive`` arguments that run it, and how its JSON becomes rows of a table."""

    title: str
    arguments: tuple[str, ...]
    rows: Callable[[Any], Rows]
    note: str


def _preprocess(result: dict[str, float]) -> Rows:
    ours = result["autodrive"]
    names = {
        "autodrive": "autodrive",
        "undistort_resize": "cv2.undistort, resize, normalise",
        "stored_maps_resize": "cv2.remap with stored maps, resize, normalise",
    }
    return [{"way": names[k], "ms per set": round(v, 1), "ratio": round(v / ours, 2)} for k, v in result.items()]


def _transport(result: dict[str, dict[str, float]]) -> Rows:
    (ring, ours), (plain, theirs) = result.items()
    return [{"": key.replace("_", " "), ring: f"{ours[key]:.4g}", plain: f"{theirs[key]:.4g}"} for key in ours]


def _record(result: dict[str, dict[str, float]]) -> Rows:
    return [
        {"": f"{part}: {key}", "measured": f"{v:.4g}"} for part, found in result.items() for key, v in found.items()
    ]


def _kill(result: dict[str, float]) -> Rows:
    return [{"": key, "measured": f"{value:.4g}"} for key, value in result.items()]


def _engines(result: Rows) -> Rows:
    return [{"network": r["file"], "runtime": r["runtime"], "ms": r["ms"], "x torch": r["times_torch"]} for r in result]


def _drive(result: dict[str, Any]) -> Rows:
    rate = result["frames"] / result["wall_seconds"]
    head = [{"from the camera stamp to": "frames per second of wall clock", "p50, ms": f"{rate:.1f} Hz", "p99, ms": ""}]
    stages = result["latency_ms"].items()
    return head + [
        {"from the camera stamp to": k, "p50, ms": round(v["p50"], 1), "p99, ms": round(v["p99"], 1)} for k, v in stages
    ]


def _sections(out: Path) -> tuple[Section, ...]:
    engine = ("engine", "bench", "--beside", str(INT8), "--cameras", "8", "--json")
    return (
        Section(
            "Camera images to the network's input",
            ("bench", "preprocess", "--json"),
            _preprocess,
            "8 images of 1280x960 with lens distortion, median.",
        ),
        Section(
            "Images from one process to another",
            ("bench", "transport", "--json"),
            _transport,
            "8 cameras, 1280x960 rgb8, 36 Hz, one reader: the shared-memory ring beside plain rclpy over Fast DDS.",
        ),
        Section(
            "The recorder",
            ("bench", "record", "--json"),
            _record,
            "Load: 8 raw cameras 640x400 (noisy, hardly compressible) at 10 Hz and a car's topics, by the wall clock. "
            "Drive: as many in lockstep; the recorder records and does not, in turns of 3 simulated seconds.",
        ),
        Section(
            "A recorder that is killed",
            ("bench", "kill", "--times", "6", "--json"),
            _kill,
            "The same load; SIGKILL after 1 to 4 s, then `autodrive bag repair`. A frame of the load is 0.1 s.",
        ),
        *(
            Section(f"The network, 8 cameras, {n}", (*engine, "--threads", n[0]), _engines, "Median, runs in turns.")
            for n in ("1 thread", "2 threads")
        ),
        Section(
            "One tick of the car, in lockstep",
            ("run", "car", "--seed", "101", "--duration", "20", "--out", str(out / "car"), "--json"),
            _drive,
            "8 cameras, town and traffic, recording and video beside it; no peer: the sum of all that runs.",
        ),
        Section(
            "One tick of the humanoid, in lockstep",
            (
                *("run", "humanoid", "--seed", "111", "--say", "go to the green box"),
                *("--out", str(out / "humanoid"), "--json"),
            ),
            _drive,
            "4 cameras, hall with people, recording and video beside it.",
        ),
    )


def write_performance(page: Path) -> Path:
    """Run all benchmarks, a quarter of an hour, and write ``page``; raises EnvironmentProblem when one fails."""
    parts = [HEAD, f"- machine: {_machine()}", f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}"]
    parts.append(f"- load before the first and after the last: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for section in tqdm(_sections(Path(folder)), desc="bench", unit="part"):
            command = shlex.join(("autodrive", *section.arguments)).replace(folder, "out").replace(f"{SHARE}/", "")
            rows = section.rows(_run(section.arguments))
            parts += ["", f"## {section.title}", "", section.note, "", *_table(rows), "", f"    {command}"]
    parts[3] += f", {os.getloadavg()[0]:.1f}"
    write_atomic(page, ("\n".join(parts) + "\n").encode())
    return page


def _run(arguments: Sequence[str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "autodrive_nodes.cli", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EnvironmentProblem(f"autodrive {' '.join(arguments)} failed: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def _table(rows: Rows) -> list[str]:
    names = list(rows[0])
    body = ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *body]


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {model}, {platform.system()} on {platform.machine()}"
