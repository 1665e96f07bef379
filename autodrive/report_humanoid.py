"""The humanoid's reports as tables: of one run, and of many with success rate, falls and contacts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from autodrive.report import Report, hertz, lines_of_run, table

REQUIRED = (
    "instruction",
    "success",
    "falls",
    "contacts_with_people",
    "contacts_with_objects",
    "time_s",
    "path_length_m",
    "min_distance_to_people_m",
    "grounding",
)
_COUNTS = ("falls", "contacts_with_people", "contacts_with_objects")


def humanoid_table(report: Report) -> str:
    """The report as a table for people."""
    nearest = report["min_distance_to_people_m"]
    said = report["grounding"]
    rows = [
        ("hall, seed, mode", f"{report['hall']}, {report['seed']}, {report['mode']}"),
        ("robot, task", f"{report['robot']}, {report['task'] or 'your own words'}"),
        ("instruction", report["instruction"]),
        ("the robot says", f"{said['state']}: {said['says']}"),
        ("success", "yes" if report["success"] else f"no ({report['why_not']})"),
        ("falls", str(report["falls"])),
        ("contacts", f"people {report['contacts_with_people']}, objects {report['contacts_with_objects']}"),
        ("time, path", f"{report['time_s']:.1f} s, {report['path_length_m']:.1f} m"),
        ("nearest to people", "nobody there" if nearest is None else f"{nearest:.2f} m"),
    ]
    return table([*rows, *lines_of_run(report)])


def summarise(reports: Sequence[Report]) -> dict[str, Any]:
    """Success rate, sums of falls and contacts, and means."""
    return {
        "runs": len(reports),
        "successes": sum(bool(r["success"]) for r in reports),
        "success_rate": fmean(bool(r["success"]) for r in reports),
        **{key: sum(r[key] for r in reports) for key in _COUNTS},
        "time_s": fmean(r["time_s"] for r in reports),
        "path_length_m": fmean(r["path_length_m"] for r in reports),
        "wall_seconds": sum(r["wall_seconds"] for r in reports),
    }


def runs_table(reports: Sequence[Report]) -> str:
    """One line per run and one of sums and means."""
    head = f"{'seed':>6} {'task':<5} {'success':>7} {'falls':>5} {'people':>6} {'objects':>7} {'time':>6} {'path':>6}"
    lines = [f"{head} {'Hz':>5}  instruction"]
    for r in reports:
        counts = f"{r['falls']:>5} {r['contacts_with_people']:>6} {r['contacts_with_objects']:>7}"
        success = "yes" if r["success"] else "no"
        way = f"{r['time_s']:>5.1f}s {r['path_length_m']:>5.1f}m {hertz(r):>5.1f}"
        why = "" if r["success"] else f" ({r['why_not']})"
        lines.append(f"{r['seed']:>6} {r['task'] or 'said':<5} {success:>7} {counts} {way}  {r['instruction']}{why}")
    total = summarise(reports)
    counts = f"{total['falls']:>5} {total['contacts_with_people']:>6} {total['contacts_with_objects']:>7}"
    way = f"{total['time_s']:>5.1f}s {total['path_length_m']:>5.1f}m"
    lines.append(f"{'all':>6} {'':<5} {total['success_rate'] * 100:>6.0f}% {counts} {way}")
    return "\n".join(lines)
