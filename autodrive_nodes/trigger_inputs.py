"""What recorded messages tell the triggers of moments, of either body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import deserialize_message

from autodrive.recording.triggers import Observation
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import message_type

PLANNERS = ("planning", "walk_planning")


class TriggerInputs:
    """Turns messages into observations; remembers what control asked for until the gate has answered."""

    def __init__(self) -> None:
        self._wanted_mps2: float | None = None
        self._wanted_mps: float | None = None
        self._read: dict[str, Callable[[int, bytes], Observation | None]] = {
            contracts.ODOMETRY.name: self._odometry,
            contracts.CONTROL.name: self._control,
            contracts.COMMAND.name: self._command,
            contracts.WALK.name: self._walk,
            contracts.CMD_VEL.name: self._cmd_vel,
            contracts.TRACKS.name: self._tracks,
            contracts.SAFETY_STATE.name: self._safety_state,
            contracts.DIAGNOSTICS.name: self._diagnostics,
            contracts.MOMENT_BUTTON.name: self._button,
        }

    def observe(self, name: str, stamp_ns: int, data: bytes) -> Observation | None:
        """What the message ``data`` on topic ``name`` tells; None where that is nothing. Raises InputError."""
        read = self._read.get(name)
        return None if read is None else read(stamp_ns, data)

    def _odometry(self, stamp_ns: int, data: bytes) -> Observation:
        return Observation(stamp_ns, speed_mps=messages.from_odometry(_decoded(contracts.ODOMETRY, data)).speed)

    def _control(self, stamp_ns: int, data: bytes) -> None:
        self._wanted_mps2 = messages.from_control(_decoded(contracts.CONTROL, data)).acceleration

    def _command(self, stamp_ns: int, data: bytes) -> Observation:
        allowed = messages.from_control(_decoded(contracts.COMMAND, data)).acceleration
        return Observation(stamp_ns, wanted_mps2=self._wanted_mps2, allowed_mps2=allowed)

    def _walk(self, stamp_ns: int, data: bytes) -> None:
        self._wanted_mps = _decoded(contracts.WALK, data).twist.linear.x

    def _cmd_vel(self, stamp_ns: int, data: bytes) -> Observation:
        allowed = _decoded(contracts.CMD_VEL, data).twist.linear.x
        return Observation(stamp_ns, wanted_mps=self._wanted_mps, allowed_mps=allowed)

    def _tracks(self, stamp_ns: int, data: bytes) -> Observation:
        scores = [track.score for track in tracks_from_bytes(data)]
        return Observation(stamp_ns, best_score=max(scores, default=1.0))

    def _safety_state(self, stamp_ns: int, data: bytes) -> Observation | None:
        for status in _decoded(contracts.SAFETY_STATE, data).status:
            for pair in status.values:
                if pair.key == "by_hand":
                    return Observation(stamp_ns, engaged=pair.value != "True")
        return None

    def _diagnostics(self, stamp_ns: int, data: bytes) -> Observation | None:
        if b"planning" not in data:  # spares decoding what all others say
            return None
        for status in _decoded(contracts.DIAGNOSTICS, data).status:
            if status.name in PLANNERS:
                return Observation(stamp_ns, fallback=status.level == DiagnosticStatus.WARN)
        return None

    def _button(self, stamp_ns: int, data: bytes) -> Observation:
        return Observation(stamp_ns, pressed=_decoded(contracts.MOMENT_BUTTON, data).data)


def _decoded(topic: Topic, data: bytes) -> Any:
    return deserialize_message(data, message_type(topic.type))
