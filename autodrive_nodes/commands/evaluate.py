"""``autodrive evaluate car``, ``humanoid`` and ``perception``: figures over many runs and many frames."""

from __future__ import annotations

import argparse
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError, NoTaskError
from autodrive.files import write_json
from autodrive_nodes.commands import evaluate_perception
from autodrive_nodes.commands.run import BODIES
from autodrive_nodes.commands.simulate import Body, add_common_options, simulate


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("evaluate", help="measure driving, walking or perception")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    for body in BODIES:
        one = kinds.add_parser(body.name, help=f"many seeds of {body.what}; table and means")
        body.add_options(one)
        add_common_options(one, body)
        one.add_argument("--seeds", default="101-110", help="A-B, both included (default 101-110)")
        one.add_argument("--out", type=Path, default=Path("out/evaluate"), help="one folder per seed below this one")
        one.set_defaults(run=partial(run, body))
    evaluate_perception.add_parser(kinds)


def seed_range(text: str) -> range:
    """Parse "A-B" or "A"; raises AutodriveError."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match or (match[2] and int(match[2]) < int(match[1])):
        raise AutodriveError(f"--seeds must be like 101-110, got {text!r}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def run(body: Body, args: argparse.Namespace) -> int:
    """Run every seed that has a task; status 1 if a run broke, which is told and not counted."""
    reports: list[dict[str, Any]] = []
    skipped: list[int] = []
    broken: dict[int, str] = {}
    for seed in tqdm(seed_range(args.seeds), desc="runs", unit="run", disable=None):
        try:
            reports.append(simulate(body, args, seed, args.out / f"seed_{seed}"))
        except NoTaskError as error:
            skipped.append(seed)
            tqdm.write(f"left out: {error}", file=sys.stderr)
        except AutodriveError as error:
            broken[seed] = str(error)
            tqdm.write(f"broken, and not counted: seed {seed}: {error}", file=sys.stderr)
    if broken and not reports:
        raise AutodriveError(f"every run broke, the first with: {next(iter(broken.values()))}")
    if not reports:
        raise NoTaskError(f"none of the seeds {args.seeds} has a task; try others")
    counted = {"skipped": skipped, "broken": broken, "drives": reports}
    summary = {"body": body.name, "mode": args.mode, **body.summarise(reports), **counted}
    write_json(args.out / "evaluation.json", summary)
    sys.stdout.write((json.dumps(summary, indent=2) if args.json else body.runs_table(reports)) + "\n")
    return int(bool(broken))
