"""The last word before the legs: the car's safety gate with the humanoid's envelope, and a halt that acts at once."""

from __future__ import annotations

from std_msgs.msg import Bool

from autodrive.safety.envelope import WalkEnvelope
from autodrive_nodes import contracts
from autodrive_nodes.safety_gate_node import GateNode
from optimus_nodes.body_messages import from_twist, to_twist


class WalkGateNode(GateNode):
    """walking command, odometry, tracks, halt -> /cmd_vel."""

    wanted, allowed, operator = contracts.WALK, contracts.CMD_VEL, contracts.OPERATOR_WALK
    envelope = WalkEnvelope
    from_message, to_message = staticmethod(from_twist), staticmethod(to_twist)

    def setup(self) -> None:
        """Hear the halt too."""
        super().setup()
        self.hear(contracts.HALT, self._on_halt)

    def _on_halt(self, message: Bool) -> None:
        self.halt = message.data
