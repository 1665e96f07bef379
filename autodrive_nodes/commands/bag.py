"""``autodrive bag info BAG`` and ``autodrive bag repair BAG``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("bag", help="look at a recording, or recover one whose recorder was killed")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what, action in (
        ("info", "topics, types and counts", info),
        ("repair", "rewrite an interrupted MCAP bag, in place, from all that is whole in it", repair_bag),
    ):
        one = actions.add_parser(name, help=what)
        one.add_argument("bag", type=Path, help="folder of the bag")
        one.set_defaults(run=action)


def info(args: argparse.Namespace) -> int:
    """Print one line for each topic."""
    from autodrive.data.bags import BagReader

    with BagReader(args.bag) as bag:
        for topic in bag.topics():
            sys.stdout.write(f"  {topic.count:8d}  {topic.name}  {topic.type}\n")
    return 0


def repair_bag(args: argparse.Namespace) -> int:
    """Repair and say what was kept."""
    from autodrive.recording.salvage import repair

    kept = repair(args.bag.resolve())
    seconds = (kept.last_ns - kept.first_ns) * 1e-9
    sys.stdout.write(f"{args.bag}: {kept.messages} messages on {kept.topics} topics, {seconds:.1f} s, are whole\n")
    return 0
