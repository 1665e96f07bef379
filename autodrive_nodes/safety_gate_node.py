"""The last word before the actuators: limits, staleness, and a brake of its own.

In lockstep it answers every frame, also one that a stage said it failed at: with the last command while that is fresh,
then by braking. Silence without a word is noticed in realtime, where time goes on by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from autodrive.safety.envelope import Envelope, load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.scene import EgoState, TrackedObject
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import StageNode

SILENCE_NS = 150_000_000


class GateNode(StageNode):
    """command, odometry, tracks -> command, for any body; ``stages`` are the nodes whose failures it answers."""

    defaults = {"envelope": "", "stages": [""]}  # noqa: RUF012
    wanted: ClassVar[Topic]
    allowed: ClassVar[Topic]
    envelope: ClassVar[type[Any]]
    halt = False

    @staticmethod
    def from_message(message: Any) -> Any:
        """A command as the library knows it."""
        raise NotImplementedError

    @staticmethod
    def to_message(command: Any) -> Any:
        """A command as a message of ``allowed``."""
        raise NotImplementedError

    def setup(self) -> None:
        """Load the envelope."""
        self._stages = frozenset(self.value("stages"))
        self._gate: SafetyGate[Any] = SafetyGate(load_envelope(Path(self.value("envelope")), self.envelope))
        self._command: Any = None
        self._ego: EgoState | None = None
        self._tracks: tuple[TrackedObject, ...] = ()
        self._tracks_ns: int | None = None
        self._now_ns, self._said_ns = 0, 0
        self._verdict = ""
        self._out = self.say(self.allowed)
        if self.lockstep:
            self.hear_together(
                {
                    "command": (self.wanted, self.from_message),
                    "ego": (contracts.ODOMETRY, messages.from_odometry),
                    "tracks": (contracts.TRACKS, tracks_from_bytes),
                },
                self._on_frame,
            )
            self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        else:
            self.hear(contracts.ODOMETRY, self._on_odometry)
            self.hear(contracts.TRACKS, self._on_tracks, raw=True)
            self.hear(self.wanted, self._on_command)
            self.hear(contracts.CLOCK, self._on_clock)

    def _on_frame(self, stamp_ns: int, v: dict[str, Any]) -> None:
        self._ego, self._command = v["ego"], v["command"]
        self._tracks, self._tracks_ns = v["tracks"], stamp_ns
        self._now_ns = stamp_ns
        self._speak()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        failed = any(s.level == DiagnosticStatus.ERROR and s.name in self._stages for s in message.status)
        if failed and stamp_ns > self._said_ns:
            self._now_ns = stamp_ns
            self._speak()

    def _on_odometry(self, message: Any) -> None:
        self._ego = messages.from_odometry(message)

    def _on_tracks(self, data: bytes) -> None:
        self._tracks, self._tracks_ns = tracks_from_bytes(data), messages.stamp_of(data)

    def _on_command(self, message: Any) -> None:
        self._command = self.from_message(message)
        self._now_ns = max(self._now_ns, self._command.stamp_ns)
        self._speak()

    def _on_clock(self, message: Any) -> None:
        self._now_ns = max(self._now_ns, messages.stamp_ns(message.clock))
        if self._now_ns - self._said_ns > SILENCE_NS:
            self._speak()

    def _speak(self) -> None:
        result = self._gate.filter(
            self._command, self._now_ns, self._tracks_ns, self._ego, self._tracks, halt=self.halt
        )
        self._said_ns = self._now_ns
        self._out.publish(self.to_message(result.command))
        if result.verdict != self._verdict:
            self._verdict = result.verdict
            level = DiagnosticStatus.OK if result.verdict == "pass" else DiagnosticStatus.WARN
            self.diagnose(self._now_ns, level, result.verdict, {"faults": "; ".join(result.faults)})


class SafetyGateNode(GateNode):
    """The car's: control -> command."""

    wanted, allowed, envelope = contracts.CONTROL, contracts.COMMAND, Envelope
    from_message, to_message = staticmethod(messages.from_control), staticmethod(messages.to_control)
