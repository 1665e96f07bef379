"""``autodrive engine bench``: networks and runtimes timed side by side on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autodrive.errors import EngineError
from autodrive.inference.engine import RUNTIMES, Engine, load_engine
from autodrive.inference.timing import Timing, time_in_turns
from autodrive_nodes.paths import DEFAULT_ENGINE


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("bench", help="time networks and runtimes in turns; what cannot run here is named")
    one.add_argument("manifests", type=Path, nargs="*", help="networks (default: all that are shipped)")
    one.add_argument("--runtime", choices=RUNTIMES, action="append", help="only this runtime (default: all)")
    one.add_argument("--cameras", type=int, default=8)
    one.add_argument("--threads", type=int, default=2, help="threads of each CPU runtime")
    one.add_argument("--rounds", type=int, default=20)
    one.add_argument("--json", action="store_true", help="print JSON instead of a table")
    one.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from autodrive.data.export import example_inputs  # imports torch: only this command pays for it

    if not 2 <= args.cameras <= 16:
        raise EngineError(f"--cameras must be in 2..16, got {args.cameras}")
    engines, refused = _load(args.manifests or sorted(DEFAULT_ENGINE.parent.glob("*.yaml")), args)
    timings = time_in_turns(engines, example_inputs(args.cameras), args.rounds)
    if args.json:
        result = {"cameras": args.cameras, "threads": args.threads, "timings": [asdict(t) for t in timings]}
        sys.stdout.write(json.dumps({**result, "refused": refused}, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{args.cameras} cameras, {args.threads} threads, medians of {args.rounds} runs in turns\n")
    sys.stdout.writelines(f"{line}\n" for line in table(timings))
    sys.stdout.writelines(f"not timed: {reason}\n" for reason in refused)
    return 0


def _load(manifests: list[Path], args: argparse.Namespace) -> tuple[list[Engine], list[str]]:
    """Every network in every runtime, and why some could not be loaded; raises EngineError when none could."""
    engines, refused = [], []
    for runtime in args.runtime or RUNTIMES:
        for manifest in manifests:
            try:
                engines.append(load_engine(manifest, runtime, args.threads))
            except EngineError as error:
                refused.append(f"{manifest.name} in {runtime}: {error}")
    if not engines:
        raise EngineError("no network can run here: " + "; ".join(refused))
    return engines, refused


def table(timings: list[Timing]) -> list[str]:
    """One line per engine; the ratios are how many times as fast as the slowest it is."""
    slowest = max(timing.wall_ms for timing in timings)
    most = max(timing.cpu_ms for timing in timings)
    lines = [f"  {'':<44} {'wall':>10} {'ratio':>7} {'CPU':>11} {'ratio':>7}"]
    lines += [
        f"  {t.file + ' in ' + t.runtime:<44} {t.wall_ms:7.1f} ms {slowest / t.wall_ms:6.2f}x "
        f"{t.cpu_ms:8.1f} ms {most / t.cpu_ms:6.2f}x"
        for t in timings
    ]
    return lines
