"""The ``autodrive`` command: one subcommand per file in ``autodrive_nodes/commands``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from autodrive.errors import AutodriveError
from autodrive_nodes.commands import (
    bag,
    bench,
    calibrate,
    doctor,
    engine,
    evaluate,
    faults,
    perceive,
    regress,
    replay,
    run,
    soak,
    town,
    train,
)

COMMANDS = (run, evaluate, perceive, bag, replay, regress, faults, train, engine, bench, soak, calibrate, town, doctor)


def make_parser() -> argparse.ArgumentParser:
    """All commands; ``run`` of what it parses is the function that does it."""
    parser = argparse.ArgumentParser(prog="autodrive", description="One vision brain for a car and a humanoid.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status. Expected failures are one line on stderr, never a traceback."""
    args = make_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except AutodriveError as error:
        sys.stderr.write(f"autodrive: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("autodrive: stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
