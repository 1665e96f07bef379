"""Behaviours of single hands and of empty hands: rest, ready, reach, touch, stop."""

from __future__ import annotations

import math

import numpy as np

from autodrive.geometry import Array
from autodrive.humanoid.arm_model import PalmPose
from autodrive.humanoid.arm_task import ArmTask
from autodrive.humanoid.motion import SIDE_SIGN, Motion, Phase, Sense, ready_palms, upright_palm

_BEFORE_M = 0.08  # a touch starts this far from the point
_BEYOND_M = 0.05  # and gives up this far behind it
_TOUCH_MPS = 0.05
_TOUCH_N = 1.5
_PHASE_LIMIT_S = 8.0
_ARRIVED_M = 0.015
_CLEAR_M, _CLEAR_S = 0.3, 4.0  # hands stay up until the body has backed away so far, or for so long


class Rest:
    """Hands back in front of the body, then the joints to the walking policy's own pose, then let go."""

    def __init__(self, sense: Sense, pose: Array) -> None:
        stretched = any(palm.position[0] > sense.config.ready[0] + 0.05 for palm in sense.palms)
        self._phase = Phase("retract" if stretched else "lower", sense.time_s)
        self._height = max(palm.position[2] for palm in sense.palms)
        self._pose = pose
        self._from = sense.body

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        phase = self._phase
        if phase.name == "retract":
            away = math.hypot(sense.body.x - self._from.x, sense.body.y - self._from.y)
            clear = away > _CLEAR_M or phase.lasted(sense.time_s) > _CLEAR_S
            if clear and (phase.arrived(sense) or phase.lasted(sense.time_s) > _PHASE_LIMIT_S):
                phase.enter("lower", sense.time_s)
            return Motion("retract", palms=ready_palms(sense.config, self._height))
        if phase.name == "lower" and (phase.arrived(sense) or phase.lasted(sense.time_s) > _PHASE_LIMIT_S):
            phase.enter("rest", sense.time_s)
        if phase.name == "rest":
            return Motion("rest", release=True, done=True)
        return Motion("lower", joints=self._pose)


class Ready:
    """Hands up in front of the body, at least 20 cm above ``surface`` where one is given."""

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        height = 0.0 if task.surface is None else task.surface + 0.2
        return Motion("ready", palms=ready_palms(sense.config, height), done=sense.arrived)


class Stop:
    """Nothing moves; a grip stays as it was."""

    def __init__(self, grip_n: float) -> None:
        self._grip_n = grip_n

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        return Motion("stopped", freeze=True, grip_n=self._grip_n, done=True)


class Reach:
    """The fingertips of one hand to a point; for a touch, on from before it until something pushes back."""

    def __init__(self, sense: Sense, task: ArmTask, touch: bool) -> None:
        self._phase = Phase("raise", sense.time_s)
        self._touch = touch
        self._side = _choose(task.hand, _point(sense, task))
        self._stay: PalmPose | None = None

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        point, phase, side = _point(sense, task), self._phase, self._side
        fingers = np.array([1.0, 0.0, 0.0])
        if phase.name == "raise":
            palms = ready_palms(sense.config, float(point[2]) + 0.05 if self._touch else 0.0)
            if not (phase.arrived(sense) or phase.lasted(sense.time_s) > _PHASE_LIMIT_S):
                return Motion("raise", palms=palms)
            if _too_far(sense, point):
                return Motion("waiting", palms=palms, note="the point is out of reach")
            phase.enter("approach" if self._touch else "reach", sense.time_s)
        if phase.name == "reach":
            late = phase.lasted(sense.time_s) > _PHASE_LIMIT_S
            near = phase.arrived(sense) and sense.goal_error_m < _ARRIVED_M
            failed = "the hand does not get there" if late and not near else ""
            return Motion("reach", palms=self._goal(sense, point), done=near, failed=failed)
        if phase.name == "approach":
            if phase.arrived(sense, 0.3):
                phase.enter("touch", sense.time_s)
            elif phase.lasted(sense.time_s) > _PHASE_LIMIT_S:
                return Motion("approach", freeze=True, failed="the hand does not get in front of the point")
            return Motion("approach", palms=self._goal(sense, point - _BEFORE_M * fingers))
        if phase.name == "touch":
            return self._press(sense, point, fingers)
        assert self._stay is not None
        return Motion("touching", palms=_only(side, self._stay), done=True)

    def _press(self, sense: Sense, point: Array, fingers: Array) -> Motion:
        palm = sense.palms[self._side]
        if -float(sense.wrench[self._side, :3] @ fingers) > _TOUCH_N:
            self._stay = palm
            self._phase.enter("touching", sense.time_s)
            return Motion("touching", palms=_only(self._side, palm), done=True)
        if self._phase.arrived(sense, 0.5):
            return Motion("touch", freeze=True, failed="nothing there to touch")
        return Motion("touch", palms=self._goal(sense, point + _BEYOND_M * fingers), speed=_TOUCH_MPS)

    def _goal(self, sense: Sense, tip: Array) -> tuple[PalmPose | None, PalmPose | None]:
        half = sense.config.palm_size[0] / 2
        return _only(self._side, upright_palm(self._side, tip - np.array([half, 0.0, 0.0]), 0.0))


def _only(side: int, palm: PalmPose) -> tuple[PalmPose | None, PalmPose | None]:
    return (palm, None) if side == 0 else (None, palm)


def _point(sense: Sense, task: ArmTask) -> Array:
    """The target (3,) in base_link."""
    assert task.point is not None
    point = np.array(task.point, dtype=np.float64)
    if task.frame == "map":
        point[:2] = sense.body.inverse().apply(point[:2])
    return point


def _choose(hand: str, point: Array) -> int:
    if hand:
        return 0 if hand == "left" else 1
    return 0 if point[1] * SIDE_SIGN[0] >= 0 else 1


def _too_far(sense: Sense, point: Array) -> bool:
    config = sense.config
    inside_x = point[0] < config.reach_x[1] + config.palm_size[0] / 2
    return not (
        inside_x and abs(point[1]) < 2 * config.reach_y and config.reach_z[0] <= point[2] <= config.reach_z[1] + 0.2
    )
