"""The values of the language part: what the robot may speak about, and what it makes of an instruction.

Everything is immutable, SI units, in ``map`` unless a docstring says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from autodrive.geometry import IDENTITY, Pose2
from autodrive.scene import ObjectClass


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One tracked object with its appearance; ``x, y, z`` is the centre of the box.

    ``colour`` is a name of ``lexicon.COLOURS`` or None when no camera saw it well; ``colour_confidence`` is in 0..1.
    ``measured``: place, yaw and size are from outlines in several images, good to two centimetres. ``unseen_s``: since
    when it is not seen any more.
    """

    track_id: int
    label: ObjectClass
    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    height: float
    vx: float = 0.0
    vy: float = 0.0
    colour: str | None = None
    colour_confidence: float = 0.0
    measured: bool = False
    unseen_s: float = 0.0

    @property
    def bottom(self) -> float:
        """Height of the underside above the ground."""
        return self.z - self.height / 2

    @property
    def top(self) -> float:
        """Height of the upper side above the ground."""
        return self.z + self.height / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """What an instruction can be about: the robot's pose, the tracks, where it started, and what it holds.

    ``held`` is the track in the robot's hands, ``speaker`` the track of the person who gives the instructions, if that
    is known.
    """

    robot: Pose2
    objects: tuple[SceneObject, ...]
    home: Pose2 = IDENTITY
    held: int | None = None
    speaker: int | None = None

    def find(self, track_id: int) -> SceneObject | None:
        """The object with this track, or None when it is not seen any more."""
        return next((item for item in self.objects if item.track_id == track_id), None)


class StepKind(str, Enum):
    """What the robot can do."""

    GOTO = "goto"
    STOP_AT = "stop_at"
    FOLLOW = "follow"
    LOOK_AT = "look_at"
    TOUCH = "touch"
    PICK_UP = "pick_up"
    BRING = "bring"
    PUT = "put"
    WAIT = "wait"
    COME_BACK = "come_back"
    STOP = "stop"


class PlaceKind(str, Enum):
    """What a place hangs on: tracked things, tracked people, where the robot is now, where it started."""

    OBJECT = "object"
    PERSON = "person"
    HERE = "here"
    HOME = "home"


class Relation(str, Enum):
    """Where, seen from the robot, something is with respect to something else."""

    AT = "at"
    ON = "on"
    UNDER = "under"
    LEFT_OF = "left of"
    RIGHT_OF = "right of"
    BEHIND = "behind"
    IN_FRONT_OF = "in front of"
    NEXT_TO = "next to"
    NEAR = "near"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Place:
    """A place to go to or to put something: ``relation`` to the tracks ``targets``, or a ``pose`` (here and home).

    ``distance_m`` is the distance that was asked for between the robot and the target, if one was.
    """

    kind: PlaceKind
    targets: tuple[int, ...] = ()
    relation: Relation = Relation.AT
    distance_m: float | None = None
    pose: Pose2 | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. Which fields are set depends on the kind:

    goto, stop_at, come_back: ``place``; look_at: ``target`` or ``place``; follow, touch, pick_up: ``target``;
    bring, put: both; wait: ``seconds``; stop: none.
    """

    kind: StepKind
    target: int | None = None
    place: Place | None = None
    seconds: float | None = None

    @property
    def track_ids(self) -> tuple[int, ...]:
        """Every track that the step is about, the thing acted on first."""
        own = () if self.target is None else (self.target,)
        return own + (self.place.targets if self.place else ())

    def as_dict(self) -> dict[str, Any]:
        """The step in JSON types, without what is not set."""
        entry: dict[str, Any] = {"kind": self.kind.value}
        if self.target is not None:
            entry["target"] = self.target
        if self.seconds is not None:
            entry["seconds"] = self.seconds
        if self.place is not None:
            pose = self.place.pose
            entry["place"] = {
                "kind": self.place.kind.value,
                "targets": list(self.place.targets),
                "relation": self.place.relation.value,
                "distance_m": self.place.distance_m,
                "pose": None if pose is None else [pose.x, pose.y, pose.yaw],
            }
        return entry


@dataclass(frozen=True, slots=True)
class Mention:
    """A phrase of the instruction and the tracks that it was taken to mean."""

    text: str
    track_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that waits for its answer: about which phrase (by token span) of which instruction.

    ``answers`` holds what earlier questions about the same instruction settled.
    """

    text: str
    span: tuple[int, int]
    candidates: tuple[int, ...]
    question: str
    options: tuple[str, ...]
    answers: tuple[tuple[tuple[int, int], tuple[int, ...]], ...] = ()
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before: an open question, and what "it", "him" and "there" refer to (tracks)."""

    pending: Pending | None = None
    it: tuple[int, ...] = ()
    person: int | None = None
    there: Place | None = None


class Cause(str, Enum):
    """Why an instruction is refused."""

    UNSAFE = "unsafe"
    IMPOSSIBLE = "impossible"
    NOT_FOUND = "not found"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Grounded:
    """Understood: what to do, in order. ``context`` goes with the next instruction."""

    steps: tuple[Step, ...]
    mentions: tuple[Mention, ...] = ()
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, slots=True)
class Question:
    """Ambiguous: what to ask back. ``options[k]`` says how ``candidates[k]`` differs from the others.

    ``unsure``: it is asked because their colours are not certain.
    """

    text: str
    candidates: tuple[int, ...]
    options: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not done, and why. An open question stays open in ``context``."""

    reason: str
    cause: Cause
    context: Context = field(default_factory=Context)


Outcome = Grounded | Question | Refusal
