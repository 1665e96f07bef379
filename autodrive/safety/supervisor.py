"""Watches the stages and the body's own motion, and says when to stop, how hard, and whether for good.

A pure state machine over the body's time. A stage is watched by its rate, not only by when it was last heard: one that
stutters is as little to be driven by as one that is gone. What passes in a moment is forgiven; a fault that stays, or
one after which the body no longer knows where it is, latches until an operator resets it at standstill.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Protocol

from autodrive.scene import EgoState

WINDOW_NS = 1_000_000_000
MAX_CLOCK_STEP_NS = 1_000_000_000
STANDING_MPS = 0.1


class Reaction(IntEnum):
    """How the body is to stop, the harder the greater."""

    NONE = 0
    COMFORT = 1
    EMERGENCY = 2


class SupervisorLimits(Protocol):
    """What of an envelope the supervisor goes by; every body's envelope has it."""

    @property
    def max_age_s(self) -> float:
        """How long ago [s] a stage's newest answer may be, by the stamp of the exposure that it was made from."""

    @property
    def min_rate_hz(self) -> float:
        """Answers per second below which a stage stutters."""

    @property
    def max_jump(self) -> float:
        """How far [m] the pose may move between two odometries beyond what the speed explains."""

    @property
    def max_tracking_error(self) -> float:
        """How far [m] the body may be from its plan."""

    @property
    def latch_after_s(self) -> float:
        """How long [s] a fault may stay before it latches."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known at ``now_ns``: ``stamps`` are the newest stamp of each stage that has spoken, ``errors`` what
    stages say of themselves (an engine that fails says it so), ``tracking_error`` [m] is None without a plan.
    """

    now_ns: int
    stamps: Mapping[str, int]
    ego: EgoState | None
    errors: Mapping[str, str] = field(default_factory=dict)
    tracking_error: float | None = None
    operator_stop: bool = False
    operator_reset: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong: ``key`` names it for good, ``text`` says it with figures."""

    key: str
    reaction: Reaction
    text: str


@dataclass(frozen=True, slots=True)
class State:
    """``armed``: everything has been well once, before which nothing latches. ``since``: when each fault began."""

    armed: bool = False
    now_ns: int | None = None
    began_ns: int | None = None
    beats: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ego: EgoState | None = None
    since: Mapping[str, int] = field(default_factory=dict)
    latched: Mapping[str, Fault] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How to stop, and every reason: present faults, then what latched before."""

    reaction: Reaction
    reasons: tuple[str, ...]


def supervise(
    state: State, seen: Observation, stages: tuple[str, ...], limits: SupervisorLimits
) -> tuple[State, Verdict]:
    """One step. ``stages`` are those that must answer; the new state and what is to be done."""
    clock = _clock_fault(state, seen)
    if clock:
        state = replace(state, beats={}, began_ns=None, ego=None, since={})
    began_ns = seen.now_ns if state.began_ns is None else state.began_ns
    beats = {stage: _heard(state.beats.get(stage, ()), seen.stamps.get(stage), seen.now_ns) for stage in stages}
    faults = [
        *clock,
        *(fault for stage in stages for fault in _stage_faults(stage, beats[stage], seen, began_ns, limits)),
        *_motion_faults(state.ego, seen, limits),
    ]
    since = {fault.key: state.since.get(fault.key, seen.now_ns) for fault in faults}
    latched = dict(state.latched)
    if state.armed:
        latched |= {f.key: f for f in faults if _latches(f, seen.now_ns - since[f.key], limits)}
    if seen.operator_reset and not faults and _standing(seen.ego):
        latched = {}
    after = State(
        state.armed or not faults, seen.now_ns, began_ns, beats, _last_sane(state.ego, seen.ego), since, latched
    )
    return after, _verdict(faults, latched)


def _verdict(faults: list[Fault], latched: Mapping[str, Fault]) -> Verdict:
    present = {fault.key for fault in faults}
    old = [fault for key, fault in latched.items() if key not in present]
    reaction = max((fault.reaction for fault in (*faults, *old)), default=Reaction.NONE)
    return Verdict(reaction, (*(f.text for f in faults), *(f"latched: {f.text}" for f in old)))


def _latches(fault: Fault, lasted_ns: int, limits: SupervisorLimits) -> bool:
    return fault.reaction == Reaction.EMERGENCY or fault.key == "operator" or lasted_ns * 1e-9 >= limits.latch_after_s


def _clock_fault(state: State, seen: Observation) -> list[Fault]:
    if state.now_ns is None:
        return []
    step_ns = seen.now_ns - state.now_ns
    if 0 <= step_ns <= MAX_CLOCK_STEP_NS:
        return []
    return [Fault("clock", Reaction.EMERGENCY, f"the clock jumped by {step_ns * 1e-9:.2f} s")]


def _heard(beats: tuple[int, ...], stamp_ns: int | None, now_ns: int) -> tuple[int, ...]:
    """Stamps within the window; what is repeated or comes late does not count, it is no sign of life."""
    if stamp_ns is not None and stamp_ns <= now_ns and (not beats or stamp_ns > beats[-1]):
        beats = (*beats, stamp_ns)
    return tuple(beat for beat in beats[:-1] if now_ns - beat < WINDOW_NS) + beats[-1:]


def _stage_faults(
    stage: str, beats: tuple[int, ...], seen: Observation, began_ns: int, limits: SupervisorLimits
) -> list[Fault]:
    if text := seen.errors.get(stage):
        return [Fault(f"{stage} fails", Reaction.COMFORT, f"{stage} fails: {text}")]
    if not beats:
        return [Fault(f"{stage} silent", Reaction.COMFORT, f"{stage} has not spoken")]
    age_s = (seen.now_ns - beats[-1]) * 1e-9
    if age_s > limits.max_age_s:
        return [Fault(f"{stage} silent", Reaction.COMFORT, f"{stage} is silent for {age_s:.2f} s")]
    recent = sum(seen.now_ns - beat < WINDOW_NS for beat in beats)
    if seen.now_ns - began_ns >= WINDOW_NS and recent < limits.min_rate_hz * WINDOW_NS * 1e-9:
        return [Fault(f"{stage} slow", Reaction.COMFORT, f"{stage} answers at {recent} Hz, needs {limits.min_rate_hz}")]
    return []


def _motion_faults(last: EgoState | None, seen: Observation, limits: SupervisorLimits) -> list[Fault]:
    faults = []
    if seen.operator_stop:
        faults.append(Fault("operator", Reaction.COMFORT, "stopped by the operator"))
    ego = seen.ego
    if ego is not None and not _sane(ego):
        faults.append(Fault("odometry", Reaction.EMERGENCY, "odometry is not finite"))
    elif ego is not None and last is not None and (far := _jump(last, ego)) > limits.max_jump:
        faults.append(Fault("jump", Reaction.EMERGENCY, f"the pose jumped by {far:.2f} m"))
    error = seen.tracking_error
    if error is not None and not error <= limits.max_tracking_error:
        faults.append(Fault("tracking", Reaction.COMFORT, f"{error:.2f} m away from the plan"))
    return faults


def _jump(last: EgoState, ego: EgoState) -> float:
    """How much further [m] the pose moved than the greater of both speeds explains."""
    moved = math.hypot(ego.pose.x - last.pose.x, ego.pose.y - last.pose.y)
    speed = max(math.hypot(s.speed, s.lateral_speed) for s in (last, ego))
    return moved - speed * abs(ego.stamp_ns - last.stamp_ns) * 1e-9


def _sane(ego: EgoState) -> bool:
    return all(map(math.isfinite, (ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.lateral_speed, ego.yaw_rate)))


def _last_sane(last: EgoState | None, ego: EgoState | None) -> EgoState | None:
    return ego if ego is not None and _sane(ego) else last


def _standing(ego: EgoState | None) -> bool:
    return ego is not None and _sane(ego) and math.hypot(ego.speed, ego.lateral_speed) < STANDING_MPS
