"""A box between two palms, how its loss shows, and the behaviours that only keep it: hold, stop.

A box is pressed between flat palms. The press is a feed-forward torque, not a position error, so it does not depend on
how well the box's width is known; contact and loss are read from motor torques.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autodrive.geometry import Array
from autodrive.humanoid.arm_model import PalmPose
from autodrive.humanoid.arm_task import ArmTask, BoxPose
from autodrive.humanoid.motion import Motion, Phase, Sense
from autodrive.humanoid.stance import out_of_reach

GRIP_N = 18.0
LIFT_MPS = 0.10
BESIDE_M = 0.09  # between a palm and the box before closing and after opening
DOCKED_WITHIN_M = 0.04  # a body that has docked may be off by so much
_LOST_S = 0.25
_LOST_SHARE = 0.35  # of the grip: less than that on a palm means that nothing is there
_LOST_GAP_M = 0.035
_CLEAR_OF_TABLE_M = 0.4  # backing away so far from where a box was lifted takes it off the table


@dataclass(frozen=True, slots=True)
class Carried:
    """A box between the palms: palm goals in base_link, distance of the palms, and of their middle above its bottom."""

    palms: tuple[PalmPose, PalmPose]
    gap: float
    above_bottom: float

    @property
    def middle(self) -> Array:
        """Midpoint (3,) of the palms in base_link."""
        return (self.palms[0].position + self.palms[1].position) / 2

    def moved(self, shift: Array) -> Carried:
        """The same grasp, shifted (3,)."""
        left, right = (PalmPose(palm.position + shift, palm.rotation) for palm in self.palms)
        return replace(self, palms=(left, right))

    def shortfall(self, sense: Sense) -> bool:
        """Whether this tick looks as if the box was gone."""
        weakest = min(sense.push(0), sense.push(1))
        return weakest < _LOST_SHARE * GRIP_N or sense.gap < self.gap - _LOST_GAP_M


class LossWatch:
    """Says when a grip has been missing for too long to be a jolt."""

    def __init__(self) -> None:
        self._since: float | None = None

    def lost(self, sense: Sense, carried: Carried) -> bool:
        """Whether it is gone."""
        if not carried.shortfall(sense):
            self._since = None
            return False
        if self._since is None:
            self._since = sense.time_s
        return sense.time_s - self._since >= _LOST_S


def not_yet(sense: Sense, task: ArmTask, box: BoxPose) -> str:
    """Why the hands must not go to the box now; "" when they may."""
    if task.docked is False:
        return "the body is still on its way"
    if reason := out_of_reach(box, sense.body, sense.config, DOCKED_WITHIN_M):
        return reason
    return "" if sense.still else "the body moves"


class Stop:
    """Nothing moves; a grip stays as it was."""

    def __init__(self, carried: Carried | None, grip_n: float) -> None:
        self._watch = LossWatch()
        self._grip_n = grip_n
        self.carried = carried

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        squeezed = self._grip_n >= GRIP_N
        if self.carried is not None and squeezed and self._watch.lost(sense, self.carried):
            self.carried = None
        # without a box the palms let go, or they would run into each other
        grip_n = self._grip_n if self.carried is not None else 0.0
        return Motion("stopped", freeze=True, grip_n=grip_n, done=True)


class Hold:
    """tuck -> hold: in to the body; once that has left the table, "lower" to the height of carrying."""

    def __init__(self, sense: Sense, carried: Carried) -> None:
        self._phase = Phase("tuck", sense.time_s)
        self._watch = LossWatch()
        self._from = sense.body
        x, y, _ = carried.middle
        self.carried: Carried | None = carried.moved(np.array([min(sense.config.carry[0] - x, 0.0), -y, 0.0]))
        self._low = False

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        phase, carried = self._phase, self.carried
        if carried is None or self._watch.lost(sense, carried):
            self.carried = None
            return Motion("lost", freeze=True, failed="the box is no longer between the hands")
        if phase.name != "hold" and (phase.arrived(sense) or phase.lasted(sense.time_s) > 3.0):
            phase.enter("hold", sense.time_s)
        away = math.hypot(sense.body.x - self._from.x, sense.body.y - self._from.y)
        if phase.name == "hold" and not self._low and away > _CLEAR_OF_TABLE_M:
            self._low = True
            down = min(sense.config.carry[1] - float(carried.middle[2]), 0.0)
            self.carried = carried = carried.moved(np.array([0.0, 0.0, down]))
            phase.enter("lower", sense.time_s)
        # a fixed posture, once it is reached: hands that made up for every sway would shake the box
        still = phase.name == "hold"
        return Motion(phase.name, carried.palms, LIFT_MPS, GRIP_N, freeze=still, done=still)
