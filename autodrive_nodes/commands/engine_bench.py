"""``autodrive engine bench``: networks and runtimes side by side, as times and as ratios to eager torch."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from autodrive.errors import ConfigError, EngineError
from autodrive.inference.engine import GPU_RUNTIMES, Engine, load_engine
from autodrive.inference.timing import time_in_turns
from autodrive_nodes.paths import DEFAULT_ENGINE


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("bench", help="time every runtime that works here, and more networks beside them")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE)
    one.add_argument("--beside", type=Path, nargs="*", default=[], help="more manifests, e.g. the int8 one")
    one.add_argument("--cameras", type=int, default=8)
    one.add_argument("--threads", type=int, default=2, help="of each CPU runtime")
    one.add_argument("--rounds", type=int, default=30)
    one.add_argument("--json", action="store_true", help="print JSON instead of a table")
    one.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from autodrive.data.export import example_inputs  # torch: only who measures pays for it

    if not 2 <= args.cameras <= 16 or args.rounds < 1:
        raise ConfigError(f"--cameras must be in 2..16 and --rounds positive, got {args.cameras} and {args.rounds}")
    engines = [load_engine(args.manifest, runtime, args.threads) for runtime in ("torch", "onnxruntime")]
    engines += [engine for runtime in GPU_RUNTIMES if (engine := _if_it_works(args.manifest, runtime))]
    engines += [load_engine(path, threads=args.threads) for path in args.beside]
    times = time_in_turns(engines, example_inputs(args.cameras), args.rounds, time.perf_counter)
    rows = [
        {
            "file": engine.manifest.file,
            "runtime": engine.runtime,
            "ms": round(median(taken) * 1e3, 3),
            "times_torch": round(median(times[0]) / median(taken), 3),
        }
        for engine, taken in zip(engines, times, strict=True)
    ]
    sys.stdout.write((json.dumps(rows, indent=2) if args.json else _table(rows, args)) + "\n")
    return 0


def _if_it_works(manifest: Path, runtime: str) -> Engine | None:
    try:
        return load_engine(manifest, runtime)
    except EngineError as error:
        sys.stderr.write(f"left out: {error}\n")
        return None


def _table(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    head = f"{args.cameras} cameras, {args.threads} threads, median of {args.rounds} runs in turn"
    lines = [f"  {r['file']:<20} {r['runtime']:<28} {r['ms']:8.1f} ms  {r['times_torch']:6.2f} x torch" for r in rows]
    return "\n".join((head, *lines))
