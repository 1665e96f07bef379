"""What became of a fault: who noticed it and when, when the body began to stop and stood, and whether that is right.

Pure: it judges what was seen and said, with the simulated time at which that reached an observer outside the graph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autodrive.faults.campaign import CONTINUE, END, STOP, Fault

WARN, ERROR = 1, 2  # as in diagnostic_msgs/DiagnosticStatus
MENDS_ITSELF = ("killed",)
ORDER = "order"  # who says that the body is to stop: the gate, or a bridge that stops it by itself
SLACK_S = 0.5  # behind the envelope's timeout, the stop must be ordered
STRIDE_S = 1.0  # and so much longer than its braking may the body take to stand: jerk limits, the step that it is in
AFTER_S = 3.0  # behind the release of a body by its gate: what it touches later is ordinary driving
REGAINED_MPS = 0.3  # a body that gets faster by this is not stopping
UNSTEADY_MPS = 0.08  # speeds nearer to each other are the same
_FIGURES = re.compile(r"[\d.]+")


@dataclass(frozen=True, slots=True)
class Sample:
    """The body at a time [s]: by the truth. ``contacts`` are those that began then."""

    at_s: float
    speed: float
    contacts: tuple[str, ...] = ()
    fallen: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said at a time [s]; ``level`` as in DiagnosticStatus."""

    at_s: float
    who: str
    level: int
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """The same for what differs only in figures."""
        return self.who, _FIGURES.sub("#", self.text)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body must keep: a stop is ordered ``timeout_s`` + SLACK_S after a fault, braking by ``deceleration``."""

    timeout_s: float
    deceleration: float
    standing_mps: float


@dataclass(frozen=True)
class Course:
    """One fault as it went.

    ``before`` is what was said anyway; ``released_s`` when nothing held the body any more after it was mended and
    ``moving_s`` when it moved again, None if that did not happen; ``ended`` why the run ended
    meanwhile ("" while it goes on), ``hung`` that it had to be ended by force; ``effect``: how much the injector
    changed, None where that is not its doing.
    """

    fault: Fault
    at_s: float
    samples: Sequence[Sample]
    said: Sequence[Said]
    before: frozenset[tuple[str, str]] = frozenset()
    released_s: float | None = None
    moving_s: float | None = None
    ended: str = ""
    hung: bool = False
    effect: int | None = None


@dataclass(frozen=True)
class Outcome:
    """One row of the table; times in seconds after the fault, None where it did not happen.

    ``ordered_s``: somebody had the body stop; ``reacted_s``: by the truth, it was on its way to standstill.
    """

    fault: str
    expect: str
    detected_s: float | None
    detected_by: str
    reaction: str
    ordered_s: float | None
    reacted_s: float | None
    standing_s: float | None
    moving_s: float | None
    contacts: tuple[str, ...]
    later_contacts: tuple[str, ...]
    fell: bool
    outcome: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as it should be."""
        return not self.problems


def judge(course: Course, bounds: Bounds) -> Outcome:
    """The verdict on one fault."""
    fault, at_s = course.fault, course.at_s
    first = next((said for said in course.said if said.level >= WARN and said.key not in course.before), None)
    begun_s, standing_s = stopping(course.samples, at_s, bounds.standing_mps)
    until_s = math.inf if course.released_s is None else course.released_s + AFTER_S
    fell = any(sample.fallen for sample in course.samples if sample.at_s >= at_s)
    row = Outcome(
        fault=fault.name,
        expect=fault.expect,
        detected_s=None if first is None else max(first.at_s - at_s, 0.0),
        detected_by="" if first is None else f"{first.who}: {first.text}",
        reaction=_reaction(course, begun_s),
        ordered_s=_since(next((said.at_s for said in course.said if said.who == ORDER), None), at_s),
        reacted_s=_since(begun_s, at_s),
        standing_s=_since(standing_s, at_s),
        moving_s=_since(course.moving_s, at_s),
        contacts=_contacts(course, at_s, until_s),
        later_contacts=_contacts(course, until_s, math.inf),
        fell=fell,
        outcome=_outcome(course, standing_s),
        problems=(),
    )
    return replace(row, problems=tuple(_problems(course, row, bounds)))


def untried(fault: Fault, why: str) -> Outcome:
    """The row of a fault that could not be made."""
    never = (None, "", "", None, None, None, None)
    return Outcome(fault.name, fault.expect, *never, (), (), False, "not tried", (why,))


def stopping(samples: Sequence[Sample], at_s: float, standing_mps: float) -> tuple[float | None, float | None]:
    """When after ``at_s`` the body last began to stop, and when it stood [s]; None, None if it never stood."""
    after = [sample for sample in samples if sample.at_s >= at_s]
    stood = next((k for k, sample in enumerate(after) if abs(sample.speed) <= standing_mps), None)
    if stood is None:
        return None, None
    top, first = 0.0, stood
    for k in range(stood, -1, -1):
        if abs(after[k].speed) < top - REGAINED_MPS:
            break  # it got faster after this: no stop had begun
        top, first = max(top, abs(after[k].speed)), k
    begun = max(k for k in range(first, stood + 1) if abs(after[k].speed) >= top - UNSTEADY_MPS)
    return after[begun].at_s, after[stood].at_s


def _contacts(course: Course, from_s: float, until_s: float) -> tuple[str, ...]:
    return tuple(
        f"{contact} after {sample.at_s - course.at_s:.1f} s at {abs(sample.speed):.1f} m/s"
        for sample in course.samples
        if from_s <= sample.at_s < until_s
        for contact in sample.contacts
    )


def _since(time_s: float | None, at_s: float) -> float | None:
    return None if time_s is None else max(time_s - at_s, 0.0)


def _reaction(course: Course, begun_s: float | None) -> str:
    asked = [said.text for said in course.said if said.who == ORDER]
    for reaction in ("emergency", "comfort"):
        if reaction in asked:
            return f"{reaction} stop"
    return "stop" if begun_s is not None else "none"


def _outcome(course: Course, standing_s: float | None) -> str:
    if course.hung:
        return "hung"
    if course.ended:
        return f"run ended: {course.ended}"
    if course.moving_s is not None:
        return "stopped, recovered" if standing_s is not None else "went on"
    return "stands" if standing_s is not None else "did not stop"


def _problems(course: Course, outcome: Outcome, bounds: Bounds) -> list[str]:
    fault, found = course.fault, []
    if outcome.contacts:
        found.append(f"collision with {', '.join(outcome.contacts)}")
    if outcome.fell:
        found.append("it fell")
    if course.hung:
        found.append("the run had to be ended by force")
    if course.effect == 0:
        found.append("nothing was faulted: there was nothing to fault")
    if fault.noticed and outcome.detected_s is None and not course.ended:
        found.append("nobody noticed")
    if fault.says and not any(re.search(fault.says, said.text) for said in course.said):
        found.append(f"nobody said anything like {fault.says!r}")
    if course.ended and fault.expect != END:
        found.append("the run ended")
    if fault.expect == END and not course.ended:
        found.append("the run went on")
    if fault.expect == STOP and not course.ended:
        found += _stop_problems(course, outcome, bounds)
    if fault.expect in (STOP, CONTINUE) and not fault.final and outcome.moving_s is None and not course.ended:
        words = [said for said in course.said if said.level >= WARN]
        last = f"{words[-1].text}, after {words[-1].at_s - course.at_s:.1f} s" if words else "nothing was said"
        found.append(f"it did not move again (last word: {last})")
    return found


def _stop_problems(course: Course, outcome: Outcome, bounds: Bounds) -> list[str]:
    most_s = bounds.timeout_s + SLACK_S
    if outcome.standing_s is None:
        # a process that is there again soon ends its fault by itself, perhaps before the body stands
        mended = course.fault.kind in MENDS_ITSELF and outcome.ordered_s is not None and outcome.ordered_s <= most_s
        return [] if mended and course.released_s is not None else ["it did not stop"]
    found = []
    # a body that was about to stand anyway needs no order
    if outcome.standing_s > most_s and (outcome.ordered_s is None or outcome.ordered_s > most_s):
        late = "never" if outcome.ordered_s is None else f"after {outcome.ordered_s:.2f} s"
        found.append(f"the stop was ordered {late}, not within {most_s:.2f} s")
    speed = next((abs(s.speed) for s in course.samples if s.at_s >= course.at_s), 0.0)
    needed_s = most_s + STRIDE_S + speed / bounds.deceleration
    if outcome.standing_s > needed_s:
        found.append(f"it stood after {outcome.standing_s:.2f} s, more than {needed_s:.2f} s")
    return found
