"""``autodrive soak``: one drive for hours; does anything grow, does anything drift, is anything lost?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError, ConfigError
from autodrive.files import write_json
from autodrive_nodes.paths import RIGS

LONGEST_DRIVE_S = 24 * 3600.0
# how much longer a drive is planned than the wall clock: a fast machine must not come to its end
MARGIN = 5.0


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    what = "drive for hours (ctrl-C ends it earlier); status 1 where a process grows by more than 5 %%"
    parser = subparsers.add_parser("soak", help=what)
    parser.add_argument("--hours", type=float, default=1.0, help="wall clock (1)")
    parser.add_argument("--body", choices=("car", "humanoid"), default="car")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two looks (30)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="folder for the recording and the report")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run, print the table, write soak.json and soak.png."""
    from autodrive.soak import trends
    from autodrive.viz.soak_page import draw
    from autodrive_nodes.graph import Options
    from autodrive_nodes.soak import soak

    wall_s = args.hours * 3600
    if not 0 < wall_s < math.inf or not args.every > 0:
        raise ConfigError(f"soak: --hours and --every must be positive numbers, got {args.hours} and {args.every}")
    options = Options(
        system=args.body,
        seed=args.seed,
        duration_s=min(wall_s * MARGIN, LONGEST_DRIVE_S),
        rig=str(RIGS / f"{args.body}.yaml"),
        out=str(args.out.resolve()),
    )
    last: dict[str, Any] = {}
    with tqdm(total=args.hours * 60, unit="min", desc=f"soak {args.body}", disable=None, leave=False) as bar:
        bar.bar_format = "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.0f} min, ETA {remaining} {postfix}"

        def show(wall_now_s: float, progress: dict[str, Any]) -> None:
            last.update(progress)
            bar.set_postfix_str(f"{progress['sim_seconds'] / wall_now_s:.2f} x real time")
            bar.update(min(wall_now_s / 60, bar.total) - bar.n)

        samples = soak(options, wall_s, args.every, show)
    found = trends(samples)
    if not found:
        raise AutodriveError("soak: the run was over before it was looked at; choose a smaller --every")
    lost = int(last["frames_dropped"])
    document = {
        "body": args.body,
        "hours": samples[-1].wall_s / 3600 if samples else 0.0,
        "sim_seconds": last["sim_seconds"],
        "frames": last["frames"],
        "frames_dropped": lost,
        "trends": [{**_row(t), "too_much": t.too_much} for t in found],
        "samples": [{"wall_s": s.wall_s, "process": s.process, **s.values} for s in samples],
    }
    write_json(args.out / "soak.json", document)
    draw(samples, args.out / "soak.png")
    sys.stdout.write("\n".join(table(found)) + "\n")
    sys.stdout.write(f"{last['frames']} frames, {lost} lost, {last['sim_seconds']:.0f} s simulated\n{args.out}\n")
    return int(lost > 0 or any(t.too_much for t in found))


def table(found: Sequence[Any]) -> list[str]:
    """One line per process and value."""
    lines = [f"{'':<16} {'':<18} {'first':>10} {'last':>10} {'growth':>9}"]
    for t in found:
        mark = "  TOO MUCH" if t.too_much else ""
        lines.append(f"{t.process:<16} {t.what:<18} {t.first:10.1f} {t.last:10.1f} {t.growth:+9.1%}{mark}")
    return lines


def _row(t: Any) -> dict[str, Any]:
    return {"process": t.process, "what": t.what, "first": t.first, "last": t.last, "growth": t.growth}
