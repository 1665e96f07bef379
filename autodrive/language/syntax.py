"""What the parser makes of tokens: phrases and clauses, before anything of the scene is known."""

from __future__ import annotations

from dataclasses import dataclass

from autodrive.language.model import Relation
from autodrive.scene import ObjectClass

Span = tuple[int, int]  # first token, one past the last


@dataclass(frozen=True, slots=True)
class Rank:
    """ "nearest", "second from the left": the ``index``-th by a measure, seen from the robot or from ``anchor``.

    ``soft`` ranks ("left", "on your left") also ask that the thing is on that side at all.
    """

    measure: str  # distance, bearing, size, height, or middle
    ascending: bool = True
    index: int = 0
    anchor: NounPhrase | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A relation to other things: ``on the table``, ``between A and B``. ``inverse``: the table *with* the box."""

    relation: Relation
    anchors: tuple[NounPhrase, ...]
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A description of one or more things.

    ``word`` is set instead of a description for pronouns and fixed places: it, him, that, me, you, home, here, floor.
    ``label`` is None for "thing" and "one"; ``elliptic`` says that the class is to be taken from what was said before.
    """

    span: Span
    word: str | None = None
    label: ObjectClass | None = None
    elliptic: bool = False
    indefinite: bool = False
    every: bool = False
    count: int | None = None
    demonstrative: bool = False
    other: bool = False
    colour: str | None = None
    moving: bool | None = None
    sizes: tuple[str, ...] = ()
    ranks: tuple[Rank, ...] = ()
    ordinal: int | None = None
    links: tuple[Link, ...] = ()
    exclude: tuple[NounPhrase, ...] = ()
    plural: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class PlacePhrase:
    """Where to: a relation to anchors, perhaps with a distance; or a way that is never taken (``bad_way``)."""

    relation: Relation
    anchors: tuple[NounPhrase, ...]
    distance_m: float | None = None
    bad_way: str | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """One order. ``verb`` is a word of ``lexicon.VERBS``; fields that the verb does not take stay empty."""

    verb: str
    span: Span
    thing: NounPhrase | None = None
    place: PlacePhrase | None = None
    seconds: float | None = None
    motion: tuple[str, float | None] | None = None  # ahead, back, left, right, around; metres or degrees
    forbidden: bool = False
