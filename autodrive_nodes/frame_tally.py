"""How many frames there were, which were answered, and how fast: what a judge keeps of a run of any length."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

KEPT = 1000  # frames that may still be answered; of older ones only the counts stay
Percentiles = dict[str, dict[str, float]]


class FrameTally:
    """``answering`` is the stage whose answer counts; stamps and wall clock in nanoseconds."""

    def __init__(self, stages: Iterable[str], answering: str) -> None:
        self._answering = answering
        self._published: dict[int, int] = {}  # wall clock by stamp, oldest first
        self._answered: set[int] = set()
        self._complaints: dict[int, str] = {}
        self._gone = self._gone_unanswered = 0
        self._newest = dict.fromkeys(stages, -1)
        self._latency_ms = {stage: array("d") for stage in self._newest}
        self._taken = dict.fromkeys(self._newest, 0)

    def publish(self, stamp_ns: int, wall_ns: int) -> None:
        """A frame went out."""
        self._published[stamp_ns] = wall_ns
        if len(self._published) > KEPT:
            oldest = next(iter(self._published))
            del self._published[oldest]
            self._gone += 1
            self._gone_unanswered += oldest not in self._answered
            self._answered.discard(oldest)
            self._complaints = {stamp: text for stamp, text in self._complaints.items() if stamp > oldest}

    def answer(self, stage: str, stamp_ns: int, wall_ns: int) -> None:
        """A stage answered a frame."""
        self._newest[stage] = max(stamp_ns, self._newest[stage])
        if (published := self._published.get(stamp_ns)) is not None:
            self._latency_ms[stage].append((wall_ns - published) / 1e6)
            if stage == self._answering:
                self._answered.add(stamp_ns)

    def complain(self, stamp_ns: int, text: str) -> None:
        """Somebody says why a frame is spoilt; the first word counts."""
        self._complaints.setdefault(stamp_ns, text)

    def silent(self) -> str:
        """What is known of the newest frame, which stands unanswered; "" before the first."""
        if not self._published:
            return ""
        stamp = next(reversed(self._published))
        stage = next((stage for stage, newest in self._newest.items() if newest < stamp), "world")
        why = f" ({self._complaints[stamp]})" if stamp in self._complaints else ""
        return f"no answer from {stage} to the frame of {stamp / 1e9:.1f} s{why}"

    def spoilt(self, in_a_row: int) -> str:
        """The complaint about the last frame but one if so many in a row up to it were spoilt, else ""."""
        recent = list(self._published)[-in_a_row - 1 : -1]
        whole = len(recent) == in_a_row and all(stamp in self._complaints for stamp in recent)
        return self._complaints[recent[-1]] if whole else ""

    def frames(self, before_ns: int) -> int:
        """How many frames went out before a stamp that is among the newest."""
        return self._gone + sum(stamp < before_ns for stamp in self._published)

    def dropped(self, before_ns: int) -> int:
        """How many of them were not answered."""
        return self._gone_unanswered + sum(s < before_ns and s not in self._answered for s in self._published)

    def latency_ms(self) -> Percentiles:
        """p50 and p99 of every stage over the whole run."""
        return {stage: _percentiles(values) for stage, values in self._latency_ms.items()}

    def recent_latency_ms(self) -> Percentiles:
        """The same since this was asked last."""
        found = {stage: _percentiles(values[self._taken[stage] :]) for stage, values in self._latency_ms.items()}
        self._taken = {stage: len(values) for stage, values in self._latency_ms.items()}
        return found


def _percentiles(values: array[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p99": 0.0}
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}
