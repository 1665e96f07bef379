"""``autodrive faults``: break a body on purpose, in closed loop, and see whether it notices and stays safe."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import AutodriveError
from autodrive.faults.judge import Outcome
from autodrive.files import write_atomic, write_json
from autodrive_nodes.paths import DEFAULT_ENGINE, FAULTS

BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} faults, ETA {remaining} {postfix}"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("faults", help="break things on purpose, in closed loop; status 1 if unsafe")
    parser.add_argument("--body", choices=("car", "humanoid"), required=True)
    parser.add_argument("--campaign", type=Path, help="YAML of faults (default config/faults/BODY.yaml)")
    parser.add_argument("--seeds", default="101", help="a seed, or a range A-B of them (default 101)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only the faults whose name matches")
    parser.add_argument("--engine", type=Path, default=DEFAULT_ENGINE, help="manifest of the network to act with")
    parser.add_argument("--out", type=Path, default=Path("out/faults"), help="folder for report.json and logs")
    parser.add_argument("--pace", type=float, default=1.0, help="of the world; below 1 on a slow or busy machine")
    parser.add_argument("--merge", action="store_true", help="keep what report.json in --out says of other faults")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page, docs/faults.md")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make all faults; print and write what became of them."""
    from autodrive.faults.campaign import chosen, load_campaign
    from autodrive.faults.report import document, merged, summary, table
    from autodrive_nodes.fault_bodies import fault_body
    from autodrive_nodes.fault_campaign import Campaigner

    seeds = _seeds(args.seeds)
    if not 0 < args.pace <= 1:
        raise AutodriveError(f"--pace must be above 0 and at most 1, got {args.pace}")
    body = fault_body(args.body)
    whole = load_campaign(args.campaign or FAULTS / f"{args.body}.yaml", args.body, body.targets())
    campaign, order = chosen(whole, args.only), [fault.name for fault in whole.faults]
    if args.list:
        sys.stdout.write("".join(f"{fault.name}: {fault.expect}\n" for fault in campaign.faults))
        return 0
    report = args.out / args.body / "report.json"
    outcomes = _earlier(report) if args.merge else {}
    with tqdm(total=len(campaign.faults) * len(seeds), desc=args.body, disable=None, leave=False) as bar:
        bar.bar_format = BAR
        for seed in seeds:
            campaigner = Campaigner(
                body, seed, args.out / args.body / str(seed), args.engine, bar.set_postfix_str, args.pace
            )
            for outcome in campaigner.run(campaign.faults):
                outcomes[seed] = merged(outcomes.get(seed, []), [outcome], order)
                write_json(report, document(args.body, outcomes))
                bar.update()
    sys.stdout.write(f"{table(outcomes)}\n\n{summary(outcomes)}\n{report}\n")
    if args.write is not None:
        _write(args.write, args.body, outcomes)
    return int(any(not outcome.ok for found in outcomes.values() for outcome in found))


def _earlier(report: Path) -> dict[int, list[Outcome]]:
    from autodrive.faults.report import outcomes_of

    try:
        return outcomes_of(json.loads(report.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AutodriveError(f"--merge: {report}: {error}") from error


def _write(page: Path, body: str, outcomes: Any) -> None:
    """Replace what stands between the marks of this body in a page."""
    from autodrive.faults.report import markdown, summary

    begin, end = f"<!-- {body}: begin -->", f"<!-- {body}: end -->"
    try:
        text = page.read_text()
    except OSError as error:
        raise AutodriveError(f"--write {page}: {error.strerror}") from error
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise AutodriveError(f"--write {page}: it has no lines {begin!r} and {end!r} to write between")
    content = f"{summary(outcomes)}\n\n{markdown(outcomes)}"
    write_atomic(page, f"{before}{begin}\n{content}\n{end}{after}".encode())


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        seeds = range(int(first), int(last or first) + 1)
    except ValueError as error:
        raise AutodriveError(f"--seeds must be like 101 or 101-103, got {text!r}") from error
    if not seeds:
        raise AutodriveError(f"--seeds {text}: there are none")
    return seeds
