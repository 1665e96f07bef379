"""``autodrive perceive BAG``: the ingestion and perception nodes of the car on recorded cameras of any rig."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError, ConfigError
from autodrive.files import write_json
from autodrive_nodes.paths import DEFAULT_ENGINE

EXTENT = (-24.0, 40.0, -32.0, 32.0)
NOTE = "weights trained in the simulator alone: boxes on real images say that the pipeline runs, not where things are"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "perceive",
        help="run ingestion and perception on a recorded bag",
        description=f"Runs the car's own ingestion and perception nodes on a bag of any camera rig ({NOTE}).",
    )
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap, .db3, or ROS 1 .bag")
    parser.add_argument("--out", type=Path, default=Path("out/perceive"), help="folder for results (out/perceive)")
    parser.add_argument("--base-frame", default="base_link", help="the vehicle's frame in /tf_static (base_link)")
    parser.add_argument(
        "--extent",
        type=float,
        nargs=4,
        default=EXTENT,
        metavar=("X_MIN", "X_MAX", "Y_MIN", "Y_MAX"),
        help="square of ground to look at, in metres from the base frame, x forward and y left (-24 40 -32 32)",
    )
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Perceive and print the table or the JSON."""
    report = perceive(args)
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(f"{table(report)}\n\n  results in {args.out}/\n  {NOTE}\n")
    return 0


def perceive(args: argparse.Namespace) -> dict[str, Any]:
    """Build the rig, play the bag through the graph, write and return the report; raises AutodriveError."""
    from autodrive.data.bag_rig import rig_from_bag, write_rig
    from autodrive.inference.manifest import load_manifest
    from autodrive_nodes.graph import Options
    from autodrive_nodes.supervisor import run_system

    out: Path = args.out.resolve()
    if (out / "bag").resolve() in (args.bag.resolve(), args.bag.resolve().parent):
        raise ConfigError(
            f"--out {args.out} would overwrite the bag {args.bag} that is to be read; name another folder"
        )
    manifest = load_manifest(args.engine)
    found = rig_from_bag(args.bag, args.base_frame, [float(v) for v in args.extent])
    _make(out)
    (out / "report.json").unlink(missing_ok=True)
    write_rig(found.document, out / "rig.yaml")
    options = Options(
        system="perceive",
        bag=str(args.bag.resolve()),
        rig=str(out / "rig.yaml"),
        out=str(out),
        engine=str(args.engine.resolve()),
        base_frame=args.base_frame,
    )
    started = time.monotonic()
    with tqdm(unit="frame", desc=args.bag.name, disable=None, leave=False) as bar:

        def show(progress: dict[str, Any]) -> None:
            bar.total = progress["expected"]
            bar.set_postfix_str(f"{progress['objects']} objects", refresh=False)
            bar.update(progress["frames"] - bar.n)

        result = run_system(options, show)
    report = {
        "bag": str(args.bag),
        "wall_seconds": time.monotonic() - started,
        **result,
        "engine": {"file": manifest.file, "sha256": manifest.sha256, "runtime": "onnxruntime"},
        "note": NOTE,
    }
    write_json(out / "report.json", report)
    return report


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AutodriveError(f"--out {out}: {error.strerror}") from error


def table(report: dict[str, Any]) -> str:
    """The report as lines for people."""
    cameras = [f"{name} {c['size'][0]}x{c['size'][1]}" for name, c in report["cameras"].items()]
    offsets = [c["offset_ms"] for c in report["cameras"].values()]
    lost = [f"{name} missing in {count}" for name, count in report["frames_incomplete"].items()]
    lost += [f"{count} failed: {why}" for why, count in report["frames_failed"].items()]
    rows = [
        ("bag", report["bag"]),
        ("frames", ", ".join([str(report["frames"]), *lost])),
        ("cameras", "\n".join(cameras)),
        ("within", f"{min(offsets):+.1f} to {max(offsets):+.1f} ms of the common stamp"),
        ("odometry", report["odometry"]),
        ("objects detected", ", ".join(f"{k} {v}" for k, v in report["objects"].items()) or "none"),
        ("tracks", str(report["tracks"])),
        *(
            (f"latency {stage}", f"p50 {v['p50']:.0f} ms, p99 {v['p99']:.0f} ms")
            for stage, v in report["latency_ms"].items()
        ),
        ("engine", f"{report['engine']['file']} ({report['engine']['runtime']})"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = []
    for name, value in rows:
        first, *more = value.split("\n")
        lines.append(f"  {name:<{width}}  {first}")
        lines += [f"  {'':<{width}}  {line}" for line in more]
    return "\n".join(lines)
