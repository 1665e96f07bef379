"""``autodrive town``: makes a new town from a seed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

from autodrive.errors import AutodriveError
from autodrive.files import write_atomic
from autodrive.sim.town_generate import generate_town
from autodrive.sim.town_preview import draw_town


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("town", help="make a new town (its network, scene and a picture from above)")
    parser.add_argument("--seed", type=int, required=True, help="0 or more; the same seed makes the same town")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where NAME.yaml and its files go")
    parser.add_argument("--name", help="lower-case letters, digits, underscores (default: townSEED)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make it, draw it, and say how to drive in it."""
    name = args.name or f"town{args.seed}"
    try:
        town = generate_town(args.seed, args.out, name)
        ok, png = cv2.imencode(".png", draw_town(town)[..., ::-1])
        if not ok:
            raise AutodriveError(f"cannot encode the picture of town {name}")
        write_atomic(args.out / f"{name}.png", png.tobytes())
    except OSError as error:
        raise AutodriveError(f"cannot write to {args.out}: {error.strerror}; choose another --out") from error
    junctions, cars = len(town.junctions), len(town.parked)
    sys.stdout.write(
        f"{args.out / name}.yaml: {junctions} junctions, {len(town.crossings)} crossings, "
        f"{len(town.buildings)} buildings, {cars} parked vehicles\n"
        f"drive in it with: autodrive run car --town {args.out / name}.yaml\n"
    )
    return 0
