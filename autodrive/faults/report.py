"""A campaign's outcomes as a table for people, as JSON, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from autodrive.errors import InputError
from autodrive.faults.judge import Outcome

LONGEST = 60
HEAD = ("fault", "detected in", "by", "reaction", "ordered in", "begins in", "stands in", "outcome", "verdict")


def row(outcome: Outcome) -> tuple[str, ...]:
    """The cells of one outcome, in the order of HEAD."""
    return (
        outcome.fault,
        _seconds(outcome.detected_s),
        _short(outcome.detected_by),
        outcome.reaction,
        _seconds(outcome.ordered_s),
        _seconds(outcome.reacted_s),
        _seconds(outcome.standing_s),
        _short("; later: ".join((outcome.outcome, *outcome.later_contacts))),
        "ok" if outcome.ok else "; ".join(outcome.problems),
    )


def table(outcomes: Mapping[int, Sequence[Outcome]]) -> str:
    """Outcomes by seed, aligned for a terminal."""
    rows = [("seed", *HEAD), *((str(seed), *row(o)) for seed, found in outcomes.items() for o in found)]
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in rows)


def summary(outcomes: Mapping[int, Sequence[Outcome]]) -> str:
    """One line."""
    every = [o for found in outcomes.values() for o in found]
    bad = sum(not o.ok for o in every)
    contacts, falls, hangs = sum(len(o.contacts) for o in every), sum(o.fell for o in every), _hangs(every)
    return f"{len(every)} faults, {len(every) - bad} as expected; collisions {contacts}, falls {falls}, hangs {hangs}"


def document(body: str, outcomes: Mapping[int, Sequence[Outcome]]) -> dict[str, Any]:
    """JSON."""
    runs = [{"seed": seed, **asdict(o), "ok": o.ok} for seed, found in outcomes.items() for o in found]
    return {"body": body, "summary": summary(outcomes), "faults": runs}


def outcomes_of(document: Mapping[str, Any]) -> dict[int, list[Outcome]]:
    """The reverse of ``document`` and JSON; raises InputError."""
    found: dict[int, list[Outcome]] = {}
    try:
        for entry in document["faults"]:
            values = {field.name: entry[field.name] for field in fields(Outcome)}
            values |= {name: tuple(values[name]) for name in ("contacts", "later_contacts", "problems")}
            found.setdefault(entry["seed"], []).append(Outcome(**values))
    except (KeyError, TypeError) as error:
        raise InputError(f"this is no report of a campaign of faults: {error!r}") from error
    return found


def merged(old: Sequence[Outcome], new: Sequence[Outcome], order: Sequence[str]) -> list[Outcome]:
    """Old outcomes but for faults that were made anew, in the order of a campaign's names; others are left out."""
    by_name = {outcome.fault: outcome for outcome in (*old, *new)}
    return [by_name[name] for name in order if name in by_name]


def markdown(outcomes: Mapping[int, Sequence[Outcome]]) -> str:
    """A table of Markdown."""
    lines = ["| seed | " + " | ".join(HEAD) + " |", "|---" * (len(HEAD) + 1) + "|"]
    for seed, found in outcomes.items():
        lines += ["| " + " | ".join(_escaped(cell) for cell in (str(seed), *row(o))) + " |" for o in found]
    return "\n".join(lines)


def _hangs(outcomes: Sequence[Outcome]) -> int:
    return sum(o.outcome == "hung" for o in outcomes)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
