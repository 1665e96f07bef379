"""The car's reports as tables: of one drive, and of many with their means."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from autodrive.report import Report, hertz, lines_of_run, table

REQUIRED = ("route_completion", "driving_score", "collisions", "infractions")


def drive_table(report: Report) -> str:
    """The report as a table for people."""
    collisions = report["collisions"]
    rows = [
        ("town, seed, mode", f"{report['town']}, {report['seed']}, {report['mode']}"),
        ("route completion", f"{report['route_completion'] * 100:.1f} %"),
        ("driving score", f"{report['driving_score']:.3f}"),
        ("collisions", ", ".join(f"{kind} {count}" for kind, count in collisions.items())),
        ("infractions", ", ".join(f"{k} {_short(v)}" for k, v in report["infractions"].items()) or "none"),
    ]
    return table([*rows, *lines_of_run(report)])


def summarise(reports: Sequence[Report]) -> dict[str, Any]:
    """Means over drives, and how many of them were free of any collision."""
    kinds = sorted({kind for report in reports for kind in report["collisions"]})
    return {
        "runs": len(reports),
        "route_completion": fmean(r["route_completion"] for r in reports),
        "driving_score": fmean(r["driving_score"] for r in reports),
        "runs_without_collision": sum(not any(r["collisions"].values()) for r in reports),
        "collisions": {kind: sum(r["collisions"].get(kind, 0) for r in reports) for kind in kinds},
        "wall_seconds": sum(r["wall_seconds"] for r in reports),
    }


def runs_table(reports: Sequence[Report]) -> str:
    """One line per drive and one of means."""
    lines = [f"{'seed':>6} {'completion':>10} {'score':>6} {'vehicle':>8} {'pedestrian':>10} {'static':>7} {'Hz':>5}"]
    for report in reports:
        collisions = report["collisions"]
        lines.append(
            f"{report['seed']:>6} {report['route_completion'] * 100:>9.1f}% {report['driving_score']:>6.3f} "
            f"{collisions['vehicle']:>8} {collisions['pedestrian']:>10} {collisions['static']:>7} {hertz(report):>5.1f}"
        )
    total = summarise(reports)
    lines.append(
        f"{'mean':>6} {total['route_completion'] * 100:>9.1f}% {total['driving_score']:>6.3f}   "
        f"{total['runs_without_collision']} of {total['runs']} runs without any collision"
    )
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
