"""``autodrive regress``: do the stages still answer the reference recordings as they did?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autodrive.files import write_atomic
from autodrive_nodes.commands.replay import Request, recorded, replay
from autodrive_nodes.paths import SHARE

REFERENCES = SHARE / "test" / "references"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("regress", help="replay reference recordings; status 1 where an answer moved")
    parser.add_argument("bags", type=Path, nargs="*", help="bags or folders of bags (test/references)")
    parser.add_argument("--out", type=Path, default=Path("out/regress"), help="folder for report.html (out/regress)")
    parser.add_argument("--tolerances", type=Path, default=REFERENCES / "tolerances.yaml")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--update", action="store_true", help="take today's answers as the new references")
    change.add_argument(
        "--add", type=Path, metavar="BAG", help="make a reference of a recorded run, in test/references"
    )
    only = "with --add: the stages that are to act on it, separated by commas (all that need no images)"
    parser.add_argument("--only", default="", help=only)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay all, print and write the report."""
    from autodrive.data.export import code_revision
    from autodrive.recording.references import find_references, load_tolerances, stages_of
    from autodrive.recording.regression_page import Result, lines, page

    if args.add is not None:
        name = args.add.resolve().parent.name if args.add.name == "bag" else args.add.name
        _write(REFERENCES / name, args.add, args.add, args.only)
        sys.stdout.write(f"{REFERENCES / name}\n")
        return 0
    tolerances = load_tolerances(args.tolerances)
    results = []
    for bag in find_references(args.bags or [REFERENCES]):
        only = stages_of(bag)
        answers = replay(Request(bag, args.out / bag.name, only=only, tolerances=tolerances))
        results.append(Result(bag.name, answers.frames, answers.seconds, answers.comparison))
        sys.stdout.write("\n".join(lines(results[-1])) + "\n")
        if args.update and not answers.equal:
            _write(bag, bag, args.out / bag.name / "bag", only)
            sys.stdout.write("  updated: it holds the answers of this code now\n")
    write_atomic(args.out / "report.html", page(results, code_revision()).encode())
    sys.stdout.write(f"{args.out / 'report.html'}\n")
    return int(not args.update and any(not result.comparison.equal for result in results))


def _write(target: Path, told: Path, answers: Path, only: str) -> None:
    from autodrive.data.bags import BagReader
    from autodrive.recording.references import STAGES_KEY, write_reference
    from autodrive_nodes.recorded_topics import open_bag
    from autodrive_nodes.replay_topics import STAGES, body_of, images_of, topics_of

    with BagReader(told) as bag:
        names = recorded(bag)
    stages = only.split(",") if only else STAGES[body_of(names)]
    outputs, inputs = topics_of(stages, names)
    inputs |= images_of(stages, names)
    custom = {STAGES_KEY: only} if only else {}
    topics = {**inputs, **outputs}
    write_reference(target, told, answers, inputs, outputs, lambda path: open_bag(path, topics, custom=custom))
