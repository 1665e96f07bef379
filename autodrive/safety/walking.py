"""What the gate does to walking commands: speeds and accelerations per axis, distance to people, standing still."""

from __future__ import annotations

import math

from autodrive.body import WalkCommand
from autodrive.safety.envelope import WalkEnvelope
from autodrive.safety.fall import fallen
from autodrive.safety.people_distance import keep_distance, share_allowed
from autodrive.safety.verdict import DISTANCE, TOLERANCE, finite
from autodrive.scene import EgoState, TrackedObject

STAND_WITHIN_S = 0.5


class WalkingBody:
    """Keeps walking commands inside their envelope; its memory is the last output."""

    def __init__(self, envelope: WalkEnvelope) -> None:
        self.envelope = envelope
        self._last = (0.0, 0.0, 0.0)

    @property
    def max_age_s(self) -> float:
        """How old commands, perception and odometry may be."""
        return self.envelope.max_age_s

    def faults(self, command: WalkCommand) -> list[str]:
        """What is wrong with a command, in words."""
        e = self.envelope
        if not finite(command.vx, command.vy, command.yaw_rate):
            return ["command is not finite"]
        faults = []
        if not -e.max_backward - TOLERANCE <= command.vx <= e.max_forward + TOLERANCE:
            faults.append(f"vx {command.vx:.2f} m/s is outside -{e.max_backward}..{e.max_forward}")
        if abs(command.vy) > e.max_sideways + TOLERANCE:
            faults.append(f"vy {command.vy:.2f} m/s is outside +-{e.max_sideways}")
        if abs(command.yaw_rate) > e.max_yaw_rate + TOLERANCE:
            faults.append(f"yaw rate {command.yaw_rate:.2f} rad/s is outside +-{e.max_yaw_rate}")
        return faults

    def lost(self, ego: EgoState) -> str:
        """Why this body cannot go on by itself: it fell."""
        return fallen(ego.roll, ego.pitch, ego.rise, self.envelope)

    def stop(self, now_ns: int, dt: float, ego: EgoState | None, stopping_s: float, at_once: bool) -> WalkCommand:
        """Stand still: at once, or by a short ramp that ends within half a second of the last good input."""
        if at_once or stopping_s >= STAND_WITHIN_S - self.max_age_s - TOLERANCE:
            return self._say(now_ns, 0.0, 0.0, 0.0)
        e = self.envelope
        step, yaw_step = e.stop_deceleration * dt, e.stop_yaw_deceleration * dt
        vx, vy, yaw_rate = self._last
        return self._say(now_ns, _towards_zero(vx, step), _towards_zero(vy, step), _towards_zero(yaw_rate, yaw_step))

    def avoid(
        self, command: WalkCommand, now_ns: int, dt: float, ego: EgoState, tracks: tuple[TrackedObject, ...]
    ) -> tuple[WalkCommand, str, str] | None:
        """Take out of the command what leads too near to people; turning and stepping away remain."""
        nearer = keep_distance(ego, tracks, (command.vx, command.vy), self.envelope)
        if nearer is None:
            return None
        vx, vy, who = nearer
        limited = self._limited(vx, vy, command.yaw_rate, dt)
        # a ramp that still leads there is no excuse: towards people the body slows down at once
        share = share_allowed(ego, tracks, limited[:2], self.envelope)
        output = self._say(now_ns, share * limited[0], share * limited[1], limited[2])
        return output, DISTANCE, f"too near to track {who}"

    def limit(self, command: WalkCommand, now_ns: int, dt: float) -> tuple[WalkCommand, bool]:
        """The nearest command that the envelope allows, and whether it is another one."""
        limited = self._limited(command.vx, command.vy, command.yaw_rate, dt)
        wanted = (command.vx, command.vy, command.yaw_rate)
        changed = any(abs(a - b) > TOLERANCE for a, b in zip(limited, wanted, strict=True))
        return self._say(now_ns, *limited), changed

    def _limited(self, vx: float, vy: float, yaw_rate: float, dt: float) -> tuple[float, float, float]:
        e, (last_x, last_y, last_yaw) = self.envelope, self._last
        vx = min(max(vx, -e.max_backward), e.max_forward)
        vy = min(max(vy, -e.max_sideways), e.max_sideways)
        yaw_rate = min(max(yaw_rate, -e.max_yaw_rate), e.max_yaw_rate)
        return (
            _approach(last_x, vx, e.max_acceleration * dt, e.stop_deceleration * dt),
            _approach(last_y, vy, e.max_acceleration * dt, e.stop_deceleration * dt),
            _approach(last_yaw, yaw_rate, e.max_yaw_acceleration * dt, e.stop_yaw_deceleration * dt),
        )

    def _say(self, now_ns: int, vx: float, vy: float, yaw_rate: float) -> WalkCommand:
        self._last = (vx, vy, yaw_rate)
        return WalkCommand(now_ns, vx, vy, yaw_rate)


def _towards_zero(value: float, step: float) -> float:
    return math.copysign(max(abs(value) - step, 0.0), value)


def _approach(last: float, wanted: float, faster: float, slower: float) -> float:
    """``wanted`` as far as one step allows: ``faster`` away from zero, ``slower`` towards it."""
    if wanted * last < 0:
        return _towards_zero(last, slower)
    if abs(wanted) < abs(last):
        return math.copysign(max(abs(wanted), abs(last) - slower), last)
    return math.copysign(min(abs(wanted), abs(last) + faster), wanted)
