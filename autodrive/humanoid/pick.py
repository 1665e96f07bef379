"""Lifting a box from a table between both palms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from autodrive.humanoid.arm_model import PalmPose
from autodrive.humanoid.arm_task import ArmTask, BoxPose
from autodrive.humanoid.grasp import BESIDE_M, GRIP_N, LIFT_MPS, Carried, LossWatch, not_yet
from autodrive.humanoid.motion import SIDE_SIGN, Motion, Phase, Sense, ready_palms, settle_s, upright_palm
from autodrive.humanoid.stance import across_and_depth

LIFT_M = 0.11
_CONTACT_N = 2.5
_OVER_M = 0.10  # hands come from above by this much
_ABOVE_TABLE_M = 0.04  # lowest edge of the palms
_CLOSE_MPS = 0.08
_PAST_MIDDLE_M = 0.03  # a palm looks for the box to this far behind where its middle should be
_MIN_GAP_M, _TOO_NARROW_M = 0.05, 0.06  # palms that come nearer than that, or than the box is wide less that, met
_INSET_M = 0.01  # palm goals lie this far inside the box while it is held
_SQUEEZE_S = 0.6
_PHASE_LIMIT_S = 8.0


class Pick:
    """raise -> waiting -> over -> beside -> close -> squeeze -> lift -> held."""

    def __init__(self, sense: Sense, task: ArmTask) -> None:
        assert task.box is not None
        self._phase = Phase("raise", sense.time_s)
        self._box: BoxPose = task.box
        self._watch = LossWatch()
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
            return Motion(phase.name, palms=self._beside(sense, BESIDE_M, up))
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
        if reason := not_yet(sense, task, self._box):
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
        goals = list(self._beside(sense, -across / 2 - _PAST_MIDDLE_M, 0.0))
        for side in (0, 1):
            if self._touched[side] is None and sense.push(side) > _CONTACT_N:
                self._touched[side] = sense.palms[side]
            touched = self._touched[side]
            if touched is not None:
                goals[side] = touched
        palms = (goals[0], goals[1])
        met = sense.gap < max(_MIN_GAP_M, across - _TOO_NARROW_M)
        if met or self._phase.arrived(sense) or self._phase.lasted(sense.time_s) > _PHASE_LIMIT_S:
            return Motion("close", freeze=True, failed="no box between the palms")
        if None not in self._touched:
            self._phase.enter("squeeze", sense.time_s)
            inward = [palm.position + _INSET_M * palm.normal for palm in sense.palms]
            left, right = (PalmPose(p, sense.palms[k].rotation) for k, p in enumerate(inward))
            middle = (left.position + right.position) / 2
            self.carried = Carried((left, right), sense.gap, float(middle[2]) - self._box.bottom)
            return Motion("squeeze", palms=self.carried.palms, grip_n=_CONTACT_N)
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
        up = Motion(phase.name, palms=carried.palms, grip_n=GRIP_N, speed=LIFT_MPS, bear=True)
        if phase.name == "held":
            return replace(up, done=True)
        if phase.arrived(sense, LIFT_M / LIFT_MPS + 0.8):
            phase.enter("held", now)
        return up
