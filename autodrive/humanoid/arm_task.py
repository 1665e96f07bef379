"""What the arms are asked and what they answer."""

from __future__ import annotations

from dataclasses import dataclass

from autodrive.errors import InputError

KINDS = ("rest", "ready", "reach", "touch", "pick", "hold", "place", "stop")


@dataclass(frozen=True, slots=True)
class BoxPose:
    """An upright box in ``map``: centre, yaw and size [m, rad]."""

    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Height of the surface that it stands on."""
        return self.z - self.height / 2


@dataclass(frozen=True, slots=True)
class ArmTask:
    """One job for the arms.

    rest:  arms back to the walking policy
    ready: both hands up in front of the body, as they must be before the body docks at a table
    reach: the fingers of one hand to ``point``
    touch: the same, from 8 cm before it, straight on until contact
    pick:  lift ``box`` between both palms; hands wait in the ready pose until the box is within reach
    hold:  keep what was picked, with the walking speed limits of docs/manipulation.md
    place: set what is held down so that its centre is at ``box`` x, y and its bottom at ``surface``; waits like pick
    stop:  freeze every joint where it is, a grip stays

    Tasks with equal ``task_id`` and ``kind`` are the same job with a newer target. ``point`` (x, y, z) is in ``frame``
    ("map" or "base_link"), ``box`` in map. ``hand`` is "left", "right" or "" for the nearer one. While ``docked`` is
    False the hands only get ready, because the body is on its way; where it is not known (None), they wait until the
    body has stood for longer than it stands between two paces.
    """

    kind: str
    task_id: int = 0
    box: BoxPose | None = None
    surface: float | None = None
    point: tuple[float, float, float] | None = None
    frame: str = "map"
    hand: str = ""
    docked: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"arm task: kind {self.kind!r} is not one of {KINDS}")
        if self.kind in ("pick", "place") and self.box is None:
            raise InputError(f"arm task {self.kind!r} needs a box")
        if self.kind == "place" and self.surface is None:
            raise InputError("arm task 'place' needs the height of the surface")
        if self.kind in ("reach", "touch") and self.point is None:
            raise InputError(f"arm task {self.kind!r} needs a point")
        if self.frame not in ("map", "base_link"):
            raise InputError(f"arm task: frame {self.frame!r} is neither 'map' nor 'base_link'")
        if self.hand not in ("", "left", "right"):
            raise InputError(f"arm task: hand {self.hand!r} is neither 'left', 'right' nor ''")


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """How a task goes.

    ``phase`` in a word, ``note`` says what a waiting phase waits for; ``failed`` is the reason or "". ``holding``: a
    box is between the palms. ``hand_error_m``: distance of the farther working hand from its goal. ``push_n`` (left,
    right): force along the palm's normal, from motor torques. ``load_n``: lifting force that keeps what is held from
    sagging.
    """

    stamp_ns: int
    task_id: int
    kind: str
    phase: str
    done: bool
    note: str
    failed: str
    holding: bool
    hand_error_m: float
    push_n: tuple[float, float]
    load_n: float
