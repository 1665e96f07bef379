"""``autodrive run car`` and ``autodrive run humanoid``: act once, watch it live, and keep everything that happened."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from autodrive_nodes.commands.body_car import CAR
from autodrive_nodes.commands.body_humanoid import HUMANOID
from autodrive_nodes.commands.simulate import Body, add_common_options, simulate

BODIES = (CAR, HUMANOID)


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("run", help="drive or walk in simulation over the real ROS graph")
    bodies = parser.add_subparsers(dest="body", required=True, metavar="BODY")
    for body in BODIES:
        one = bodies.add_parser(body.name, help=body.what)
        body.add_options(one)
        body.add_run_options(one)
        add_common_options(one, body)
        one.add_argument("--seed", type=int, default=1, help="what chance decides follows from it (default 1)")
        one.add_argument("--out", type=Path, default=Path("out/run"), help="folder for the results (default out/run)")
        one.set_defaults(run=partial(run, body))


def run(body: Body, args: argparse.Namespace) -> int:
    """Run once and print the table or the JSON."""
    report = simulate(body, args, args.seed, args.out)
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(body.table(report) + f"\n\n  results in {args.out}/\n")
    return 0
