"""``autodrive engine check``: whether another runtime, or another file, sees what the float32 network sees."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from autodrive.errors import InputError
from autodrive.inference.engine import Engine, load_engine
from autodrive.rig import load_rig
from autodrive_nodes.commands.train import RIG_NAMES
from autodrive_nodes.paths import DEFAULT_ENGINE, RIGS

if TYPE_CHECKING:
    from autodrive.data.compare_engines import Comparison


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
    one.add_argument("--json", action="store_true", help="print all figures as JSON")
    one.set_defaults(run=_check)


def _check(args: argparse.Namespace) -> int:
    reference = load_engine(args.reference, threads=args.threads)
    candidate = load_engine(args.manifest, args.runtime, args.threads)
    results = []
    for name in args.rig or RIG_NAMES:
        found = asdict(compare_on_samples(reference, candidate, name, args.data, args.frames))
        results.append(found | {"failures": failures(found, args)})
    sys.stdout.write((json.dumps(results, indent=2) if args.json else "\n".join(map(table, results))) + "\n")
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
