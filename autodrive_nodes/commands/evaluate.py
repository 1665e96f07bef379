"""``autodrive evaluate car`` and ``autodrive evaluate perception``: figures over many drives and many frames."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError
from autodrive.files import write_json
from autodrive.report import runs_table, summarise
from autodrive_nodes.commands import evaluate_perception
from autodrive_nodes.commands.run import add_drive_options, drive


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("evaluate", help="measure driving or perception")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    car = kinds.add_parser("car", help="drive many seeds; table and means")
    add_drive_options(car)
    car.add_argument("--seeds", default="101-110", help="A-B, both included (default 101-110)")
    car.add_argument("--out", type=Path, default=Path("out/evaluate"), help="one folder per seed below this one")
    car.set_defaults(run=run_car)
    evaluate_perception.add_parser(kinds)


def seed_range(text: str) -> range:
    """Parse "A-B" or "A"; raises AutodriveError."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match or (match[2] and int(match[2]) < int(match[1])):
        raise AutodriveError(f"--seeds must be like 101-110, got {text!r}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def run_car(args: argparse.Namespace) -> int:
    """Drive every seed; a drive that breaks ends the evaluation with its message."""
    reports = []
    for seed in tqdm(seed_range(args.seeds), desc="drives", unit="drive", disable=None):
        reports.append(drive(args, seed, args.out / f"seed_{seed}"))
    summary = {"town": args.town, "mode": args.mode, **summarise(reports), "drives": reports}
    write_json(args.out / "evaluation.json", summary)
    sys.stdout.write((json.dumps(summary, indent=2) if args.json else runs_table(reports)) + "\n")
    return 0
