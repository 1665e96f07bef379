"""Judges a humanoid's run: its task by the truth, or by its own word where nobody stated what would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from std_msgs.msg import String

from autodrive.errors import InputError
from autodrive.plain import from_json
from autodrive.sim.hall_judge import judge
from autodrive.sim.hall_tasks import HallTask
from autodrive.sim.humanoid_scoring import HumanoidScorer
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts
from autodrive_nodes.contracts import Topic
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.task_json import grounding_from_json

OVER = ("done", "failed", "refused", "question")
NOTED = ("refused", "question", "failed")
SILENT: dict[str, Any] = {"instruction": "", "state": "idle", "says": "nothing was said"}


class HumanoidJudge:
    """``task`` is the JSON of a HallTask, "" where the robot's own word counts."""

    stages: dict[str, Topic] = {  # noqa: RUF012
        "localization": contracts.ODOMETRY,
        "ingestion": contracts.FRAME_SET,
        "perception": contracts.TRACKS,
        "prediction": contracts.PREDICTIONS,
        "planning": contracts.TRAJECTORY,
        "control": contracts.WALK,
        "command": contracts.CMD_VEL,
    }

    when_blind = "the robot was made to stand still"

    def __init__(self, task: str) -> None:
        self._task = None if not task else HallTask.from_json(_parsed(task))
        self._scorer = HumanoidScorer(frozenset({self._task.target} if self._task is not None else ()))
        self._grounding = SILENT
        self._history: list[dict[str, Any]] = []
        self._over_ns: int | None = None

    def listen(self, node: StageNode, when_ready: Callable[[], None]) -> None:
        """What the robot says that it understood."""
        node.hear(contracts.GROUNDING, self._on_grounding)

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    def update(self, truth: GroundTruth) -> None:
        """Take in one frame's truth."""
        self._scorer.update(truth)

    def progress(self, truth: GroundTruth) -> dict[str, Any]:
        """What the robot says, how fast it walks, whether it fell."""
        said = self._grounding
        return {"state": said["state"], "says": said["says"], "speed": truth.speed, "falls": self._scorer.falls}

    def result(self, truth: GroundTruth) -> dict[str, Any]:
        """Success and all figures of the walk."""
        said = self._grounding["state"]
        if self._task is not None:
            success, why_not = judge(self._task, self._scorer.history, self._over_ns if said == "done" else None)
            why_not += f" ({said}: {self._grounding['says']})" if why_not and said != "done" else ""
        else:
            success = said == "done" and not truth.fallen
            why_not = "" if success else f"{said}: {self._grounding['says']}"
        end_ns = truth.stamp_ns if self._over_ns is None else self._over_ns
        return {
            "instruction": self._grounding["instruction"] or (self._task.text if self._task else ""),
            "success": success,
            "why_not": why_not,
            **self._scorer.result(),
            "time_s": (end_ns - self._scorer.history[0].stamp_ns) / 1e9,
            "grounding": {**self._grounding, "history": self._history},
        }

    def _on_grounding(self, message: String) -> None:
        said = grounding_from_json(message.data)
        self._grounding = said
        self._over_ns = said["stamp_ns"] if said["state"] in OVER else None
        if said["state"] in NOTED:
            self._history.append({key: said[key] for key in ("stamp_ns", "instruction", "state", "says")})


def _parsed(text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = from_json(text)
    except ValueError as error:
        raise InputError(f"not JSON ({error}): {text[:200]}") from error
    return document
