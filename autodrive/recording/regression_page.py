"""One HTML page, complete in itself, of what moved against the references: tables, and a curve for every field."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

from matplotlib.figure import Figure

from autodrive.recording.compare import Change, Comparison

MOST_CURVES = 40  # of one reference; a page with more is not read
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}
.same{color:#1a7f37}.moved{color:#b3261e}img{display:block;max-width:100%}code{background:#f3f3f3;padding:0 .2em}"""


@dataclass(frozen=True)
class Result:
    """What the stages said to one reference now, beside what it holds."""

    name: str
    frames: int
    seconds: float
    comparison: Comparison


def page(results: Sequence[Result], revision: str) -> str:
    """The whole page; ``revision`` is the commit that answered."""
    moved = [r for r in results if not r.comparison.equal]
    verdict = (
        f"{len(moved)} of {len(results)} references moved" if moved else f"all {len(results)} references are the same"
    )
    parts = [
        '<!doctype html><meta charset="utf-8"><title>Regression</title>',
        f"<style>{_STYLE}</style><h1>Regression: {escape(verdict)}</h1><p>Code: <code>{escape(revision)}</code></p>",
        "<table><tr><th>reference<th>frames<th>replayed in<th>verdict</tr>",
        *(_summary(result) for result in results),
        "</table>",
        *(_details(result) for result in moved),
    ]
    return "\n".join(parts) + "\n"


def lines(result: Result) -> list[str]:
    """The same of one reference as text, the greatest change of each field."""
    found = result.comparison
    told = [f"{result.name}: {'same' if found.equal else 'MOVED'}, {result.frames} frames in {result.seconds:.1f} s"]
    for word, counts in (("missing", found.missing), ("extra", found.extra)):
        told += [f"  {word:8s} {count:6d}  {topic}" for topic, count in counts.items()]
    return told + [
        f"  moved    {c.values:6d}  {c.topic} {c.field}: {c.old} -> {c.new} (by {c.worst:.4g} at {_s(c.worst_ns)} s, "
        f"first at {_s(c.first_ns)} s)"
        for c in found.changes
    ]


def _summary(result: Result) -> str:
    equal = result.comparison.equal
    verdict = '<td class="same">same' if equal else '<td class="moved">moved'
    return f"<tr><td>{escape(result.name)}<td>{result.frames}<td>{result.seconds:.1f} s{verdict}</tr>"


def _details(result: Result) -> str:
    found = result.comparison
    parts = [f"<h2>{escape(result.name)}</h2><table><tr><th>topic<th>same<th>missing<th>extra</tr>"]
    for topic, count in found.same.items():
        parts.append(
            f"<tr><td>{escape(topic)}<td>{count}<td>{found.missing.get(topic, 0)}<td>{found.extra.get(topic, 0)}</tr>"
        )
    parts.append("</table><table><tr><th>field<th>values<th>first at<th>greatest<th>at<th>was<th>is</tr>")
    for c in found.changes:
        cells = (f"{c.topic} {c.field}", c.values, f"{_s(c.first_ns)} s", f"{c.worst:.4g}", f"{_s(c.worst_ns)} s")
        texts = (*cells, str(c.old)[:80], str(c.new)[:80])
        parts.append("<tr>" + "".join(f"<td>{escape(str(text))}" for text in texts) + "</tr>")
    parts.append("</table>")
    if found.changes:
        parts.append(f'<img alt="amounts over time" src="data:image/png;base64,{_curves(found.changes)}">')
    return "\n".join(parts)


def _curves(changes: Sequence[Change]) -> str:
    """Amount of every changed field over time, greatest first, as a base64 PNG."""
    shown = sorted(changes, key=lambda c: -c.worst if math.isfinite(c.worst) else -math.inf)[:MOST_CURVES]
    figure = Figure(figsize=(11, 1.1 * len(shown) + 0.8), dpi=90)
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, change in zip(axes, shown, strict=True):
        stamps = sorted(change.amounts)
        axis.plot([s * 1e-9 for s in stamps], [change.amounts[s] for s in stamps], ".-", linewidth=1, markersize=4)
        axis.set_title(f"{change.topic}  {change.field}", fontsize=8, loc="left", pad=2)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("stamp [s]", fontsize=8)
    figure.tight_layout(h_pad=0.3)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _s(stamp_ns: int) -> str:
    return f"{stamp_ns * 1e-9:.3f}"
