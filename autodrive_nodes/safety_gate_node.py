"""The last word before the actuators: limits, staleness, and a brake of its own.

In lockstep it answers every frame, also one that a stage said it failed at: with the last command while that is fresh,
then by braking. Silence without a word is noticed in realtime, where time goes on by itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from autodrive.safety.envelope import load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.scene import Command, EgoState, TrackedObject
from autodrive_nodes import contracts, messages
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import StageNode

SILENCE_NS = 150_000_000


class SafetyGateNode(StageNode):
    """control, odometry, steering, tracks -> command; ``stages`` are the nodes whose failures it answers."""

    defaults = {"envelope": "", "stages": [""]}  # noqa: RUF012

    def setup(self) -> None:
        """Load the envelope."""
        self._stages = frozenset(self.value("stages"))
        self._steering = 0.0
        self._gate = SafetyGate(load_envelope(Path(self.value("envelope"))))
        self._command: Command | None = None
        self._ego: EgoState | None = None
        self._tracks: tuple[TrackedObject, ...] = ()
        self._tracks_ns: int | None = None
        self._now_ns, self._said_ns = 0, 0
        self._verdict = ""
        self._out = self.say(contracts.COMMAND)
        if self.lockstep:
            self.hear_together(
                {
                    "command": (contracts.CONTROL, messages.from_control),
                    "ego": (contracts.ODOMETRY, messages.from_odometry),
                    "steering": (contracts.STEERING, lambda m: m.steering_tire_angle),
                    "tracks": (contracts.TRACKS, tracks_from_bytes),
                },
                self._on_frame,
            )
            self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        else:
            self.hear(contracts.ODOMETRY, self._on_odometry)
            self.hear(contracts.STEERING, self._on_steering)
            self.hear(contracts.TRACKS, self._on_tracks, raw=True)
            self.hear(contracts.CONTROL, self._on_control)
            self.hear(contracts.CLOCK, self._on_clock)

    def _on_frame(self, stamp_ns: int, v: dict[str, Any]) -> None:
        self._ego = replace(v["ego"], steering=v["steering"])
        self._command, self._tracks, self._tracks_ns = v["command"], v["tracks"], stamp_ns
        self._now_ns = stamp_ns
        self._speak()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        failed = any(s.level == DiagnosticStatus.ERROR and s.name in self._stages for s in message.status)
        if failed and stamp_ns > self._said_ns:
            self._now_ns = stamp_ns
            self._speak()

    def _on_steering(self, message: Any) -> None:
        self._steering = message.steering_tire_angle

    def _on_odometry(self, message: Any) -> None:
        self._ego = replace(messages.from_odometry(message), steering=self._steering)

    def _on_tracks(self, data: bytes) -> None:
        self._tracks, self._tracks_ns = tracks_from_bytes(data), messages.stamp_of(data)

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
