"""When a process that ended is started again: soon, then later and later, and after too many deaths no more."""

from __future__ import annotations

from autodrive_nodes.graph import SAFETY, SCORING, WORLD, Options

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 8.0
PATIENCE_S = 120.0  # deaths longer ago do not count
MOST_DEATHS = 5


def forgiving(options: Options) -> bool:
    """Whether a process may die without ending the run: where time goes on, and a gate stops the body meanwhile."""
    return options.mode == "realtime" and options.system in ("car", "humanoid")


def ends_the_run(options: Options, group: str) -> bool:
    """Whether nothing can go on without the group: the body's own bridge, and the judge of a simulated run."""
    return not forgiving(options) or group in (WORLD, SCORING)


def starts_again(options: Options, group: str) -> bool:
    """Whether the group is started again when it dies; a gate would not know why the body was stopped."""
    return not ends_the_run(options, group) and group != SAFETY


class Restarts:
    """Remembers the deaths of each process group."""

    def __init__(self) -> None:
        self._deaths: dict[str, list[float]] = {}
        self._due_s: dict[str, float] = {}
        self.given_up: list[str] = []
        self.count: dict[str, int] = {}

    def died(self, group: str, now_s: float) -> float | None:
        """In how many seconds the group will be due again; None: never, it died too often."""
        deaths = [at for at in self._deaths.get(group, []) if now_s - at < PATIENCE_S]
        self._deaths[group] = [*deaths, now_s]
        if len(deaths) >= MOST_DEATHS:
            self.given_up.append(group)
            return None
        delay_s: float = min(FIRST_DELAY_S * 2 ** len(deaths), LONGEST_DELAY_S)
        self._due_s[group] = now_s + delay_s
        return delay_s

    def take_due(self, now_s: float) -> list[str]:
        """The groups to start now, each handed out once."""
        due = [group for group, at in self._due_s.items() if at <= now_s]
        for group in due:
            del self._due_s[group]
            self.count[group] = self.count.get(group, 0) + 1
        return due
