"""What the stages last said and how often they failed since: the supervisor's ears."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FAILURES = 3  # a single spoilt frame is bridged by the last command; so many in a row are a stage that fails


class StageWatch:
    """Heartbeats (stamps of answers) and complaints of those stages that it was made for; others are ignored."""

    def __init__(self, stages: Iterable[str]) -> None:
        self.stages = tuple(stages)
        self._beats: dict[str, int] = {}
        self._complaints: dict[str, list[tuple[int, str]]] = {stage: [] for stage in self.stages}

    @property
    def stamps(self) -> Mapping[str, int]:
        """The newest stamp of each stage that has answered."""
        return self._beats

    @property
    def errors(self) -> Mapping[str, str]:
        """Why those stages fail that failed FAILURES times or more since their last answer."""
        return {stage: told[-1][1] for stage, told in self._complaints.items() if len(told) >= FAILURES}

    def beat(self, stage: str, stamp_ns: int) -> None:
        """A stage answered the frame of ``stamp_ns``, which makes up for what it complained of before."""
        if stage in self._complaints:
            self._beats[stage] = stamp_ns
            self._complaints[stage] = [item for item in self._complaints[stage] if item[0] > stamp_ns]

    def complain(self, stage: str, stamp_ns: int, text: str) -> None:
        """A stage said that it could not answer the frame of ``stamp_ns``; more than once for one frame counts once."""
        told = self._complaints.get(stage)
        if told is not None and (not told or told[-1][0] != stamp_ns):
            told.append((stamp_ns, text))
            del told[:-FAILURES]
