"""Setting down what is held between the palms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autodrive.humanoid.arm_model import PalmPose
from autodrive.humanoid.arm_task import ArmTask, BoxPose
from autodrive.humanoid.grasp import BESIDE_M, GRIP_N, LIFT_MPS, Carried, LossWatch, not_yet
from autodrive.humanoid.motion import Motion, Phase, Sense, ready_palms, settle_s

_CLEAR_M = 0.07  # between the box and the surface before it is lowered
_LOWER_MPS = 0.06
_BELOW_M = 0.04  # how far below the expected height the surface is sought
_STANDS_M = 0.03  # palms that stay this much behind their way down carry no more
_LET_GO_S = 0.6
_PHASE_LIMIT_S = 8.0


class Place:
    """raise -> waiting -> over -> lower -> let go -> open -> retract -> placed."""

    def __init__(self, sense: Sense, carried: Carried) -> None:
        self._phase = Phase("raise", sense.time_s)
        self._watch = LossWatch()
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
        wish = Motion(phase.name, carried.palms, LIFT_MPS, GRIP_N)
        if phase.name == "raise":
            if phase.arrived(sense) or phase.lasted(now) > _PHASE_LIMIT_S:
                phase.enter("waiting", now)
            return wish
        wish = replace(wish, freeze=True)  # a box that makes up for the body's sway is shaken
        if reason := not_yet(sense, task, replace(box, z=surface + box.height / 2)):
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
            return Motion("over", self.carried.palms, LIFT_MPS, GRIP_N)
        down = carried.moved(np.array([0.0, 0.0, floor - _BELOW_M - float(carried.middle[2])]))
        middle = (sense.palms[0].position[2] + sense.palms[1].position[2]) / 2
        stands = middle < floor + 0.003 or sense.sag < self._sag - _STANDS_M
        if stands or phase.arrived(sense, 0.5) or phase.lasted(now) > _PHASE_LIMIT_S:
            self._open(sense)
        return Motion("lower", down.palms, _LOWER_MPS, GRIP_N)

    def _open(self, sense: Sense) -> None:
        apart = [PalmPose(palm.position - BESIDE_M * palm.normal, palm.rotation) for palm in sense.palms]
        self._opened = (apart[0], apart[1])
        self._stay = sense.palms
        self.carried = None
        self._phase.enter("let go", sense.time_s)
