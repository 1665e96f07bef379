"""The last word before the actuators: limits, staleness, and a brake of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from autodrive.safety.envelope import load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.scene import Command, EgoState, TrackedObject
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode

SILENCE_NS = 150_000_000


class SafetyGateNode(StageNode):
    """control, odometry, tracks -> command; in realtime it also speaks when control is silent."""

    defaults = {"mode": "lockstep", "envelope": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Load the envelope."""
        self._gate = SafetyGate(load_envelope(Path(self.value("envelope"))))
        self._command: Command | None = None
        self._ego: EgoState | None = None
        self._tracks: tuple[TrackedObject, ...] = ()
        self._tracks_ns: int | None = None
        self._now_ns, self._said_ns = 0, 0
        self._verdict = ""
        self._out = self.say(contracts.COMMAND)
        if self.value("mode") == "lockstep":
            self.hear_together(
                {
                    "command": (contracts.CONTROL, messages.from_control),
                    "ego": (contracts.ODOMETRY, messages.from_odometry),
                    "tracks": (contracts.TRACKS, messages.from_tracks),
                },
                self._lockstep,
            )
        else:
            self.hear(contracts.ODOMETRY, self._on_odometry)
            self.hear(contracts.TRACKS, self._on_tracks)
            self.hear(contracts.CONTROL, self._on_control)
            self.hear(contracts.CLOCK, self._on_clock)

    def _lockstep(self, stamp_ns: int, v: dict[str, Any]) -> None:
        self._command, self._ego, self._tracks, self._tracks_ns = v["command"], v["ego"], v["tracks"], stamp_ns
        self._now_ns = stamp_ns
        self._speak()

    def _on_odometry(self, message: Any) -> None:
        self._ego = messages.from_odometry(message)

    def _on_tracks(self, message: Any) -> None:
        self._tracks, self._tracks_ns = messages.from_tracks(message), messages.stamp_ns(message.header.stamp)

    def _on_control(self, message: Any) -> None:
        self._command = messages.from_control(message)
        self._now_ns = max(self._now_ns, self._command.stamp_ns)
        self._speak()

    def _on_clock(self, message: Any) -> None:
        self._now_ns = max(self._now_ns, messages.stamp_ns(message.clock))
        if self._now_ns - self._said_ns > SILENCE_NS:
            self._speak()

    def _speak(self) -> None:
        result = self._gate.filter(self._command, self._now_ns, self._tracks_ns, self._ego, self._tracks)
        self._said_ns = self._now_ns
        self._out.publish(messages.to_control(result.command))
        if result.verdict != self._verdict:
            self._verdict = result.verdict
            level = DiagnosticStatus.OK if result.verdict == "pass" else DiagnosticStatus.WARN
            self.diagnose(self._now_ns, level, result.verdict, {"faults": "; ".join(result.faults)})
