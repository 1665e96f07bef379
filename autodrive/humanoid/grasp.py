"""Two-palm behaviours: pick, hold, place, stop.

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
from autodrive.humanoid.motion import SIDE_SIGN, Motion, Phase, Sense, ready_palms, settle_s, upright_palm
from autodrive.humanoid.stance import across_and_depth, out_of_reach

GRIP_N = 18.0
LIFT_M = 0.11
_CONTACT_N = 2.5
_BESIDE_M = 0.09  # between a palm and the box before closing
_OVER_M = 0.10  # hands come from above by this much
_CLOSE_MPS = 0.08
_LIFT_MPS = 0.10
_INSET_M = 0.01  # palm goals lie this far inside the box while it is held
_SQUEEZE_S = 0.6
_LOST_S = 0.25
_LOST_SHARE = 0.35  # of the grip: less than that on a palm means that nothing is there
_LOST_GAP_M = 0.035
_PHASE_LIMIT_S = 8.0
_ABOVE_TABLE_M = 0.04  # lowest edge of the palms
_STANDS_M = 0.03  # palms that stay this much behind their way down carry no more
_LET_GO_S = 0.6
_CLEAR_OF_TABLE_M = 0.4  # backing away so far from where a box was lifted takes it off the table
_BELOW_M = 0.04  # how far below the expected height a surface is sought
_CLEAR_M = 0.09  # between a carried box and the surface on which it will be placed


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


class _LossWatch:
    """Says when a grip has been missing for too long to be a jolt."""

    def __init__(self) -> None:
        self._since: float | None = None

    def lost(self, sense: Sense, carried: Carried) -> bool:
        if not carried.shortfall(sense):
            self._since = None
            return False
        if self._since is None:
            self._since = sense.time_s
        return sense.time_s - self._since >= _LOST_S


class Pick:
    """ready -> waiting -> over -> beside -> close -> squeeze -> lift -> held."""

    def __init__(self, sense: Sense, task: ArmTask) -> None:
        assert task.box is not None
        self._phase = Phase("raise", sense.time_s)
        self._box: BoxPose = task.box
        self._watch = _LossWatch()
        self._touched: list[PalmPose | None] = [None, None]
        self.carried: Carried | None = None

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        phase, now = self._phase, sense.time_s
        if phase.name in ("raise", "waiting", "over"):
            assert task.box is not None
            self._box = task.box  # from "beside" on the hands hide the box from the cameras
        if phase.name in ("raise", "waiting"):
            return self._wait(sense, task)
        if phase.name in ("over", "beside"):
            late = phase.lasted(now) > _PHASE_LIMIT_S
            if late and sense.goal_error_m > 0.04:
                return Motion(phase.name, freeze=True, failed="the hands do not get beside the box")
            if late or (phase.arrived(sense) and sense.goal_error_m < 0.03):
                phase.enter("beside" if phase.name == "over" else "close", now)
            up = _OVER_M if phase.name == "over" else 0.0
            return Motion(phase.name, palms=self._beside(sense, _BESIDE_M, up))
        if phase.name == "close":
            return self._close(sense)
        assert self.carried is not None
        return self._lift(sense, self.carried)

    def _wait(self, sense: Sense, task: ArmTask) -> Motion:
        phase, now = self._phase, sense.time_s
        palms = ready_palms(sense.config, self._box.bottom + 0.2)
        if phase.name == "raise":
            if phase.arrived(sense) or phase.lasted(now) > _PHASE_LIMIT_S:
                phase.enter("waiting", now)
            return Motion("raise", palms=palms)
        if reason := _not_yet(sense, task, self._box):
            phase.enter("waiting", now)
            return Motion("waiting", palms=palms, note=reason)
        if phase.lasted(now) > settle_s(task):
            phase.enter("over", now)
        return Motion("waiting", palms=palms)

    def _beside(self, sense: Sense, gap: float, up: float) -> tuple[PalmPose, PalmPose]:
        box = self._box
        across, _, yaw = across_and_depth(box, sense.body)
        x, y = sense.body.inverse().apply(np.array([box.x, box.y]))
        # palms and forearms must clear the table
        z = max(box.z, box.bottom + sense.config.palm_size[1] / 2 + _ABOVE_TABLE_M) + up
        aside = np.array([-math.sin(yaw), math.cos(yaw), 0.0]) * (across / 2 + gap)
        left, right = (upright_palm(k, np.array([x, y, z]) + SIDE_SIGN[k] * aside, yaw) for k in (0, 1))
        return left, right

    def _close(self, sense: Sense) -> Motion:
        across, _, _ = across_and_depth(self._box, sense.body)
        goals = list(self._beside(sense, -across / 2 + 0.02, 0.0))
        for side in (0, 1):
            if self._touched[side] is None and sense.push(side) > _CONTACT_N:
                self._touched[side] = sense.palms[side]
            touched = self._touched[side]
            if touched is not None:
                goals[side] = touched
        palms = (goals[0], goals[1])
        if None not in self._touched:
            if sense.gap < max(0.05, across - 0.06):
                return Motion("close", freeze=True, failed="the palms met: no box between them")
            self._phase.enter("squeeze", sense.time_s)
            inward = [palm.position + _INSET_M * palm.normal for palm in sense.palms]
            left, right = (PalmPose(p, sense.palms[k].rotation) for k, p in enumerate(inward))
            middle = (left.position + right.position) / 2
            self.carried = Carried((left, right), sense.gap, float(middle[2]) - self._box.bottom)
            return Motion("squeeze", palms=self.carried.palms, grip_n=_CONTACT_N)
        if self._phase.arrived(sense) or self._phase.lasted(sense.time_s) > _PHASE_LIMIT_S:
            return Motion("close", freeze=True, failed="no box between the palms")
        return Motion("close", palms=palms, speed=_CLOSE_MPS)

    def _lift(self, sense: Sense, carried: Carried) -> Motion:
        phase, now = self._phase, sense.time_s
        if phase.name == "squeeze":
            if phase.lasted(now) > _SQUEEZE_S + 0.3:
                self.carried = carried = replace(carried, gap=sense.gap).moved(np.array([0.0, 0.0, LIFT_M]))
                phase.enter("lift", now)
            grip = _CONTACT_N + (GRIP_N - _CONTACT_N) * min(phase.lasted(now) / _SQUEEZE_S, 1.0)
            return Motion("squeeze", palms=carried.palms, grip_n=grip)
        if self._watch.lost(sense, carried):
            self.carried = None
            return Motion(phase.name, freeze=True, failed="the box slipped out of the hands")
        up = Motion(phase.name, palms=carried.palms, grip_n=GRIP_N, speed=_LIFT_MPS, bear=True)
        if phase.name == "held":
            return replace(up, done=True)
        if phase.arrived(sense, LIFT_M / _LIFT_MPS + 0.8):
            phase.enter("held", now)
        return up


class Stop:
    """Nothing moves; a grip stays as it was."""

    def __init__(self, carried: Carried | None, grip_n: float) -> None:
        self._watch = _LossWatch()
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
        self._watch = _LossWatch()
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
        return Motion(phase.name, carried.palms, _LIFT_MPS, GRIP_N, freeze=still, done=still)


class Place:
    """raise -> waiting -> over -> lower -> let go -> open -> retract -> placed."""

    def __init__(self, sense: Sense, carried: Carried) -> None:
        self._phase = Phase("raise", sense.time_s)
        self._watch = _LossWatch()
        self._start = carried
        self._opened: tuple[PalmPose, PalmPose] = carried.palms
        self._stay: tuple[PalmPose, PalmPose] = carried.palms
        self._sag = 0.0
        self.carried: Carried | None = carried

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        assert task.box is not None and task.surface is not None
        phase, now = self._phase, sense.time_s
        if phase.name == "let go":
            if phase.lasted(now) > _LET_GO_S:
                phase.enter("open", now)
            # slowly, so that a box that was held askew comes to stand
            return Motion("let go", palms=self._stay, grip_n=max(GRIP_N * (1 - phase.lasted(now) / _LET_GO_S), 0.5))
        if phase.name == "open":
            if phase.arrived(sense, 0.3) or phase.lasted(now) > 3.0:
                phase.enter("retract", now)
            return Motion("open", palms=self._opened, speed=0.2)
        if phase.name in ("retract", "placed"):
            if phase.arrived(sense, 0.3) or phase.lasted(now) > 5.0:
                phase.enter("placed", now)
            height = float(self._opened[0].position[2]) + 0.12
            return Motion(phase.name, palms=ready_palms(sense.config, height), done=phase.name == "placed")
        carried = self.carried
        assert carried is not None
        if self._watch.lost(sense, carried) and phase.name != "lower":
            self.carried = None
            return Motion("lost", freeze=True, failed="the box is no longer between the hands")
        if phase.name in ("raise", "waiting"):
            return self._wait(sense, task, task.box, task.surface)
        return self._lower(sense, carried, task.box, task.surface)

    def _wait(self, sense: Sense, task: ArmTask, box: BoxPose, surface: float) -> Motion:
        phase, now = self._phase, sense.time_s
        high = surface + _CLEAR_M + self._start.above_bottom
        carried = self._start.moved(np.array([0.0, 0.0, max(0.0, high - float(self._start.middle[2]))]))
        self.carried = carried
        wish = Motion(phase.name, carried.palms, _LIFT_MPS, GRIP_N)
        if phase.name == "raise":
            if phase.arrived(sense) or phase.lasted(now) > _PHASE_LIMIT_S:
                phase.enter("waiting", now)
            return wish
        wish = replace(wish, freeze=True)  # a box that makes up for the body's sway is shaken
        if reason := _not_yet(sense, task, replace(box, z=surface + box.height / 2)):
            phase.enter("waiting", now)
            return replace(wish, phase="waiting", note=reason)
        if phase.lasted(now) > settle_s(task):
            phase.enter("over", now)
        return wish

    def _lower(self, sense: Sense, carried: Carried, box: BoxPose, surface: float) -> Motion:
        phase, now = self._phase, sense.time_s
        x, y = sense.body.inverse().apply(np.array([box.x, box.y]))
        floor = surface + carried.above_bottom
        shift = np.array([x, y, floor + _CLEAR_M]) - carried.middle
        if phase.name == "over":
            self.carried = carried.moved(shift)
            if phase.arrived(sense, 0.3) or phase.lasted(now) > _PHASE_LIMIT_S:
                phase.enter("lower", now)
                self._sag = sense.sag
            return Motion("over", self.carried.palms, _LIFT_MPS, GRIP_N)
        down = carried.moved(np.array([0.0, 0.0, floor - _BELOW_M - float(carried.middle[2])]))
        middle = (sense.palms[0].position[2] + sense.palms[1].position[2]) / 2
        stands = middle < floor + 0.003 or sense.sag < self._sag - _STANDS_M
        if stands or phase.arrived(sense, 0.5) or phase.lasted(now) > _PHASE_LIMIT_S:
            self._open(sense)
        return Motion("lower", down.palms, 0.06, GRIP_N)

    def _open(self, sense: Sense) -> None:
        apart = [PalmPose(palm.position - _BESIDE_M * palm.normal, palm.rotation) for palm in sense.palms]
        self._opened = (apart[0], apart[1])
        self._stay = sense.palms
        self.carried = None
        self._phase.enter("let go", sense.time_s)


def _not_yet(sense: Sense, task: ArmTask, box: BoxPose) -> str:
    """Why the hands must not go to the box now; "" when they may."""
    if task.docked is False:
        return "the body is still on its way"
    if reason := out_of_reach(box, sense.body, sense.config):
        return reason
    return "" if sense.still else "the body moves"
