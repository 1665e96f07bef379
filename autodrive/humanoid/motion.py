"""What passes between the arms' control loop and the behaviours that decide where the hands go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autodrive.geometry import Array, Pose2
from autodrive.humanoid.arm_config import ArmsConfig
from autodrive.humanoid.arm_model import PalmPose, Posture
from autodrive.humanoid.arm_task import ArmTask

TICK_S = 0.02
SIDE_SIGN = (1.0, -1.0)  # left is +y
TRAVEL_MPS = 0.35
_SETTLE_S = 0.5
_UNSURE_SETTLE_S = 3.4  # docking settles for 1.8 s, and a pace does not show in the odometry before a second is over


@dataclass(frozen=True, slots=True)
class Sense:
    """What a behaviour sees in one tick; base_link throughout but for ``body``, the pose of base_link in map.

    ``wrench`` (2, 6): smoothed force and moment of the world on each palm. ``goal_error_m``: of the farther working
    hand; ``arrived``: commanded hand poses, ``commanded``, have come to their goals.
    """

    time_s: float
    config: ArmsConfig
    body: Pose2
    still: bool
    posture: Posture
    wrench: Array
    commanded: tuple[PalmPose | None, PalmPose | None]
    goal_error_m: float
    arrived: bool

    @property
    def palms(self) -> tuple[PalmPose, PalmPose]:
        """The measured palms."""
        return self.posture.palms

    def push(self, side: int) -> float:
        """Force [N] with which a palm presses along its normal."""
        return float(-self.wrench[side, :3] @ self.palms[side].normal)

    @property
    def load(self) -> float:
        """Weight [N] that hangs on both hands."""
        return float(-self.wrench[:, 2].sum())

    @property
    def sag(self) -> float:
        """How far [m] the palms are below where they were commanded to be, on average."""
        pairs = [(goal, palm) for goal, palm in zip(self.commanded, self.palms, strict=True) if goal is not None]
        return float(np.mean([goal.position[2] - palm.position[2] for goal, palm in pairs])) if pairs else 0.0

    @property
    def gap(self) -> float:
        """Distance [m] between the palms along their mean normal."""
        left, right = self.palms
        axis = left.normal - right.normal
        return float((right.position - left.position) @ axis / np.linalg.norm(axis))


@dataclass(frozen=True, slots=True)
class Motion:
    """What a behaviour wants: a goal for each palm (None: stay), or for all joints, and how hard to press.

    ``bear``: raise the lifting force until the palms no longer sag; it stays until ``grip_n`` is zero.
    ``release`` gives the arms back to the walking policy; ``freeze`` keeps the joint targets as they are.
    ``note`` says what a waiting phase waits for.
    """

    phase: str
    palms: tuple[PalmPose | None, PalmPose | None] = (None, None)
    speed: float = TRAVEL_MPS
    grip_n: float = 0.0
    bear: bool = False
    joints: Array | None = None
    release: bool = False
    freeze: bool = False
    done: bool = False
    note: str = ""
    failed: str = ""


class Behaviour(Protocol):
    """One task on its way."""

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """The wish for this tick; ``task`` carries the newest target."""


class Phase:
    """The name of the present phase and when it began."""

    def __init__(self, name: str, time_s: float) -> None:
        self.name, self.since = name, time_s

    def enter(self, name: str, time_s: float) -> None:
        """Begin another phase."""
        self.name, self.since = name, time_s

    def lasted(self, time_s: float) -> float:
        """Seconds in this phase."""
        return time_s - self.since

    def arrived(self, sense: Sense, after_s: float = 0.05) -> bool:
        """Whether the hands have come to this phase's goals, not still to those of the one before."""
        return sense.arrived and self.lasted(sense.time_s) > after_s


def upright_palm(side: int, position: Array, yaw: float, normal_sign: float = -1.0) -> PalmPose:
    """A vertical palm with level fingers along ``yaw``; it faces the other hand (``normal_sign`` 1: away from it)."""
    fingers = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    normal = normal_sign * SIDE_SIGN[side] * np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    return PalmPose(
        np.asarray(position, dtype=np.float64), np.column_stack([fingers, np.cross(normal, fingers), normal])
    )


def ready_palms(config: ArmsConfig, height: float = 0.0) -> tuple[PalmPose, PalmPose]:
    """Both hands up in front of the body, at least at ``height``."""
    x, y, z = config.ready
    left, right = (upright_palm(k, np.array([x, SIDE_SIGN[k] * y, max(z, height)]), 0.0) for k in (0, 1))
    return left, right


def settle_s(task: ArmTask) -> float:
    """How long the body must have stood before hands go out: longer than between two paces if nobody says it docked."""
    return _SETTLE_S if task.docked else _UNSURE_SETTLE_S
