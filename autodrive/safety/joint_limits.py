"""The last check of every joint command, legs too: whatever a policy or the arms ask, joints stay inside their limits.

Small excesses are cut off: a policy's targets are springs, not places, and now and then lie beyond a stop. What no
policy would ask (joints missing, values not finite, far outside) is refused as a whole: the last good command is held,
and after a few refusals in a row the guard says why the body should be stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from autodrive.body import JointCommand
from autodrive.errors import ConfigError
from autodrive.geometry import Array
from autodrive.safety.verdict import LIMITED, PASS, TOLERANCE

HELD = "held"
MAX_STEP_S = 0.1


@dataclass(frozen=True)
class JointLimits:
    """Limits (J,) of the joints ``names``: position [rad], rate of the position target [rad/s], effort [N m]."""

    names: tuple[str, ...]
    lower: Array
    upper: Array
    velocity: Array
    effort: Array

    def __post_init__(self) -> None:
        count = len(self.names)
        if count == 0 or len(set(self.names)) != count:
            raise ConfigError(f"joint limits: names must be unique and not empty, got {list(self.names)}")
        for field in fields(self)[1:]:
            values = getattr(self, field.name)
            if not (isinstance(values, np.ndarray) and values.shape == (count,) and np.isfinite(values).all()):
                raise ConfigError(f"joint limits: {field.name} needs {count} finite numbers, got {values!r}")
        if bad := [n for n, a, b in zip(self.names, self.lower, self.upper, strict=True) if not a < b]:
            raise ConfigError(f"joint limits: lower must be below upper, it is not for {bad}")
        if not ((self.velocity > 0).all() and (self.effort > 0).all()):
            raise ConfigError("joint limits: velocity and effort must be positive")


@dataclass(frozen=True, slots=True)
class JointVerdict:
    """What may go to the joints, the verdict (pass, limited, held) and why; ``fault`` once too much was refused.

    ``command`` is None only as long as there was no good one yet.
    """

    command: JointCommand | None
    verdict: str
    reason: str
    fault: str = ""


class JointGuard:
    """Checks joint commands; its memory is the last output and how many in a row were refused."""

    def __init__(
        self, limits: JointLimits, *, far_rad: float = 1.0, far_effort: float = 3.0, patience: int = 5
    ) -> None:
        self.limits = limits
        self._far_rad, self._far_effort, self._patience = far_rad, far_effort, patience
        self._last: JointCommand | None = None
        self._refused = 0

    def check(self, command: JointCommand | None, now_ns: int) -> JointVerdict:
        """Judge the command for ``now_ns``; the output is inside the limits whatever comes in.

        Targets more than ``far_rad`` outside or efforts above ``far_effort`` times the limit are refused, as are wrong
        names, shapes and values that are not finite. ``patience`` refusals in a row are a fault.
        """
        if command is None or (reason := self._refusal(command)) != "":
            return self._hold("no joint command" if command is None else reason, now_ns)
        self._refused = 0
        limits = self.limits
        position = np.clip(command.position, limits.lower, limits.upper)
        if self._last is not None:
            dt = min(max((now_ns - self._last.stamp_ns) * 1e-9, 0.0), MAX_STEP_S)
            step = limits.velocity * dt
            position = np.clip(position, self._last.position - step, self._last.position + step)
        effort = np.clip(command.effort, -limits.effort, limits.effort)
        moved = np.abs(position - command.position) > TOLERANCE
        changed = moved | (np.abs(effort - command.effort) > TOLERANCE)
        self._last = JointCommand(now_ns, limits.names, position, effort)
        if not changed.any():
            return JointVerdict(self._last, PASS, "")
        joints = [name for name, cut in zip(limits.names, changed, strict=True) if cut]
        return JointVerdict(self._last, LIMITED, "at the limit: " + ", ".join(joints))

    def _refusal(self, command: JointCommand) -> str:
        """Why a command as a whole is not to be trusted, or an empty text."""
        limits, count = self.limits, len(self.limits.names)
        if command.names != limits.names:
            missing, unknown = set(limits.names) - set(command.names), set(command.names) - set(limits.names)
            return f"joints differ: missing {sorted(missing)}, unknown {sorted(unknown)}, or in another order"
        for what in ("position", "effort"):
            values = getattr(command, what)
            if values.shape != (count,):
                return f"{what} has shape {values.shape}, expected ({count},)"
            if not np.isfinite(values).all():
                return f"{what} of {self._name(~np.isfinite(values))} is not finite"
        outside = np.maximum(limits.lower - command.position, command.position - limits.upper)
        if (outside > self._far_rad).any():
            return f"position of {self._name(outside > self._far_rad)} is {outside.max():.2f} rad outside its limits"
        if (far := np.abs(command.effort) > self._far_effort * limits.effort).any():
            return f"effort of {self._name(far)} is more than {self._far_effort:g} times its limit"
        return ""

    def _name(self, mask: NDArray[np.bool_]) -> str:
        return self.limits.names[int(np.argmax(mask))]

    def _hold(self, reason: str, now_ns: int) -> JointVerdict:
        self._refused += 1
        fault = f"{self._refused} joint commands in a row refused: {reason}" if self._refused >= self._patience else ""
        if self._last is not None:
            self._last = JointCommand(now_ns, self._last.names, self._last.position, self._last.effort)
        return JointVerdict(self._last, HELD, reason, fault)
