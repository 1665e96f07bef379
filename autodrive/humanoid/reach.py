"""Behaviours of single hands and of empty hands: rest, ready, reach, touch."""

from __future__ import annotations

import math

import numpy as np

from autodrive.geometry import Array
from autodrive.humanoid.arm_model import PalmPose
from autodrive.humanoid.arm_task import ArmTask
from autodrive.humanoid.motion import SIDE_SIGN, TICK_S, Motion, Phase, Sense, ready_palms, settle_s, upright_palm

_BEFORE_M = 0.08  # a touch starts this far from the point
_BEYOND_M = 0.05  # and gives up this far behind it
_TOUCH_MPS = 0.05
_TOUCH_N = 2.0
_PHASE_LIMIT_S = 8.0
_TOUCH_TICKS = 3
_FEEL_S = 0.6
_ARRIVED_M = 0.01
_TRIM_RATE, _MAX_TRIM_M = 2.0, 0.04  # 1/s, m
_AHEAD = np.array([1.0, 0.0, 0.0])
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


class Reach:
    """raise -> waiting -> reach; or raise -> waiting -> approach -> touch -> touching.

    A touch goes straight on from before the point until something pushes back. What a hand in free motion feels (its
    joints' dry friction above all) is measured in the first moment of that.
    """

    def __init__(self, sense: Sense, task: ArmTask, touch: bool) -> None:
        self._phase = Phase("raise", sense.time_s)
        self._touch = touch
        self._side = _choose(task.hand, _point(sense, task))
        self._trim = np.zeros(3)  # makes up for sag and for how the fingers lie
        self._idle_push = 0.0
        self._pushed = 0
        self._stay: PalmPose | None = None

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        point, phase = _point(sense, task), self._phase
        if phase.name in ("raise", "waiting"):
            return self._wait(sense, task, point)
        if phase.name == "reach":
            error = self._correct(sense, point)
            near = phase.arrived(sense) and error < _ARRIVED_M
            late = phase.lasted(sense.time_s) > _PHASE_LIMIT_S
            failed = "the hand does not get there" if late and not near else ""
            return Motion("reach", palms=self._goal(sense, point), done=near, failed=failed)
        if phase.name == "approach":
            before = point - _BEFORE_M * _AHEAD
            error = self._correct(sense, before)
            if phase.arrived(sense, 0.6) and error < 2 * _ARRIVED_M:
                phase.enter("touch", sense.time_s)
            elif phase.lasted(sense.time_s) > _PHASE_LIMIT_S:
                return Motion("approach", freeze=True, failed="the hand does not get in front of the point")
            return Motion("approach", palms=self._goal(sense, before))
        if phase.name == "touch":
            return self._advance(sense, point)
        assert self._stay is not None
        return Motion("touching", palms=_only(self._side, self._stay), done=True)

    def _wait(self, sense: Sense, task: ArmTask, point: Array) -> Motion:
        phase, now = self._phase, sense.time_s
        palms = ready_palms(sense.config, float(point[2]) + 0.05 if self._touch else 0.0)
        if phase.name == "raise":
            if phase.arrived(sense) or phase.lasted(now) > _PHASE_LIMIT_S:
                phase.enter("waiting", now)
            return Motion("raise", palms=palms)
        reason = "the body is still on its way" if task.docked is False else _out_of_reach(sense, point)
        if reason or not sense.still:
            phase.enter("waiting", now)
            return Motion("waiting", palms=palms, note=reason or "the body moves")
        if phase.lasted(now) > settle_s(task):
            phase.enter("approach" if self._touch else "reach", now)
        return Motion("waiting", palms=palms)

    def _advance(self, sense: Sense, point: Array) -> Motion:
        palm = sense.palms[self._side]
        if self._phase.lasted(sense.time_s) < _FEEL_S:
            self._idle_push = self._push(sense)
        pushes = self._push(sense) - self._idle_push > _TOUCH_N
        self._pushed = self._pushed + 1 if pushes else 0
        if self._pushed >= _TOUCH_TICKS:
            self._stay = palm
            self._phase.enter("touching", sense.time_s)
            return Motion("touching", palms=_only(self._side, palm), done=True)
        if self._phase.arrived(sense, 0.5):
            return Motion("touch", freeze=True, failed="nothing there to touch")
        return Motion("touch", palms=self._goal(sense, point + _BEYOND_M * _AHEAD), speed=_TOUCH_MPS)

    def _push(self, sense: Sense) -> float:
        """Force [N] with which the hand presses forward."""
        return -float(sense.wrench[self._side, :3] @ _AHEAD)

    def _correct(self, sense: Sense, tip: Array) -> float:
        """Move the goal against the measured error of the fingertips, once they are near; returns that error."""
        palm = sense.palms[self._side]
        offset = tip - (palm.position + palm.fingers * sense.config.palm_size[0] / 2)
        if self._phase.arrived(sense, 0.2):
            self._trim = np.clip(self._trim + _TRIM_RATE * TICK_S * offset, -_MAX_TRIM_M, _MAX_TRIM_M)
        return float(np.linalg.norm(offset))

    def _goal(self, sense: Sense, tip: Array) -> tuple[PalmPose | None, PalmPose | None]:
        half = sense.config.palm_size[0] / 2
        return _only(self._side, upright_palm(self._side, tip + self._trim - half * _AHEAD, 0.0))


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


def _out_of_reach(sense: Sense, point: Array) -> str:
    """Why a hand cannot get to the point (3,) from here; "" when it can."""
    config = sense.config
    x, y, z = point
    if not config.reach_z[0] <= z <= config.reach_z[1]:
        return f"the point is at a height of {z:.2f} m, hands reach {config.reach_z[0]} to {config.reach_z[1]} m"
    if x > config.reach_x[1] + config.palm_size[0] / 2 or abs(y) > 2 * config.reach_y:
        return f"the point is {x:.2f} m ahead and {abs(y):.2f} m aside, out of reach"
    return ""
