"""What the scorer knows of each body: the stages of its graph, what it listens to, and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from autodrive.errors import ConfigError
from autodrive.sim.world import GroundTruth
from autodrive_nodes.car_judge import CarJudge
from autodrive_nodes.contracts import Topic
from autodrive_nodes.humanoid_judge import HumanoidJudge
from autodrive_nodes.stage_node import StageNode


class Judge(Protocol):
    """One body's judge.

    ``stages`` are the topics whose latency is measured, in the order of the graph; ``when_blind`` is what became of the
    body while a stage failed.
    """

    stages: dict[str, Topic]
    when_blind: str

    def listen(self, node: StageNode, when_ready: Callable[[], None]) -> None:
        """Subscribe to what it needs besides the truth; ``when_ready`` is to be called when it becomes ready."""

    @property
    def ready(self) -> bool:
        """Whether truths can be taken in yet; until then they wait."""

    def update(self, truth: GroundTruth) -> None:
        """Take in one frame's truth."""

    def progress(self, truth: GroundTruth) -> dict[str, Any]:
        """What is said while the run goes on."""

    def result(self, truth: GroundTruth) -> dict[str, Any]:
        """The verdict at the last truth."""


def make_judge(body: str, task: str) -> Judge:
    """The judge of a body; ``task`` is the JSON of the humanoid's HallTask, "" where there is none."""
    makers: dict[str, Callable[[], Judge]] = {"car": CarJudge, "humanoid": lambda: HumanoidJudge(task)}
    if body not in makers:
        raise ConfigError(f"scorer: body {body!r} is unknown; choose one of {sorted(makers)}")
    return makers[body]()
