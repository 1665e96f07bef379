"""``autodrive replay BAG``: stages of either body on a recorded run, and whether they still say the same."""

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
    from autodrive.data.bags import BagReader
    from autodrive.recording.compare import Comparison
    from autodrive_nodes.graph import Options

TO_THE_END_S = 1e9


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("replay", help="run stages on a recorded run and compare their answers")
    parser.add_argument("bag", type=Path, help="a run of car or humanoid that autodrive has recorded")
    parser.add_argument("--out", type=Path, default=Path("out/replay"), help="folder for the answers (out/replay)")
    parser.add_argument("--from", dest="from_s", type=float, default=0.0, help="begin so many seconds into the bag")
    parser.add_argument("--to", dest="to_s", type=float, default=TO_THE_END_S, help="end so many seconds into the bag")
    parser.add_argument("--rate", type=float, default=0.0, help="times the recorded speed (0: as fast as it goes)")
    only = "stages that act, separated by commas (all that need no images); all others are as recorded"
    parser.add_argument("--only", default="", help=only)
    parser.add_argument("--all", action="store_true", help="vision acts too: the bag must have images")
    parser.add_argument("--robot", default="g1", help="which humanoid it was (g1)")
    parser.add_argument("--rig", default="", help="camera rig of the recording (that of its body)")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network")
    parser.add_argument("--parameters", default="", help="a ROS parameter file for the nodes")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, compare, print; the status is 1 where an answer is not what it was."""
    only = ",".join(every_stage(args.bag)) if args.all and not args.only else args.only
    how = {name: getattr(args, name) for name in ("from_s", "to_s", "rate", "engine", "parameters", "robot", "rig")}
    request = Request(args.bag, args.out, only=only, **how)
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
    only: str = ""
    robot: str = "g1"
    rig: str = ""
    engine: Path = DEFAULT_ENGINE
    parameters: str = ""
    tolerances: Mapping[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing of the bag is left out."""
        return self.from_s == 0 and self.to_s >= TO_THE_END_S


@dataclass(frozen=True)
class Answers:
    """How long the stages took for so many frames, what of theirs was compared, and how.

    ``live_seconds`` is how long the recorded run took by the wall clock, None where the recording does not tell.
    """

    frames: int
    seconds: float
    live_seconds: float | None
    topics: tuple[str, ...]
    comparison: Comparison
    equal: bool


def replay(request: Request) -> Answers:
    """Replay the bag into ``request.out / "bag"`` and compare; raises AutodriveError."""
    from autodrive.data.bags import BagReader
    from autodrive.recording.compare import compare
    from autodrive_nodes.replay_topics import topics_of
    from autodrive_nodes.supervisor import run_system

    if not (0 <= request.rate < math.inf and 0 <= request.from_s < request.to_s):
        raise ConfigError(
            f"--rate must not be negative and --from be before --to, got {request.rate}, {request.from_s}"
        )
    out = request.out.resolve()
    if (out / "bag").resolve() == request.bag.resolve():
        raise ConfigError(f"--out {request.out} would overwrite the bag that is to be replayed; name another folder")
    with BagReader(request.bag) as bag:
        options = _options(request, bag)
        live_seconds = _live_seconds(bag)
        outputs, _ = topics_of(options.only.split(","), recorded(bag))
    result = run_system(options, lambda progress: None)
    found = compare(request.bag, out / "bag", outputs, request.tolerances)
    equal = found.equal if request.whole else not (found.changes or found.extra)
    return Answers(result["frames"], result["seconds"], live_seconds, tuple(outputs), found, equal)


def recorded(bag: BagReader) -> set[str]:
    """The topics that have messages."""
    return {topic.name for topic in bag.topics() if topic.count}


def every_stage(path: Path) -> tuple[str, ...]:
    """All stages of the body, those that see too, that may act on the recording."""
    from autodrive.data.bags import BagReader
    from autodrive_nodes.replay_topics import HUMANOID, STAGES, VISION, body_of

    with BagReader(path) as bag:
        body = body_of(recorded(bag))
    return (*VISION, *(("appearance",) if body == HUMANOID else ()), *STAGES[body])


def _options(request: Request, bag: BagReader) -> Options:
    from autodrive_nodes.graph import Options
    from autodrive_nodes.paths import RIGS
    from autodrive_nodes.replay_topics import STAGES, body_of, told, with_ingestion

    body = body_of(recorded(bag))
    only = with_ingestion(request.only.split(",") if request.only else STAGES[body])
    return Options(
        system="replay",
        body=body,
        robot=request.robot,
        rig=request.rig or str(RIGS / f"{body}.yaml"),
        say=told(bag) if "instruction" in only else "",
        bag=str(request.bag.resolve()),
        out=str(request.out.resolve()),
        only=",".join(only),
        from_s=request.from_s,
        to_s=request.to_s,
        rate=request.rate,
        engine=str(request.engine.resolve()),
        parameters=request.parameters,
    )


def _live_seconds(bag: BagReader) -> float | None:
    """From the first frame of the recorded run to the last, by the wall clock of its simulator; raises InputError."""
    from autodrive_nodes import contracts
    from autodrive_nodes.bag_json import value_in

    walls = [value_in(bag, item, "wall_ns", int) for item in bag.messages([contracts.TRUTH_EVENTS.name])]
    return (max(walls) - min(walls)) * 1e-9 if walls else None


def document(request: Request, answers: Answers) -> dict[str, Any]:
    """The report as plain JSON values."""
    found = answers.comparison
    report: dict[str, Any] = {
        "bag": str(request.bag),
        "frames": answers.frames,
        "seconds": answers.seconds,
        "live_seconds": answers.live_seconds if request.whole else None,
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
    if live := report["live_seconds"]:
        lines[0] += f"; live they took {live:.1f} s, {live / report['seconds']:.1f} times as long"
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
