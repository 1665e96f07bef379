"""What a behaviour sees and what it asks for, once per camera frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from autodrive.geometry import Pose2
from autodrive.humanoid.arm_task import ArmStatus, ArmTask
from autodrive.language.model import SceneObject
from autodrive.scene import EgoState

REST = ArmTask("rest")
LOST = "lost"  # the phase of a wish that failed because what it hangs on is not known any more


@dataclass(frozen=True, slots=True)
class View:
    """The moment as a behaviour sees it: time, body, arms, the scene by id, and where the robot started."""

    now_s: float
    ego: EgoState
    arms: ArmStatus | None
    find: Callable[[int | None], SceneObject | None]
    objects: tuple[SceneObject, ...]
    home: Pose2

    def known(self, items: Iterable[int]) -> list[SceneObject]:
        """Those of ``items`` (scene ids) that are known."""
        return [found for found in map(self.find, items) if found is not None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What should happen now.

    ``goal``: where the planner shall take base_link (map; None: stand). ``dock``: a pose to take in single paces
    instead, nearer to furniture than the planner goes. ``near``: scene ids that may be approached closely. ``done`` and
    ``failed`` (a reason) end the behaviour. ``refuted``: a thing that is not where it was measured.
    """

    phase: str
    goal: Pose2 | None = None
    dock: Pose2 | None = None
    arms: ArmTask = REST
    near: tuple[int, ...] = ()
    done: bool = False
    failed: str = ""
    refuted: int | None = None


@dataclass(frozen=True, slots=True)
class TaskState:
    """What the rest of the robot does at one frame; travels on /optimus/task.

    ``near`` are track ids here; ``carrying``: something is between the palms; ``halt``: stand still at once.
    """

    stamp_ns: int
    phase: str
    goal: Pose2 | None = None
    dock: Pose2 | None = None
    arms: ArmTask = REST
    near: frozenset[int] = field(default_factory=frozenset)
    carrying: bool = False
    halt: bool = False


class Behaviour(Protocol):
    """One thing to do, stepped once per frame until its wish is done or failed."""

    def step(self, view: View) -> Wish:
        """What should happen now."""
