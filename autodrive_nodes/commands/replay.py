"""``autodrive replay BAG``: stages of the car on a recorded drive, and whether they still say the same."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodrive.errors import ConfigError
from autodrive.files import write_json
from autodrive_nodes.paths import DEFAULT_ENGINE

if TYPE_CHECKING:
    from autodrive.recording.compare import Comparison

STAGES = "localization,prediction,planning,control,safety_gate"
TO_THE_END_S = 1e9


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("replay", help="run stages of the car on a recorded drive and compare their answers")
    parser.add_argument("bag", type=Path, help="a drive that autodrive has recorded")
    parser.add_argument("--out", type=Path, default=Path("out/replay"), help="folder for the answers (out/replay)")
    parser.add_argument("--from", dest="from_s", type=float, default=0.0, help="begin so many seconds into the bag")
    parser.add_argument("--to", dest="to_s", type=float, default=TO_THE_END_S, help="end so many seconds into the bag")
    parser.add_argument("--rate", type=float, default=0.0, help="times the recorded speed (0: as fast as it goes)")
    parser.add_argument("--only", default=STAGES, help=f"stages that act ({STAGES}); all others are as recorded")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network")
    parser.add_argument("--parameters", default="", help="a ROS parameter file for the nodes")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, compare, print; the status is 1 where an answer is not what it was."""
    request = Request(args.bag, args.out, args.from_s, args.to_s, args.rate, args.only, args.engine, args.parameters)
    report = document(request, replay(request))
    write_json(args.out / "replay.json", report)
    text = json.dumps(report, indent=2) if args.json else table(report)
    sys.stdout.write(text + "\n")
    return 0 if report["equal"] else 1


@dataclass(frozen=True)
class Request:
    """What to replay and where its answers go; the defaults are those of the command."""

    bag: Path
    out: Path
    from_s: float = 0.0
    to_s: float = TO_THE_END_S
    rate: float = 0.0
    only: str = STAGES
    engine: Path = DEFAULT_ENGINE
    parameters: str = ""
    tolerances: Mapping[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing of the bag is left out."""
        return self.from_s == 0 and self.to_s >= TO_THE_END_S


@dataclass(frozen=True)
class Answers:
    """How long the stages took for so many frames, what of theirs was compared, and how."""

    frames: int
    seconds: float
    topics: tuple[str, ...]
    comparison: Comparison
    equal: bool


def replay(request: Request) -> Answers:
    """Replay the bag into ``request.out / "bag"`` and compare; raises AutodriveError."""
    from autodrive.data.bags import BagReader
    from autodrive.recording.compare import compare
    from autodrive_nodes.graph import Options
    from autodrive_nodes.replay_node import topics_of
    from autodrive_nodes.supervisor import run_system

    if not (0 <= request.rate < math.inf and 0 <= request.from_s < request.to_s):
        raise ConfigError(
            f"--rate must not be negative and --from be before --to, got {request.rate}, {request.from_s}"
        )
    out = request.out.resolve()
    if (out / "bag").resolve() == request.bag.resolve():
        raise ConfigError(f"--out {request.out} would overwrite the bag that is to be replayed; name another folder")
    options = Options(
        system="replay",
        bag=str(request.bag.resolve()),
        out=str(out),
        only=request.only,
        from_s=request.from_s,
        to_s=request.to_s,
        rate=request.rate,
        engine=str(request.engine.resolve()),
        parameters=request.parameters,
    )
    result = run_system(options, lambda progress: None)
    with BagReader(request.bag) as bag:
        outputs, _ = topics_of(set(request.only.split(",")), {t.name for t in bag.topics() if t.count})
    found = compare(request.bag, out / "bag", outputs, request.tolerances)
    equal = found.equal if request.whole else not (found.changes or found.extra)
    return Answers(result["frames"], result["seconds"], tuple(outputs), found, equal)


def document(request: Request, answers: Answers) -> dict[str, Any]:
    """The report as plain JSON values."""
    found = answers.comparison
    report: dict[str, Any] = {
        "bag": str(request.bag),
        "frames": answers.frames,
        "seconds": answers.seconds,
        "equal": answers.equal,
        "same": found.same,
        "missing": found.missing if request.whole else {},
        "extra": found.extra,
        "changes": [{k: v for k, v in vars(change).items() if k != "amounts"} for change in found.changes],
    }
    for change in report["changes"]:
        change["worst"] = str(change["worst"])  # may be infinite, which JSON cannot say
        change["old"], change["new"] = str(change["old"]), str(change["new"])
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
