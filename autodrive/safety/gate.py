"""The last gate before the actuators: only commands inside the envelope pass, and silence means stop.

Policy per fault: a command that is missing, not finite, outside the envelope, from the future or too old, and
perception or odometry that is too old or not finite, lead to braking to a standstill, first softly, then firmly,
with the wheels held where they are. The gate recovers by itself as soon as inputs are good again: nothing latches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autodrive.safety.emergency_brake import collision_imminent
from autodrive.safety.envelope import Envelope
from autodrive.scene import Command, EgoState, TrackedObject

STANDSTILL = 0.1
SOFT_STOP_S = 1.0
MAX_STEP_S = 0.2
# rounding in messages must not count as leaving the envelope
TOLERANCE = 1e-3

PASS, LIMITED, STOP, EMERGENCY = "pass", "limited", "stop", "emergency brake"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What may go to the actuators, the verdict (pass, limited, stop, emergency brake) and its causes."""

    command: Command
    verdict: str
    faults: tuple[str, ...]


class SafetyGate:
    """Filters commands; its memory is the last output and since when it has been stopping."""

    def __init__(self, envelope: Envelope | None = None) -> None:
        self.envelope = envelope or Envelope()
        self._steering = 0.0
        self._acceleration = 0.0
        self._last_ns: int | None = None
        self._fault_since_ns: int | None = None

    def filter(
        self,
        command: Command | None,
        now_ns: int,
        perception_stamp_ns: int | None,
        ego: EgoState | None,
        tracks: tuple[TrackedObject, ...] = (),
    ) -> GateResult:
        """Judge one command at ``now_ns``; the output is inside the envelope whatever comes in."""
        dt = 0.0 if self._last_ns is None else min(max((now_ns - self._last_ns) * 1e-9, 0.0), MAX_STEP_S)
        self._last_ns = now_ns
        faults = self._faults(command, now_ns, perception_stamp_ns, ego)
        if faults or command is None:
            return self._stop(now_ns, dt, ego, tuple(faults))
        self._fault_since_ns = None
        if ego is not None and (hit := collision_imminent(ego, tracks, command)) is not None:
            steering = self._limit_steering(command.steering, dt)
            self._acceleration = -self.envelope.emergency_deceleration
            output = Command(now_ns, steering, self._acceleration, 0.0, emergency=True)
            return GateResult(output, EMERGENCY, (f"about to hit track {hit}",))
        return self._limit(command, now_ns, dt)

    def _faults(
        self, command: Command | None, now_ns: int, perception_stamp_ns: int | None, ego: EgoState | None
    ) -> list[str]:
        faults = []
        if command is None:
            faults.append("no command")
        else:
            faults += self._range_faults(command)
            faults += self._age_fault("command", command.stamp_ns, now_ns)
        faults += self._age_fault("perception", perception_stamp_ns, now_ns)
        faults += self._age_fault("odometry", None if ego is None else ego.stamp_ns, now_ns)
        if ego is not None and not _finite(ego.pose.x, ego.pose.y, ego.pose.yaw, ego.speed, ego.yaw_rate):
            faults.append("odometry is not finite")
        return faults

    def _range_faults(self, command: Command) -> list[str]:
        e = self.envelope
        if not _finite(command.steering, command.acceleration, command.speed):
            return ["command is not finite"]
        faults = []
        if abs(command.steering) > e.max_steering + TOLERANCE:
            faults.append(f"steering {command.steering:.3f} rad is outside +-{e.max_steering}")
        deepest = e.emergency_deceleration if command.emergency else e.max_deceleration
        if not -deepest - TOLERANCE <= command.acceleration <= e.max_acceleration + TOLERANCE:
            faults.append(f"acceleration {command.acceleration:.2f} m/s2 is outside -{deepest}..{e.max_acceleration}")
        if not -TOLERANCE <= command.speed <= e.max_speed + TOLERANCE:
            faults.append(f"speed {command.speed:.2f} m/s is outside 0..{e.max_speed}")
        return faults

    def _age_fault(self, what: str, stamp_ns: int | None, now_ns: int) -> list[str]:
        if stamp_ns is None:
            return [f"no {what}"]
        age_s = (now_ns - stamp_ns) * 1e-9
        if age_s < -self.envelope.max_age_s:
            return [f"{what} is {-age_s:.2f} s from the future"]
        return [f"{what} is {age_s:.2f} s old"] if age_s > self.envelope.max_age_s else []

    def _stop(self, now_ns: int, dt: float, ego: EgoState | None, faults: tuple[str, ...]) -> GateResult:
        """Brake to rest, wheels held; without trustworthy speed the brakes stay firm."""
        e = self.envelope
        if self._fault_since_ns is None or now_ns < self._fault_since_ns:
            self._fault_since_ns = now_ns
        soft = (now_ns - self._fault_since_ns) * 1e-9 < SOFT_STOP_S
        wanted = -(e.stop_deceleration if soft else e.firm_stop_deceleration)
        if ego is not None and math.isfinite(ego.speed) and ego.speed < STANDSTILL:
            wanted = -e.hold_deceleration
        # an emergency braking in progress is not softened at once, nor is a firm one hardened at once
        self._acceleration = self._limit_acceleration(wanted, dt)
        return GateResult(Command(now_ns, self._steering, self._acceleration, 0.0), STOP, faults)

    def _limit(self, command: Command, now_ns: int, dt: float) -> GateResult:
        e = self.envelope
        steering = self._limit_steering(command.steering, dt)
        wanted = min(max(command.acceleration, -e.emergency_deceleration), e.max_acceleration)
        if command.emergency and wanted < self._acceleration:
            self._acceleration = wanted
        else:
            self._acceleration = self._limit_acceleration(wanted, dt)
        speed = min(max(command.speed, 0.0), e.max_speed)
        output = Command(now_ns, steering, self._acceleration, speed, command.emergency)
        changed = abs(steering - command.steering) > TOLERANCE or abs(self._acceleration - wanted) > TOLERANCE
        return GateResult(output, LIMITED if changed else PASS, ())

    def _limit_steering(self, wanted: float, dt: float) -> float:
        e = self.envelope
        step = e.max_steering_rate * dt
        steering = min(max(wanted, self._steering - step), self._steering + step)
        self._steering = min(max(steering, -e.max_steering), e.max_steering)
        return self._steering

    def _limit_acceleration(self, wanted: float, dt: float) -> float:
        step = self.envelope.max_jerk * dt
        return min(max(wanted, self._acceleration - step), self._acceleration + step)


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
