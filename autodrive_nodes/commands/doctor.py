"""``autodrive doctor``: what this machine has and lacks."""

from __future__ import annotations

import argparse
import sys

from autodrive.doctor import as_json, as_table, examine, is_ready
from autodrive_nodes.paths import SHARE


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("doctor", help="what this machine has (ROS, graphics, GPU, versions), with fixes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something that driving needs is missing."""
    findings = examine(SHARE)
    sys.stdout.write((as_json(findings) if args.json else as_table(findings)) + "\n")
    return 0 if is_ready(findings) else 1
