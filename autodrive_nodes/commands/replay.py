"""``autodrive replay BAG``: stages of the car on a recorded drive, and whether they still say the same."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError
from autodrive.files import write_json
from autodrive_nodes.paths import DEFAULT_ENGINE

STAGES = "localization,prediction,planning,control,safety_gate"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("replay", help="run stages of the car on a recorded drive and compare their answers")
    parser.add_argument("bag", type=Path, help="a drive that autodrive has recorded")
    parser.add_argument("--out", type=Path, default=Path("out/replay"), help="folder for the answers (out/replay)")
    parser.add_argument("--from", dest="from_s", type=float, default=0.0, help="begin so many seconds into the bag")
    parser.add_argument("--to", dest="to_s", type=float, default=1e9, help="end so many seconds into the bag")
    parser.add_argument("--rate", type=float, default=0.0, help="times the recorded speed (0: as fast as it goes)")
    parser.add_argument("--only", default=STAGES, help=f"stages that act ({STAGES}); all others are as recorded")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network")
    parser.add_argument("--parameters", default="", help="a ROS parameter file for the nodes")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, compare, print; the status is 1 where an answer is not what it was."""
    report = replay(args)
    text = json.dumps(report, indent=2) if args.json else table(report)
    sys.stdout.write(text + "\n")
    return 0 if report["equal"] else 1


def replay(args: argparse.Namespace) -> dict[str, Any]:
    """Replay ``args.bag``, write and return the report; raises AutodriveError."""
    from autodrive.data.bags import BagReader
    from autodrive.recording.compare import compare
    from autodrive_nodes.graph import Options
    from autodrive_nodes.replay_node import topics_of
    from autodrive_nodes.supervisor import run_system

    if not (0 <= args.rate < math.inf and 0 <= args.from_s < args.to_s):
        raise ConfigError(f"--rate must not be negative and --from be before --to, got {args.rate}, {args.from_s}")
    out: Path = args.out.resolve()
    if (out / "bag").resolve() == args.bag.resolve():
        raise ConfigError(f"--out {args.out} would overwrite the bag that is to be replayed; name another folder")
    options = Options(
        system="replay",
        bag=str(args.bag.resolve()),
        out=str(out),
        only=args.only,
        from_s=args.from_s,
        to_s=args.to_s,
        rate=args.rate,
        engine=str(args.engine.resolve()),
        parameters=args.parameters,
    )
    result = run_system(options, lambda progress: None)
    with BagReader(args.bag) as bag:
        outputs, _ = topics_of(set(args.only.split(",")), {t.name for t in bag.topics() if t.count})
    found = compare(args.bag, out / "bag", outputs)
    whole = args.from_s == 0 and args.to_s >= 1e9
    report = {
        "bag": str(args.bag),
        **result,
        "equal": found.equal if whole else not (found.changes or found.extra),
        **{k: v for k, v in asdict(found).items() if whole or k != "missing"},
    }
    for change in report["changes"]:
        change["worst"] = str(change["worst"])  # may be infinite, which JSON cannot say
        change["old"], change["new"] = str(change["old"]), str(change["new"])
    write_json(out / "replay.json", report)
    return report


def table(report: dict[str, Any]) -> str:
    """The report as lines for people."""
    lines = [f"  {report['frames']} frames of {report['bag']} in {report['seconds']:.1f} s"]
    lines += [f"  same     {count:6d}  {topic}" for topic, count in report["same"].items()]
    for word in ("missing", "extra"):
        lines += [f"  {word:8s} {count:6d}  {topic}" for topic, count in report[word].items()]
    for c in report["changes"]:
        where = f"{c['topic']} {c['field']}: {c['old']} -> {c['new']}"
        lines.append(
            f"  changed  {c['values']:6d}  {where} (by {c['worst']} at {c['worst_ns'] / 1e9:.3f} s, "
            f"first at {c['first_ns'] / 1e9:.3f} s)"
        )
    return "\n".join([*lines, f"  {'identical' if report['equal'] else 'NOT the same'}"])
