"""report.json of a run: what every body's report has in common, and the tables that are made from reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]
COMMON = ("sim_seconds", "frames", "frames_dropped", "latency_ms", "state_sha256")


def build_report(
    *,
    body: str,
    seed: int,
    mode: str,
    wall_seconds: float,
    engine: Mapping[str, str],
    result: Mapping[str, Any],
    required: Sequence[str],
    **where: Any,
) -> dict[str, Any]:
    """Join what the caller knows (``where``: town or hall, task) with the scorer's result.

    KeyError if the scorer left one of ``required`` or COMMON out.
    """
    report: dict[str, Any] = {"body": body, "seed": seed, **where, "mode": mode, "wall_seconds": wall_seconds}
    report |= {key: result[key] for key in (*required, *COMMON)}
    report |= {key: value for key, value in result.items() if key not in report}
    report["engine"] = dict(engine)
    return report


def hertz(report: Report) -> float:
    """Frames per second of wall clock."""
    return float(report["frames"]) / max(float(report["wall_seconds"]), 1e-9)


def lines_of_run(report: Report) -> list[tuple[str, str]]:
    """What the table of a run says of time, frames, engine and state, whatever the body."""
    return [
        ("simulated / wall clock", f"{report['sim_seconds']:.1f} s / {report['wall_seconds']:.1f} s"),
        ("loop", f"{hertz(report):.1f} Hz wall clock"),
        ("frames / dropped", f"{report['frames']} / {report['frames_dropped']}"),
        ("engine", f"{report['engine']['file']} ({report['engine']['runtime']})"),
        ("state sha256", str(report["state_sha256"])[:16]),
        *(
            (f"latency {stage}", f"p50 {v['p50']:.0f} ms, p99 {v['p99']:.0f} ms")
            for stage, v in report["latency_ms"].items()
        ),
    ]


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
