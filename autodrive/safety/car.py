"""What the gate does to a car's commands: steering and its rate, acceleration and jerk, braking to rest."""

from __future__ import annotations

import math

from autodrive.safety.emergency_brake import collision_imminent
from autodrive.safety.envelope import Envelope
from autodrive.safety.verdict import EMERGENCY, TOLERANCE, finite
from autodrive.scene import Command, EgoState, TrackedObject

STANDSTILL = 0.1
SOFT_STOP_S = 1.0


class CarBody:
    """Keeps a car's commands inside its envelope; its memory is the last output."""

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope
        self._steering = 0.0
        self._acceleration = 0.0

    @property
    def max_age_s(self) -> float:
        """How old commands, perception and odometry may be."""
        return self.envelope.max_age_s

    def faults(self, command: Command) -> list[str]:
        """What is wrong with a command, in words."""
        e = self.envelope
        if not finite(command.steering, command.acceleration, command.speed):
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

    def lost(self, ego: EgoState) -> str:
        """A car is never beyond help."""
        return ""

    def stop(self, now_ns: int, dt: float, ego: EgoState | None, stopping_s: float, at_once: bool) -> Command:
        """Brake to rest, wheels held; without trustworthy speed the brakes stay firm."""
        e = self.envelope
        soft = stopping_s < SOFT_STOP_S and not at_once
        wanted = -(e.stop_deceleration if soft else e.firm_stop_deceleration)
        if ego is not None and math.isfinite(ego.speed) and ego.speed < STANDSTILL:
            wanted = -e.hold_deceleration
        # an emergency braking in progress is not softened at once, nor is a firm one hardened at once
        self._acceleration = self._limit_acceleration(wanted, dt)
        return Command(now_ns, self._steering, self._acceleration, 0.0)

    def avoid(
        self, command: Command, now_ns: int, dt: float, ego: EgoState, tracks: tuple[TrackedObject, ...]
    ) -> tuple[Command, str, str] | None:
        """Full brakes where the present motion hits something about now."""
        if (hit := collision_imminent(ego, tracks, command)) is None:
            return None
        steering = self._limit_steering(command.steering, dt)
        self._acceleration = -self.envelope.emergency_deceleration
        output = Command(now_ns, steering, self._acceleration, 0.0, emergency=True)
        return output, EMERGENCY, f"about to hit track {hit}"

    def limit(self, command: Command, now_ns: int, dt: float) -> tuple[Command, bool]:
        """The nearest command that the envelope allows, and whether it is another one."""
        e = self.envelope
        steering = self._limit_steering(command.steering, dt)
        wanted = min(max(command.acceleration, -e.emergency_deceleration), e.max_acceleration)
        if command.emergency and wanted < self._acceleration:
            self._acceleration = wanted
        else:
            self._acceleration = self._limit_acceleration(wanted, dt)
        speed = min(max(command.speed, 0.0), e.max_speed)
        output = Command(now_ns, steering, self._acceleration, speed, command.emergency)
        return output, abs(steering - command.steering) > TOLERANCE or abs(self._acceleration - wanted) > TOLERANCE

    def _limit_steering(self, wanted: float, dt: float) -> float:
        e = self.envelope
        step = e.max_steering_rate * dt
        steering = min(max(wanted, self._steering - step), self._steering + step)
        self._steering = min(max(steering, -e.max_steering), e.max_steering)
        return self._steering

    def _limit_acceleration(self, wanted: float, dt: float) -> float:
        step = self.envelope.max_jerk * dt
        return min(max(wanted, self._acceleration - step), self._acceleration + step)
