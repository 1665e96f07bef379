"""``autodrive run car``: drive once, watch it live, and keep everything that happened."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError
from autodrive.files import write_json
from autodrive.report import build_report, drive_table
from autodrive.sim.town import shipped_towns
from autodrive_nodes.paths import DEFAULT_ENGINE


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("run", help="drive in simulation over the real ROS graph")
    bodies = parser.add_subparsers(dest="body", required=True, metavar="BODY")
    car = bodies.add_parser("car", help="the eight-camera car in a town")
    add_drive_options(car)
    car.add_argument("--seed", type=int, default=1, help="episode: route, traffic, colours and light (default 1)")
    car.add_argument("--out", type=Path, default=Path("out/run"), help="folder for the results (default out/run)")
    car.set_defaults(run=run)


def add_drive_options(parser: argparse.ArgumentParser) -> None:
    """Options that a single drive and an evaluation share."""
    parser.add_argument("--town", default="summit", help=f"{', '.join(shipped_towns())} or a folder of your own")
    parser.add_argument("--duration", type=float, default=60.0, help="simulated seconds (default 60)")
    parser.add_argument("--mode", choices=("lockstep", "realtime"), default="lockstep")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network to drive with")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Drive once and print the table or the JSON."""
    report = drive(args, args.seed, args.out)
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(drive_table(report) + f"\n\n  results in {args.out}/\n")
    return 0


def drive(args: argparse.Namespace, seed: int, out: Path) -> dict[str, Any]:
    """One drive: starts the graph, follows it to its end, writes and returns the report.

    Raises AutodriveError if the graph did not come up or broke; then no report is written.
    """
    from autodrive.inference.manifest import load_manifest
    from autodrive_nodes.graph import Options
    from autodrive_nodes.supervisor import run_system

    if not 0 < args.duration < math.inf:
        raise AutodriveError(f"--duration must be a positive number of seconds, got {args.duration}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").unlink(missing_ok=True)
    except OSError as error:
        raise AutodriveError(f"--out {out}: {error.strerror}; choose a folder that you may write to") from error
    manifest = load_manifest(args.engine)
    started = time.monotonic()
    with tqdm(total=args.duration, unit="s", desc=f"{args.town} seed {seed}", disable=None, leave=False) as bar:
        bar.bar_format = (
            "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.0f} s simulated, {rate_fmt}, ETA {remaining} {postfix}"
        )

        def show(progress: dict[str, Any]) -> None:
            bar.update(progress["sim_seconds"] - bar.n)
            bar.set_postfix_str(f"route {progress['route_completion'] * 100:.0f} %, {progress['speed'] * 3.6:.0f} km/h")

        options = Options(
            system="car",
            town=args.town,
            seed=seed,
            duration_s=args.duration,
            mode=args.mode,
            out=str(out.resolve()),
            engine=str(args.engine.resolve()),
        )
        result = run_system(options, show)
    report = build_report(
        body="car",
        seed=seed,
        town=args.town,
        mode=args.mode,
        wall_seconds=time.monotonic() - started,
        engine={"file": manifest.file, "sha256": manifest.sha256, "runtime": "onnxruntime"},
        result=result,
    )
    write_json(out / "report.json", report)
    _write_summary(out, report)
    return report


def _write_summary(out: Path, report: dict[str, Any]) -> None:
    from autodrive.viz.summary import read_drive, write_summary

    write_summary(out / "summary.png", report, read_drive(out / "bag"))
