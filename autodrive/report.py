"""report.json of a drive, the table of one drive, and the table and means of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

REQUIRED = (
    "route_completion",
    "driving_score",
    "collisions",
    "infractions",
    "sim_seconds",
    "frames",
    "frames_dropped",
    "latency_ms",
    "state_sha256",
)


def build_report(
    *,
    body: str,
    seed: int,
    town: str,
    mode: str,
    wall_seconds: float,
    engine: Mapping[str, str],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """Join what the caller knows with the scorer's result; KeyError if the scorer left something out."""
    report: dict[str, Any] = {"body": body, "seed": seed, "town": town, "mode": mode, "wall_seconds": wall_seconds}
    report |= {key: result[key] for key in REQUIRED}
    report |= {key: value for key, value in result.items() if key not in report}
    report["engine"] = dict(engine)
    return report


def drive_table(report: Mapping[str, Any]) -> str:
    """The report as a table for people."""
    collisions = report["collisions"]
    rows = [
        ("town, seed, mode", f"{report['town']}, {report['seed']}, {report['mode']}"),
        ("route completion", f"{report['route_completion'] * 100:.1f} %"),
        ("driving score", f"{report['driving_score']:.3f}"),
        ("collisions", ", ".join(f"{kind} {count}" for kind, count in collisions.items())),
        ("infractions", ", ".join(f"{k} {_short(v)}" for k, v in report["infractions"].items()) or "none"),
        ("simulated / wall clock", f"{report['sim_seconds']:.1f} s / {report['wall_seconds']:.1f} s"),
        ("loop", f"{report['frames'] / max(report['wall_seconds'], 1e-9):.1f} Hz wall clock"),
        ("frames / dropped", f"{report['frames']} / {report['frames_dropped']}"),
        ("engine", f"{report['engine']['file']} ({report['engine']['runtime']})"),
        ("state sha256", str(report["state_sha256"])[:16]),
    ]
    rows += [
        (f"latency {stage}", f"p50 {v['p50']:.0f} ms, p99 {v['p99']:.0f} ms")
        for stage, v in report["latency_ms"].items()
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def summarise(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def runs_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """One line per drive and one of means."""
    lines = [f"{'seed':>6} {'completion':>10} {'score':>6} {'vehicle':>8} {'pedestrian':>10} {'static':>7} {'Hz':>5}"]
    for report in reports:
        collisions = report["collisions"]
        lines.append(
            f"{report['seed']:>6} {report['route_completion'] * 100:>9.1f}% {report['driving_score']:>6.3f} "
            f"{collisions['vehicle']:>8} {collisions['pedestrian']:>10} {collisions['static']:>7} "
            f"{report['frames'] / max(report['wall_seconds'], 1e-9):>5.1f}"
        )
    total = summarise(reports)
    lines.append(
        f"{'mean':>6} {total['route_completion'] * 100:>9.1f}% {total['driving_score']:>6.3f}   "
        f"{total['runs_without_collision']} of {total['runs']} runs without any collision"
    )
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
