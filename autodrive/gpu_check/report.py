"""The report of a check: tables with a verdict each, as Markdown for people and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autodrive.files import write_atomic


@dataclass(frozen=True)
class Table:
    """What one part found. ``passed`` is None where a part only measures, or, without rows, could not be done.

    ``notes`` are sentences below the table.
    """

    title: str
    rows: tuple[Mapping[str, Any], ...]
    passed: bool | None = None
    notes: tuple[str, ...] = ()

    def verdict(self) -> str:
        """In a word or two."""
        if self.passed is None:
            return "measured" if self.rows else "not done"
        return "PASS" if self.passed else "FAIL"


def failed(title: str, error: BaseException) -> Table:
    """The table of a part that did not come to its end."""
    return Table(title, (), passed=False, notes=(f"{type(error).__name__}: {error}",))


def write_report(out: Path, heading: Mapping[str, str], tables: Sequence[Table]) -> Path:
    """Write gpu_report.md and gpu_report.json into ``out``; returns the former."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"heading": dict(heading), "tables": [{**asdict(t), "verdict": t.verdict()} for t in tables]}
    write_atomic(out / "gpu_report.json", (json.dumps(content, indent=2, default=str) + "\n").encode())
    lines = ["# GPU report", "", "Written by `make gpu-check`.", ""]
    lines += [f"- {key}: {value}" for key, value in heading.items()]
    for table in tables:
        lines += [
            "",
            f"## {table.title}: {table.verdict()}",
            *_grid(table.rows),
            *(f"\n{note}" for note in table.notes),
        ]
    path = out / "gpu_report.md"
    write_atomic(path, ("\n".join(lines) + "\n").encode())
    return path


def _grid(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    body = ["| " + " | ".join(_text(row.get(name, "")) for name in names) + " |" for row in rows]
    return ["", "| " + " | ".join(names) + " |", "|" + "---|" * len(names), *body]


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
