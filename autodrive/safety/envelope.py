"""What the actuators may ever be asked: limits read from config/envelopes/*.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, overload

from autodrive.errors import ConfigError
from autodrive.yaml_file import read_yaml


@dataclass(frozen=True, slots=True)
class Envelope:
    """Limits of a car's commands. SI units, radians; every limit is positive."""

    max_steering: float = 0.60
    max_steering_rate: float = 0.60
    max_speed: float = 14.0
    max_acceleration: float = 2.5
    max_deceleration: float = 6.5
    max_jerk: float = 15.0  # emergencies are exempt
    emergency_deceleration: float = 7.5
    stop_deceleration: float = 2.0  # of the first second after a fault
    firm_stop_deceleration: float = 4.0
    hold_deceleration: float = 1.0  # at standstill
    max_age_s: float = 0.5  # of commands, perception and odometry
    min_rate_hz: float = 2.0  # of every stage, in realtime (autodrive/safety/supervisor.py)
    max_jump: float = 1.5  # of the pose, beyond what the speed explains
    max_tracking_error: float = 2.0  # distance between body and plan
    latch_after_s: float = 3.0  # a fault that stays so long needs an operator

    def __post_init__(self) -> None:
        _check_positive(self)
        if not self.stop_deceleration <= self.firm_stop_deceleration <= self.emergency_deceleration:
            raise ConfigError(
                "envelope: needs stop_deceleration <= firm_stop_deceleration <= emergency_deceleration, got "
                f"{self.stop_deceleration}, {self.firm_stop_deceleration}, {self.emergency_deceleration}"
            )
        if self.max_deceleration > self.emergency_deceleration:
            raise ConfigError(
                f"envelope: max_deceleration {self.max_deceleration} exceeds "
                f"emergency_deceleration {self.emergency_deceleration}"
            )


@dataclass(frozen=True, slots=True)
class WalkEnvelope:
    """Limits of a walker's commands and posture. SI units, radians; every limit is positive."""

    max_forward: float = 0.6
    max_backward: float = 0.3
    max_sideways: float = 0.3
    max_yaw_rate: float = 0.9
    max_acceleration: float = 1.2
    max_yaw_acceleration: float = 3.0
    stop_deceleration: float = 4.0
    stop_yaw_deceleration: float = 8.0
    max_age_s: float = 0.35  # of commands, perception and odometry; standing takes the rest of half a second
    body_radius: float = 0.28  # around base_link
    person_distance: float = 0.35  # nearer than this to a person's box the body approaches no further
    person_reach: float = 3.0  # further people are left to the planner
    person_reaction_s: float = 0.3
    person_deceleration: float = 1.0
    max_tilt: float = 0.8  # beyond these it counts as fallen
    max_drop: float = 0.30
    min_rate_hz: float = 2.0  # of every stage, in realtime (autodrive/safety/supervisor.py)
    max_jump: float = 0.5  # of the pose, beyond what the speed explains
    max_tracking_error: float = 1.0  # distance between body and plan
    latch_after_s: float = 3.0  # a fault that stays so long needs an operator

    def __post_init__(self) -> None:
        _check_positive(self)
        if self.max_age_s >= 0.5:
            raise ConfigError(f"envelope: max_age_s must be below 0.5 s to stand within it, got {self.max_age_s}")


BODIES: dict[str, type[Envelope] | type[WalkEnvelope]] = {"car": Envelope, "humanoid": WalkEnvelope}
E = TypeVar("E", Envelope, WalkEnvelope)


@overload
def load_envelope(path: Path) -> Envelope: ...
@overload
def load_envelope(path: Path, kind: type[E]) -> E: ...
def load_envelope(path: Path, kind: type[Any] = Envelope) -> Any:
    """Read an envelope of ``kind``; keys that are absent keep their default.

    ``body`` says whose envelope it is (a car's where absent). Raises ConfigError naming the file and the key.
    """
    wanted = next(name for name, body in BODIES.items() if body is kind)
    document = read_yaml(path, "envelope file", hint=f"the shipped one is config/envelopes/{wanted}.yaml")
    if not isinstance(document, dict):
        raise ConfigError(f"envelope file {path}: expected a mapping of limits, got {type(document).__name__}")
    body = document.pop("body", "car")
    if body != wanted:
        raise ConfigError(f"envelope file {path}: body is {body!r}, expected {wanted!r}; known are {sorted(BODIES)}")
    known = {field.name for field in fields(kind)}
    if unknown := {str(key) for key in document} - known:
        raise ConfigError(f"envelope file {path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
    try:
        return kind(**document)
    except ConfigError as error:
        raise ConfigError(f"envelope file {path}: {error}") from error


def _check_positive(envelope: Envelope | WalkEnvelope) -> None:
    for field in fields(envelope):
        value = getattr(envelope, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
            raise ConfigError(f"envelope: {field.name} must be a positive number, got {value!r}")
