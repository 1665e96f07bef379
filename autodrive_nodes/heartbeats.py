"""Which topic is each stage's sign of life: what it publishes once per frame (the limbs: once per tick)."""

from __future__ import annotations

from autodrive_nodes import contracts
from autodrive_nodes.contracts import Topic

HEARTBEATS: dict[str, Topic] = {
    "camera_ingestion": contracts.FRAME_SET,
    "perception": contracts.TRACKS,
    "localization": contracts.ODOMETRY,
    "prediction": contracts.PREDICTIONS,
    "planning": contracts.TRAJECTORY,
    "control": contracts.CONTROL,
    "appearance": contracts.APPEARANCE,
    "instruction": contracts.TASK,
    "walk_planning": contracts.TRAJECTORY,
    "walking_control": contracts.WALK,
    "leg_odometry": contracts.ODOMETRY,
    "manipulation": contracts.ARM_COMMAND,
    "locomotion": contracts.JOINT_COMMAND,
}


def heard_stages(stages: tuple[str, ...]) -> dict[str, Topic]:
    """Those of ``stages`` that have a sign of life, with its topic."""
    return {stage: HEARTBEATS[stage] for stage in stages if stage in HEARTBEATS}
