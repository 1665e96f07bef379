"""What the video shows of each body: its footprint, and which topic fills which field of a DriveView."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autodrive.errors import ConfigError, InputError
from autodrive.plain import PROBLEMS, from_json
from autodrive.viz.drive_frame import Said
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from optimus_nodes.body_messages import from_twist
from optimus_nodes.task_json import task_from_json

Parts = dict[str, tuple[Topic, Callable[[Any], Any]]]

SEEN: Parts = {
    "ego": (contracts.ODOMETRY, messages.from_odometry),
    "tracks": (contracts.TRACKS, messages.from_tracks),
    "forecasts": (contracts.PREDICTIONS, messages.from_predictions),
    "free": (contracts.FREE_SPACE, messages.from_occupancy),
    "markings": (contracts.LANES, messages.from_markings),
    "trajectory": (contracts.TRAJECTORY, messages.from_trajectory),
}


@dataclass(frozen=True)
class VideoBody:
    """``footprint``: front and rear overhang from base_link and width [m]; faster than ``moving_mps`` is on the move.

    A frame is complete when all ``parts`` have come and the node ``planner``, if there is one, has said on /diagnostics
    what decided.
    """

    planner: str | None
    footprint: tuple[float, float, float]
    moving_mps: float
    parts: Parts


RECORDED = ("ego", "tracks", "free", "markings")
BODIES = {
    # whatever carried the cameras of a bag
    "bag": VideoBody(
        None,
        (3.55, 0.95, 1.8),
        1.0,
        {
            **{name: SEEN[name] for name in RECORDED},
            "detections": (contracts.DETECTIONS, messages.from_detections),
        },
    ),
    "car": VideoBody(
        "planning", (3.55, 0.95, 1.8), 1.0, {**SEEN, "command": (contracts.COMMAND, messages.from_control)}
    ),
    "humanoid": VideoBody(
        "walk_planning",
        (0.15, 0.15, 0.5),
        0.15,
        {
            **SEEN,
            "walk": (contracts.CMD_VEL, from_twist),
            "task": (contracts.TASK, lambda m: task_from_json(m.data)),
        },
    ),
}


def video_body(name: str) -> VideoBody:
    """The body of that name; raises ConfigError."""
    if name not in BODIES:
        raise ConfigError(f"video: body {name!r} is unknown; choose one of {sorted(BODIES)}")
    return BODIES[name]


def said_from_json(text: str) -> tuple[int, Said]:
    """Stamp and content of /optimus/grounding; raises InputError."""
    try:
        d = from_json(text)
        mentions = tuple((str(m["text"]), tuple(int(i) for i in m["ids"])) for m in d["mentions"])
        return int(d["stamp_ns"]), Said(str(d["instruction"]), str(d["state"]), str(d["says"]), mentions)
    except PROBLEMS as error:
        raise InputError(f"/optimus/grounding is malformed ({error}): {text[:200]}") from error
