"""The car as ``run`` and ``evaluate`` see it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from autodrive.report_car import REQUIRED, drive_table, runs_table, summarise
from autodrive.sim.town import shipped_towns
from autodrive_nodes.commands.simulate import Body, Episode


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where it drives."""
    parser.add_argument("--town", default="summit", help=f"{', '.join(shipped_towns())} or a folder of your own")


def prepare(args: argparse.Namespace, seed: int) -> Episode:
    """The town is all there is to choose."""
    return Episode(f"{args.town} seed {seed}", {"town": args.town}, {"town": args.town})


def note(progress: dict[str, Any]) -> str:
    """How far, how fast."""
    return f"route {progress['route_completion'] * 100:.0f} %, {progress['speed'] * 3.6:.0f} km/h"


def summary(out: Path, report: dict[str, Any]) -> None:
    """summary.png."""
    from autodrive.viz.summary import read_drive, write_summary

    write_summary(out / "summary.png", report, read_drive(out / "bag"))


CAR = Body(
    name="car",
    what="the eight-camera car in a town",
    add_options=add_options,
    add_run_options=lambda parser: None,
    prepare=prepare,
    note=note,
    required=REQUIRED,
    table=drive_table,
    runs_table=runs_table,
    summarise=summarise,
    summary=summary,
)
