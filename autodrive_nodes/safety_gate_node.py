"""The last word before the actuators: limits, staleness, the supervisor of all stages, and a brake of its own.

In lockstep it answers every frame, also one that a stage said it failed at: with the last command while that is fresh,
then by braking. It watches what it hears anyway, so that the same frames give the same answers. In realtime it hears a
sign of life of every stage, and silence is noticed by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import Bool
from std_srvs.srv import Trigger as Reset

from autodrive.safety.envelope import Envelope, load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.safety.supervision import Supervision
from autodrive.safety.supervisor import Reaction
from autodrive.safety.verdict import PASS
from autodrive.scene import EgoState, TrackedObject
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.heartbeats import heard_stages
from autodrive_nodes.stage_node import StageNode
from autodrive_nodes.track_ages import TrackAges
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes

SILENCE_NS = 150_000_000
CLOCK_SILENCE_S = 2.0  # wall clock; a simulator on a busy machine may well take a second for a tick
STATE_PERIOD_NS = 500_000_000


class GateNode(StageNode):
    """command, plan, odometry, tracks -> command, for any body; ``stages`` are the nodes that must answer.

    Its state is on /safety/state; the service ~/reset takes back what has latched, once the body stands and all is
    well. While somebody publishes on ``operator``, that command goes to the body instead of the planner's.
    """

    defaults = {"envelope": "", "stages": [""]}  # noqa: RUF012
    wanted: ClassVar[Topic]
    allowed: ClassVar[Topic]
    operator: ClassVar[Topic]
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
        """Load the envelope; hear what is to be judged, and those who watch."""
        envelope = load_envelope(Path(self.value("envelope")), self.envelope)
        self._gate: SafetyGate[Any] = SafetyGate(envelope)
        self._stages = tuple(name for name in self.value("stages") if name)
        self._max_age_ns = round(envelope.max_age_s * 1e9)
        self._command: Any = None
        self._by_hand: Any = None
        self._ego: EgoState | None = None
        self._ages = TrackAges()
        self._tracks: tuple[TrackedObject, ...] = ()
        self._tracks_ns: int | None = None
        self._now_ns, self._said_ns = 0, 0
        self._told: tuple[str, tuple[str, ...]] = ("", ())
        self._told_ns = -STATE_PERIOD_NS
        self._clock_heard: float | None = None
        self._out, self._state_out = self.say(self.allowed), self.say(contracts.SAFETY_STATE)
        self._rivals: tuple[str, ...] = ()
        beats = heard_stages(self._stages)
        if self.lockstep:
            inputs = {
                "command": (self.wanted, self.from_message),
                "plan": (contracts.TRAJECTORY, trajectory_from_bytes),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "tracks": (contracts.TRACKS, self._ages.tracks),
            }
            joined = [topic for topic, _ in inputs.values()]
            self._supervision = Supervision([name for name, topic in beats.items() if topic in joined], envelope)
            self.hear_together(inputs, self._on_frame)
        else:
            self._supervision = Supervision(beats, envelope)
            self._hear_all(beats)
        self.hear(contracts.DIAGNOSTICS, self._on_diagnostics, depth=100)
        self.hear(contracts.OPERATOR_STOP, self._on_operator_stop)
        self.hear(self.operator, self._on_operator)
        self.create_service(Reset, "~/reset", self._on_reset)

    def started(self) -> None:
        """Notice also that time itself stands still, and who else commands."""
        if not self.lockstep:
            self.every(0.25, self._look_around)

    def _hear_all(self, beats: dict[str, Topic]) -> None:
        self.hear(contracts.CLOCK, self._on_clock)
        read = {
            contracts.ODOMETRY: (self._on_odometry, False),
            contracts.TRACKS: (self._on_tracks, True),
            contracts.TRAJECTORY: (self._on_plan, True),
            self.wanted: (self._on_command, False),
        }
        stages = {topic: stage for stage, topic in beats.items()}
        for topic in {**read, **stages}:
            raw = topic.type != "std_msgs/msg/String"  # whose stamp stands in its text
            act, raw = read.get(topic, (None, raw))
            self.hear(topic, partial(self._on_input, stages.get(topic, ""), act), raw=raw)

    def _on_frame(self, stamp_ns: int, v: dict[str, Any]) -> None:
        self._ego, self._command, self._supervision.plan = v["ego"], v["command"], v["plan"]
        self._tracks, self._tracks_ns = v["tracks"], stamp_ns
        for stage in self._supervision.watch.stages:
            self._supervision.watch.beat(stage, stamp_ns)
        self._now_ns = stamp_ns
        self._speak()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = messages.stamp_of(message)
        failed = [s for s in message.status if s.level == DiagnosticStatus.ERROR and s.name in self._stages]
        for status in failed:
            self._supervision.watch.complain(status.name, stamp_ns, status.message)
        if failed and self.lockstep and stamp_ns > self._said_ns:
            self._now_ns = stamp_ns
            self._speak()

    def _on_input(self, stage: str, act: Callable[[Any], None] | None, message: Any) -> None:
        """A sign of life of ``stage`` ("": of none that is watched), and what there is to read in it."""
        self._supervision.watch.beat(stage, messages.stamp_of(message))
        if act is not None:
            act(message)

    def _on_odometry(self, message: Any) -> None:
        self._ego = messages.from_odometry(message)

    def _on_tracks(self, data: bytes) -> None:
        self._tracks, self._tracks_ns = self._ages.tracks(data), messages.stamp_of(data)

    def _on_plan(self, data: bytes) -> None:
        self._supervision.plan = trajectory_from_bytes(data)

    def _on_command(self, message: Any) -> None:
        self._command = self.from_message(message)
        self._speak()

    def _on_clock(self, message: Any) -> None:
        self._now_ns, self._clock_heard = messages.stamp_ns(message.clock), time.monotonic()
        if not 0 <= self._now_ns - self._said_ns <= SILENCE_NS:
            self._speak()

    def _on_operator(self, message: Any) -> None:
        self._by_hand = self.from_message(message)
        if not self.lockstep:
            self._speak()

    def _on_operator_stop(self, message: Bool) -> None:
        self._supervision.operator_stop = message.data
        if not self.lockstep:
            self._speak()

    def _on_reset(self, _: Reset.Request, response: Reset.Response) -> Reset.Response:
        verdict = self._supervision.judge(self._now_ns, self._ego, reset=True)
        response.success = not self._supervision.latched
        response.message = "; ".join(verdict.reasons) if verdict.reasons else "all is well"
        return response

    def _look_around(self) -> None:
        """Whoever else publishes commands is not obeyed: with two of them the body stands, as nobody knows which."""
        self._rivals = tuple(text for topic in (self.wanted, self.allowed) if (text := self.rivals(topic)))
        if self._clock_heard is not None and time.monotonic() - self._clock_heard > CLOCK_SILENCE_S:
            self._speak(("the clock stands still",))

    def _speak(self, reasons: tuple[str, ...] = ()) -> None:
        by_hand = self._by_hand is not None and 0 <= self._now_ns - self._by_hand.stamp_ns <= self._max_age_ns
        verdict = self._supervision.judge(self._now_ns, self._ego, taken_over=by_hand)
        fresh = self._tracks_ns is not None and self._now_ns - self._tracks_ns <= self._max_age_ns
        result = self._gate.filter(
            self._by_hand if by_hand else self._command,
            self._now_ns,
            self._tracks_ns,
            self._ego,
            self._tracks if fresh or not by_hand else (),
            halt=self.halt or (verdict.reaction == Reaction.EMERGENCY and not by_hand),
            reasons=(*reasons, *self._rivals, *verdict.reasons),
            by_hand=by_hand,
        )
        self._said_ns = self._now_ns
        self._out.publish(self.to_message(result.command))
        self._tell(result.verdict, result.faults, verdict.reaction, by_hand)

    def _tell(self, verdict: str, faults: tuple[str, ...], reaction: Reaction, by_hand: bool) -> None:
        """The state at every change and twice a second; on /diagnostics only changes of the verdict."""
        if verdict != self._told[0]:
            level = DiagnosticStatus.OK if verdict == PASS else DiagnosticStatus.WARN
            self.diagnose(self._now_ns, level, verdict, {"faults": "; ".join(faults)})
        said = (verdict, faults)
        if said == self._told and 0 <= self._now_ns - self._told_ns < STATE_PERIOD_NS:
            return
        self._told, self._told_ns = said, self._now_ns
        level = DiagnosticStatus.OK if verdict == PASS else DiagnosticStatus.WARN
        level = DiagnosticStatus.ERROR if reaction == Reaction.EMERGENCY else level
        values = {
            "reaction": reaction.name.lower(),
            "by_hand": by_hand,
            "armed": self._supervision.armed,
            "latched": ", ".join(self._supervision.latched),
            "faults": "; ".join(faults),
        }
        self._state_out.publish(messages.to_diagnostics(self._now_ns, self.get_name(), level, verdict, values))


class SafetyGateNode(GateNode):
    """The car's: control -> command."""

    wanted, allowed, operator = contracts.CONTROL, contracts.COMMAND, contracts.OPERATOR_CONTROL
    envelope = Envelope
    from_message, to_message = staticmethod(messages.from_control), staticmethod(messages.to_control)
