"""``autodrive evaluate perception``: the shipped engine on freshly made frames of a rig in a town, with truth."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.rig import load_rig
from autodrive_nodes.paths import DEFAULT_ENGINE, RIGS


def add_parser(subparsers: Any) -> None:
    """Register below ``autodrive evaluate``."""
    parser = subparsers.add_parser("perception", help="average precision and IoU of the network, per class and range")
    parser.add_argument("--rig", choices=["car", "humanoid"], required=True)
    parser.add_argument("--town", default="summit", help="town of the streets; the humanoid also stands in halls")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=Path, help="score this folder of samples instead of making new ones")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network")
    parser.add_argument("--workers", type=int, default=2, help="processes that make frames")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    # generation and scoring import torch and MuJoCo: only this command pays for them
    from autodrive.data.generate import generate

    if args.samples is not None:
        result = _score(args, args.samples)
    else:
        with tempfile.TemporaryDirectory(prefix="autodrive_evaluate_") as folder:
            generate(args.rig, [args.town], args.frames, args.seed, Path(folder), args.workers)
            result = _score(args, Path(folder))
    sys.stdout.write((json.dumps(result, indent=2) if args.json else table(result)) + "\n")
    return 0


def _score(args: argparse.Namespace, samples: Path) -> dict[str, Any]:
    from autodrive.data.evaluate_perception import evaluate_perception

    rig = load_rig(RIGS / f"{args.rig}.yaml")
    with tqdm(total=args.frames, desc="score", unit="frame", disable=None) as bar:

        def advance(done: int, _: int) -> None:
            bar.update(done - bar.n)

        return evaluate_perception(args.engine, rig, samples, args.frames, advance)


def table(result: dict[str, Any]) -> str:
    """The figures as lines of text: one per class and range band, then the ground."""
    head = (
        f"{'range [m]':>9}  {'class':<11}{'count':>6}  {'AP 0.5':>6} {'AP 1':>6} {'AP 2':>6} {'AP 4':>6}   mean errors"
    )
    lines = [f"{result['rig']} in {', '.join(result['towns'])}, {result['frames']} frames", head]
    for band, content in result["bands"].items():
        for name, row in content["classes"].items():
            scores = " ".join(f"{row['ap'][d]:6.3f}" for d in ("0.5", "1", "2", "4"))
            errors = ", ".join(f"{key} {value:.2f}" for key, value in row["errors"].items() if value is not None)
            lines.append(f"{band:>9}  {name:<11}{row['count']:>6}  {scores}   {errors}")
        if content["map"]["1"] is not None:
            scores = " ".join(f"{content['map'][d]:6.3f}" for d in ("0.5", "1", "2", "4"))
            lines.append(f"{band:>9}  {'mean':<11}{'':>6}  {scores}")
        found = [f"{name} {value:.3f}" for name, value in content["ground_iou"].items() if value is not None]
        lines.append(f"{band:>9}  ground IoU: " + ", ".join(found))
    return "\n".join(lines)
