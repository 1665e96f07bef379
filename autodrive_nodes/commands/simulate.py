"""What runs of every body share: starting the graph, following it to its end, and keeping what it says."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError
from autodrive.files import write_json
from autodrive.inference.engine import AUTO, RUNTIMES
from autodrive.report import Report, build_report
from autodrive_nodes.paths import DEFAULT_ENGINE

BAR = "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.0f} s simulated, {rate_fmt}, ETA {remaining} {postfix}"


@dataclass(frozen=True)
class Episode:
    """One run to make: ``options`` are those of the graph that only this body has, ``where`` goes into the report."""

    title: str
    options: dict[str, Any]
    where: dict[str, Any]


@dataclass(frozen=True)
class Body:
    """All that ``run`` and ``evaluate`` must know of a body.

    ``prepare`` makes an episode from the arguments and a seed, ``note`` says how a run under way goes, ``summary``
    writes the page of a finished one into its folder. ``duration_s`` is the default.
    """

    name: str
    what: str
    add_options: Callable[[argparse.ArgumentParser], None]
    add_run_options: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace, int], Episode]
    note: Callable[[dict[str, Any]], str]
    required: Sequence[str]
    table: Callable[[Report], str]
    runs_table: Callable[[Sequence[Report]], str]
    summarise: Callable[[Sequence[Report]], dict[str, Any]]
    summary: Callable[[Path, dict[str, Any]], None]
    duration_s: float = 60.0


def add_common_options(parser: argparse.ArgumentParser, body: Body) -> None:
    """Options of every run of every body."""
    most = f"simulated seconds at most (default {body.duration_s:.0f})"
    parser.add_argument("--duration", type=float, default=body.duration_s, help=most)
    parser.add_argument("--mode", choices=("lockstep", "realtime"), default="lockstep")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network to act with")
    parser.add_argument("--runtime", choices=(*RUNTIMES, AUTO), default="onnxruntime", help="what runs the network")
    images = "record every camera too: raw (8 MB a second and camera of 640x400) or jpeg; raw if no word follows"
    parser.add_argument("--record-images", nargs="?", const="raw", default="", choices=("raw", "jpeg"), help=images)
    topics = "record what these patterns name, also of nodes that are not ours: '/camera/*,/tf' (all topics of ours)"
    parser.add_argument("--record-topics", default="", metavar="PATTERNS", help=topics)
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")


def simulate(body: Body, args: argparse.Namespace, seed: int, out: Path) -> dict[str, Any]:
    """One run: starts the graph, follows it to its end, writes and returns the report.

    Raises AutodriveError if the graph did not come up or broke; then no report is written.
    """
    from autodrive.inference.manifest import load_manifest
    from autodrive_nodes.graph import Options
    from autodrive_nodes.supervisor import run_system

    if not 0 < args.duration < math.inf:
        raise AutodriveError(f"--duration must be a positive number of seconds, got {args.duration}")
    _clear(out)
    manifest = load_manifest(args.engine)
    episode = body.prepare(args, seed)
    options = Options(
        system=body.name,
        seed=seed,
        duration_s=args.duration,
        mode=args.mode,
        out=str(out.resolve()),
        engine=str(args.engine.resolve()),
        runtime=args.runtime,
        record_topics=args.record_topics,
        record_images=args.record_images,
        **episode.options,
    )
    started = time.monotonic()
    with tqdm(total=args.duration, unit="s", desc=episode.title, disable=None, leave=False) as bar:
        bar.bar_format = BAR

        def show(progress: dict[str, Any]) -> None:
            bar.update(progress["sim_seconds"] - bar.n)
            bar.set_postfix_str(body.note(progress))

        result = run_system(options, show)
    report = build_report(
        body=body.name,
        seed=seed,
        mode=args.mode,
        wall_seconds=time.monotonic() - started,
        engine={"file": manifest.file, "sha256": manifest.sha256, "runtime": args.runtime},
        result=result,
        required=body.required,
        **episode.where,
    )
    write_json(out / "report.json", report)
    body.summary(out, report)
    return report


def _clear(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").unlink(missing_ok=True)
    except OSError as error:
        raise AutodriveError(f"--out {out}: {error.strerror}; choose a folder that you may write to") from error
