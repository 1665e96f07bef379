"""What the actuators may ever be asked: limits read from config/envelopes/*.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from autodrive.errors import ConfigError


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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not (math.isfinite(value) and value > 0)
            ):
                raise ConfigError(f"envelope: {field.name} must be a positive number, got {value!r}")
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


def load_envelope(path: Path) -> Envelope:
    """Read an envelope; keys that are absent keep their default. Raises ConfigError naming the file and the key."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"envelope file {path}: {error.strerror}; the shipped one is config/envelopes/car.yaml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"envelope file {path} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"envelope file {path}: expected a mapping of limits, got {type(document).__name__}")
    known = {field.name for field in fields(Envelope)}
    if unknown := {str(key) for key in document} - known:
        raise ConfigError(f"envelope file {path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
    try:
        return Envelope(**document)
    except ConfigError as error:
        raise ConfigError(f"envelope file {path}: {error}") from error
