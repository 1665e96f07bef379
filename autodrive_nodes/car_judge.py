"""Judges a drive: the driving score, along the route that the car was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autodrive.scene import Route
from autodrive.sim.scoring import Scorer
from autodrive.sim.world import GroundTruth
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.stage_node import StageNode


class CarJudge:
    """Waits for the route, then scores."""

    stages: dict[str, Topic] = {  # noqa: RUF012
        "localization": contracts.ODOMETRY,
        "ingestion": contracts.FRAME_SET,
        "perception": contracts.TRACKS,
        "prediction": contracts.PREDICTIONS,
        "planning": contracts.TRAJECTORY,
        "control": contracts.CONTROL,
        "command": contracts.COMMAND,
    }

    when_blind = "the car was braked"

    def __init__(self) -> None:
        self._when_ready: Callable[[], None] = lambda: None
        self._scorer = Scorer()
        self._route: Route | None = None

    def listen(self, node: StageNode, when_ready: Callable[[], None]) -> None:
        """The route."""
        self._when_ready = when_ready
        node.hear(contracts.ROUTE, self._on_route)

    @property
    def ready(self) -> bool:
        """Whether the route has come."""
        return self._route is not None

    def update(self, truth: GroundTruth) -> None:
        """Take in one frame's truth."""
        assert self._route is not None
        self._scorer.update(truth, self._route)

    def progress(self, truth: GroundTruth) -> dict[str, Any]:
        """How far along the route, how fast."""
        return {"route_completion": self._scorer.result().route_completion, "speed": truth.speed}

    def result(self, truth: GroundTruth) -> dict[str, Any]:
        """The driving score and all that goes into it."""
        return self._scorer.result().as_dict()

    def _on_route(self, message: Any) -> None:
        points = messages.path_points(message)
        self._route = Route(points, messages.route_start(points), 0.0)
        self._when_ready()
