"""Plain English in, tasks out: grounds what it hears in the tracked scene, and carries it out step by step."""

from __future__ import annotations

import json
from typing import Any

from std_msgs.msg import Bool, String

from autodrive.errors import ConfigError
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.language.understand import Understanding
from autodrive.plain import PROBLEMS, from_json
from autodrive.tasks.executive import Executive, Report
from autodrive_nodes import contracts, messages
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.task_json import colours_from_json, status_from_json, task_to_json


class InstructionNode(StageNode):
    """tracks, odometry, colours, state of the hands, instructions -> task, grounding, halt.

    ``script`` is JSON [[second, text], ...]: instructions that come at set times, so that a run can be repeated.
    """

    defaults = {"robot": "g1", "script": "[]"}  # noqa: RUF012

    def setup(self) -> None:
        """Load the language model and hear the scene."""
        self._executive = Executive(Understanding(), load_arms(ARMS_FOLDER / f"{self.value('robot')}.yaml"))
        self._script = _parse(self.value("script"))
        self._words: list[str] = []
        self._told: Report | None = None
        self._halted: bool | None = None
        self._task, self._grounding = self.say(contracts.TASK), self.say(contracts.GROUNDING)
        self._halt = self.say(contracts.HALT)
        self.hear(contracts.INSTRUCTION, self._on_instruction)
        self.hear_together(
            {
                "tracks": (contracts.TRACKS, tracks_from_bytes),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
                "colours": (contracts.APPEARANCE, lambda m: colours_from_json(m.data)),
                "arms": (contracts.MANIPULATION_STATE, lambda m: status_from_json(m.data)),
            },
            self._step,
        )

    def _on_instruction(self, message: String) -> None:
        self._words.append(message.data)

    def _step(self, stamp_ns: int, v: dict[str, Any]) -> None:
        due = [text for at_ns, text in self._script if at_ns <= stamp_ns]
        self._script = self._script[len(due) :]
        texts, self._words = [*due, *self._words], []
        task = self._executive.step(v["ego"], v["tracks"], v["colours"], v["arms"], texts)
        if task.halt != self._halted:  # before all else
            self._halted = task.halt
            self._halt.publish(Bool(data=task.halt))
        self._task.publish(String(data=task_to_json(task)))
        if self._executive.report != self._told:
            self._told = self._executive.report
            self._grounding.publish(String(data=json.dumps({"stamp_ns": stamp_ns, **self._told.to_json()})))


def _parse(text: str) -> list[tuple[int, str]]:
    try:
        return sorted((round(float(at) * 1e9), str(words)) for at, words in from_json(text))
    except PROBLEMS as error:
        raise ConfigError(f"instruction: script must be JSON like [[2.0, 'come here']], got {text!r}") from error
