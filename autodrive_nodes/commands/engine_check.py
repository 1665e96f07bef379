"""``autodrive engine check``: whether another runtime, or another file, sees what the float32 network sees."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from autodrive.errors import InputError
from autodrive.inference.engine import Engine, load_engine
from autodrive.rig import load_rig
from autodrive_nodes.commands.body_car import CAR
from autodrive_nodes.commands.simulate import add_common_options
from autodrive_nodes.commands.train import RIG_NAMES
from autodrive_nodes.paths import DEFAULT_ENGINE, RIGS

if TYPE_CHECKING:
    from autodrive.data.compare_engines import Comparison

COMPLETION_LOST = 0.1  # one drive is chance to some degree


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("check", help="compare outputs, average precision and speed of two engines on real frames")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE, help="the candidate")
    one.add_argument("--runtime", default="onnxruntime", help="what runs the candidate")
    one.add_argument("--reference", type=Path, default=DEFAULT_ENGINE, help="float32 network, run by onnxruntime")
    one.add_argument("--data", type=Path, required=True, help="folder with {car,humanoid}_val of samples")
    one.add_argument("--rig", choices=RIG_NAMES, action="append", help="only this rig (default: all)")
    one.add_argument("--frames", type=int, default=60, help="samples of each rig")
    one.add_argument("--threads", type=int, default=2, help="threads of each CPU runtime")
    one.add_argument("--cosine", type=float, default=0.999, help="lowest similarity of any output that passes")
    one.add_argument("--points", type=float, default=1.0, help="points of average precision that may be lost")
    one.add_argument("--faster", action="store_true", help="pass only what is faster than the reference, too")
    one.add_argument("--drive", type=int, metavar="SEED", help="drive a minute of this seed with each, too")
    one.add_argument("--json", action="store_true", help="print all figures as JSON")
    one.set_defaults(run=_check)


def _check(args: argparse.Namespace) -> int:
    reference = load_engine(args.reference, threads=args.threads)
    candidate = load_engine(args.manifest, args.runtime, args.threads)
    results = []
    for name in args.rig or RIG_NAMES:
        found = asdict(compare_on_samples(reference, candidate, name, args.data, args.frames))
        results.append(found | {"failures": failures(found, args)})
    text = "\n".join(map(table, results))
    if args.drive is not None:
        drives = compare_drives(args)
        results.append(drives)
        text += "\n" + drives_table(drives)
    sys.stdout.write((json.dumps(results, indent=2) if args.json else text) + "\n")
    return 1 if any(result["failures"] for result in results) else 0


def compare_on_samples(reference: Engine, candidate: Engine, rig: str, data: Path, frames: int) -> Comparison:
    """Compare on the first samples of a rig that are never trained on; raises InputError when there are none."""
    # scoring imports torch: only those who score pay for it
    from autodrive.data.compare_engines import compare_engines
    from autodrive.data.dataset import list_samples
    from autodrive.data.sample import load_sample

    folder = data / f"{rig}_val"
    files = list_samples(folder)[:frames]
    if not files:
        raise InputError(f"{folder} holds no samples; make some: autodrive train perception --generate")
    samples = (load_sample(file) for file in tqdm(files, desc=rig, unit="frame", disable=None, leave=False))
    return compare_engines(reference, candidate, load_rig(RIGS / f"{rig}.yaml"), samples)


def compare_drives(args: argparse.Namespace) -> dict[str, Any]:
    """The same minute of a town driven with both, through the whole graph: what came of it, and what is worse."""
    from autodrive_nodes.commands.simulate import simulate

    reports = {}
    with tempfile.TemporaryDirectory() as folder:
        for side, engine, runtime in (
            ("reference", args.reference, "onnxruntime"),
            ("candidate", args.manifest, args.runtime),
        ):
            parser = argparse.ArgumentParser()
            CAR.add_options(parser)
            CAR.add_run_options(parser)
            add_common_options(parser, CAR)
            drive = parser.parse_args(["--engine", str(engine), "--runtime", runtime])
            report = simulate(CAR, drive, args.drive, Path(folder) / side)
            reports[side] = {key: report[key] for key in ("route_completion", "collisions", "state_sha256")}
    hits = {side: sum(report["collisions"].values()) for side, report in reports.items()}
    missed = []
    if hits["candidate"] > hits["reference"]:
        missed.append(f"{hits['candidate']} collisions, {hits['reference']} with the reference")
    lost = reports["reference"]["route_completion"] - reports["candidate"]["route_completion"]
    if not lost <= COMPLETION_LOST:
        missed.append(f"{lost:.2f} of the route's completion lost, {COMPLETION_LOST:g} may be")
    return {"drive": args.drive, **reports, "failures": missed}


def drives_table(found: dict[str, Any]) -> str:
    """Two drives for people."""
    lines = [f"drive of seed {found['drive']}"]
    for side in ("reference", "candidate"):
        report = found[side]
        hits = ", ".join(f"{count} with {what}" for what, count in report["collisions"].items() if count) or "none"
        lines.append(f"  {side:<10}route completion {report['route_completion']:.3f}, collisions: {hits}")
    return "\n".join(lines + [f"  FAILED {line}" for line in found["failures"]])


def failures(found: dict[str, Any], args: argparse.Namespace) -> list[str]:
    """Which of the wanted limits a comparison misses; what is NaN misses."""
    missed = [
        f"{name}: cosine {value:.5f} is under {args.cosine:g}"
        for name, value in found["cosine"].items()
        if not value >= args.cosine
    ]
    if not found["ap_points_lost"] <= args.points:
        missed.append(f"{found['ap_points_lost']:.2f} points of average precision lost, {args.points:g} may be")
    if args.faster and not found["speed_up"] > 1.0:
        missed.append(f"not faster: {found['speed_up']:.2f} times the reference's speed")
    return missed


def table(found: dict[str, Any]) -> str:
    """A comparison for people."""
    lines = [f"{found['rig']}, {found['frames']} frames"]
    for kind in ("reference", "candidate"):
        side = found[kind]
        scores = "  ".join(
            f"{d} m {math.nan if value is None else value:5.1f}" for d, value in side["map_percent"].items()
        )
        lines.append(
            f"  {kind:<10}{side['file']} ({side['sha256'][:12]}) by {side['runtime']}: "
            f"{side['network_ms']:.1f} ms, mean AP within {scores}"
        )
    similar = ", ".join(f"{name} {value:.5f}" for name, value in found["cosine"].items())
    lines.append(f"  lowest cosine: {similar}")
    lines.append(f"  {found['ap_points_lost']:+.2f} AP points lost, {found['speed_up']:.2f} times as fast")
    lines += [f"  FAILED {line}" for line in found.get("failures", [])]
    return "\n".join(lines)
