"""The supervisor with its ears and its memory: what a gate asks before it lets a command pass."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from autodrive.safety.stage_watch import StageWatch
from autodrive.safety.supervisor import Observation, State, SupervisorLimits, Verdict, supervise
from autodrive.scene import EgoState, Trajectory


class Supervision:
    """Remembers heartbeats, complaints, the newest plan and the operator's wishes between two judgements."""

    def __init__(self, stages: Iterable[str], limits: SupervisorLimits) -> None:
        self.watch = StageWatch(stages)
        self.plan: Trajectory | None = None
        self.operator_stop = False
        self._limits = limits
        self._state = State()

    @property
    def armed(self) -> bool:
        """Whether everything has been well once; before that nothing latches."""
        return self._state.armed

    @property
    def latched(self) -> tuple[str, ...]:
        """Names of the faults that only an operator resets."""
        return tuple(self._state.latched)

    def judge(self, now_ns: int, ego: EgoState | None, *, taken_over: bool = False, reset: bool = False) -> Verdict:
        """What is to be done at ``now_ns``; an operator who has ``taken_over`` must also hand back, by ``reset``."""
        seen = Observation(
            now_ns,
            self.watch.stamps,
            ego,
            self.watch.errors,
            None if ego is None or self.plan is None else distance_to_plan(ego, self.plan),
            self.operator_stop or taken_over,
            reset,
        )
        self._state, verdict = supervise(self._state, seen, self.watch.stages, self._limits)
        return verdict


def distance_to_plan(ego: EgoState, plan: Trajectory) -> float:
    """How far [m] the body is from the nearest point of its plan's path; 0 for an empty plan."""
    if len(plan.x) == 0:
        return 0.0
    points = np.stack([plan.x, plan.y], axis=1)
    points = np.vstack([points, points[-1:]])  # a single point is a segment, too
    begin, along = points[:-1], np.diff(points, axis=0)
    here = np.array([ego.pose.x, ego.pose.y])
    squared = np.maximum(np.sum(along**2, axis=1), 1e-12)
    share = np.clip(np.sum((here - begin) * along, axis=1) / squared, 0.0, 1.0)
    return float(np.min(np.linalg.norm(begin + share[:, None] * along - here, axis=1)))
