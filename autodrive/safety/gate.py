"""The last gate before the actuators: only commands inside the envelope pass, and silence means stop.

Policy per fault: a command that is missing, not finite, outside the envelope, from the future or too old, and
perception or odometry that is too old or not finite, lead to standstill in the way that the body stops best: a car
brakes softly, then firmly, with the wheels held where they are; a walker stands within half a second. The gate recovers
by itself as soon as inputs are good again. Only what a body cannot get out of by itself (a fall) latches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, overload

from autodrive.body import WalkCommand
from autodrive.safety.car import CarBody
from autodrive.safety.envelope import Envelope, WalkEnvelope
from autodrive.safety.verdict import EMERGENCY, LIMITED, PASS, STOP, finite
from autodrive.safety.walking import WalkingBody
from autodrive.scene import Command, EgoState, TrackedObject

MAX_STEP_S = 0.2
SEEN_WITHIN_S = 1.0  # what was seen longer ago is somewhere else by now


class Stamped(Protocol):
    """A command says which instant it is for."""

    @property
    def stamp_ns(self) -> int:
        """Nanoseconds."""


C = TypeVar("C", bound=Stamped)


class Body(Protocol[C]):
    """What the gate must know of the body behind it; every method that answers a command remembers its answer."""

    @property
    def max_age_s(self) -> float:
        """How old commands, perception and odometry may be."""

    def faults(self, command: C) -> list[str]:
        """What is wrong with a command, in words."""

    def lost(self, ego: EgoState) -> str:
        """Why the body cannot go on by itself, or an empty text."""

    def stop(self, now_ns: int, dt: float, ego: EgoState | None, stopping_s: float, at_once: bool) -> C:
        """Come to rest; ``stopping_s`` ago it began."""

    def avoid(
        self, command: C, now_ns: int, dt: float, ego: EgoState, tracks: tuple[TrackedObject, ...]
    ) -> tuple[C, str, str] | None:
        """The command that a danger asks for instead, the verdict and the cause; None without danger."""

    def limit(self, command: C, now_ns: int, dt: float) -> tuple[C, bool]:
        """The nearest command inside the envelope, and whether it is another one."""


@dataclass(frozen=True, slots=True)
class GateResult(Generic[C]):
    """What may go to the actuators, the verdict (``autodrive.safety.verdict``) and its causes."""

    command: C
    verdict: str
    faults: tuple[str, ...]


class SafetyGate(Generic[C]):
    """Filters commands; its memory is the body's last output, since when it has been stopping, and what latched."""

    @overload
    def __init__(self: SafetyGate[Command], envelope: Envelope | None = None) -> None: ...
    @overload
    def __init__(self: SafetyGate[WalkCommand], envelope: WalkEnvelope) -> None: ...
    def __init__(self, envelope: Envelope | WalkEnvelope | None = None) -> None:
        self._body: Body[Any] = (
            WalkingBody(envelope) if isinstance(envelope, WalkEnvelope) else CarBody(envelope or Envelope())
        )
        self._last_ns: int | None = None
        self._fault_since_ns: int | None = None
        self._latched = ""

    def filter(
        self,
        command: C | None,
        now_ns: int,
        perception_stamp_ns: int | None,
        ego: EgoState | None,
        tracks: tuple[TrackedObject, ...] = (),
        *,
        halt: bool = False,
        reasons: tuple[str, ...] = (),
        by_hand: bool = False,
    ) -> GateResult[C]:
        """Judge one command at ``now_ns``; the output is inside the envelope whatever comes in.

        ``halt`` stops as fast as the body can, in this very answer and as long as it is set; ``reasons`` of others
        (the supervisor) stop it like faults of the command. ``by_hand``: the command of an operator, who must
        be able to move a body whose stages are dead; it is kept inside the envelope and away from ``tracks``.
        """
        dt = 0.0 if self._last_ns is None else min(max((now_ns - self._last_ns) * 1e-9, 0.0), MAX_STEP_S)
        self._last_ns = now_ns
        if ego is not None and not self._latched:
            self._latched = self._body.lost(ego)
        faults = self._command_faults(command, now_ns)
        if not by_hand:
            faults = [*reasons, *faults, *self._sense_faults(now_ns, perception_stamp_ns, ego)]
        at_once = halt or self._latched != ""
        if at_once:
            faults = [reason for reason in (self._latched, "halted" if halt else "") if reason] + faults
        if faults or command is None:
            if self._fault_since_ns is None or now_ns < self._fault_since_ns:
                self._fault_since_ns = now_ns
            stopping_s = (now_ns - self._fault_since_ns) * 1e-9
            stop = self._body.stop(now_ns, dt, ego, stopping_s, at_once)
            seen = tracks if _is_recent(perception_stamp_ns, now_ns) else ()
            return self._stop_harder(stop, now_ns, dt, ego, seen, tuple(faults))
        self._fault_since_ns = None
        if ego is not None and (danger := self._body.avoid(command, now_ns, dt, ego, tracks)) is not None:
            output, verdict, cause = danger
            return GateResult(output, verdict, (cause,))
        output, changed = self._body.limit(command, now_ns, dt)
        return GateResult(output, LIMITED if changed else PASS, ())

    def _stop_harder(
        self,
        stop: Any,
        now_ns: int,
        dt: float,
        ego: EgoState | None,
        tracks: tuple[TrackedObject, ...],
        faults: tuple[str, ...],
    ) -> GateResult[C]:
        """A stop may be too soft for what is in the way, as far as that is known."""
        if ego is not None and tracks and (danger := self._body.avoid(stop, now_ns, dt, ego, tracks)) is not None:
            output, verdict, cause = danger
            return GateResult(output, verdict if verdict == EMERGENCY else STOP, (*faults, cause))
        return GateResult(stop, STOP, faults)

    def _command_faults(self, command: C | None, now_ns: int) -> list[str]:
        if command is None:
            return ["no command"]
        return [*self._body.faults(command), *self._age_fault("command", command.stamp_ns, now_ns)]

    def _sense_faults(self, now_ns: int, perception_stamp_ns: int | None, ego: EgoState | None) -> list[str]:
        faults = self._age_fault("perception", perception_stamp_ns, now_ns)
        faults += self._age_fault("odometry", None if ego is None else ego.stamp_ns, now_ns)
        if ego is not None and not finite(ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate):
            faults.append("odometry is not finite")
        return faults

    def _age_fault(self, what: str, stamp_ns: int | None, now_ns: int) -> list[str]:
        if stamp_ns is None:
            return [f"no {what}"]
        age_s, limit_s = (now_ns - stamp_ns) * 1e-9, self._body.max_age_s
        if age_s < -limit_s:
            return [f"{what} is {-age_s:.2f} s from the future"]
        return [f"{what} is {age_s:.2f} s old"] if age_s > limit_s else []


def _is_recent(stamp_ns: int | None, now_ns: int) -> bool:
    return stamp_ns is not None and 0 <= now_ns - stamp_ns <= SEEN_WITHIN_S * 1e9
