"""Descriptions to tracks: which objects of the scene fit a noun phrase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autodrive.language import spatial
from autodrive.language.describe import SURE, inventory
from autodrive.language.lexicon import PEOPLE_PRONOUNS, SIZES
from autodrive.language.model import Cause, Mention, Place, Relation, Scene, SceneObject
from autodrive.language.reader import Reader
from autodrive.language.syntax import Link, NounPhrase, Rank, Span
from autodrive.scene import ObjectClass

UNSURE = 0.35  # a colour less certain than this may be any other
LIKE_SIZE = 1.25  # sizes within this factor are alike: none of them is "the big one"
SAME_SIZE = 1.08  # and within this one, none is the biggest
SIDE_SLACK = 0.1  # radians: "the left one" may stand a little right of the middle
MOVING_MPS = 0.25
HOME_ID, ROBOT_ID = -1, -2  # stand-ins, so that places can be anchors of relations


class Refused(Exception):
    """What was asked for is not there or cannot be done."""

    def __init__(self, reason: str, cause: Cause) -> None:
        super().__init__(reason)
        self.reason, self.cause = reason, cause


class Doubt(Exception):
    """A phrase fits several things, or one whose colour is not sure."""

    def __init__(self, phrase: NounPhrase, items: Sequence[SceneObject], unsure: bool) -> None:
        super().__init__()
        self.phrase, self.items, self.unsure = phrase, tuple(items), unsure


@dataclass(frozen=True, slots=True)
class Talk:
    """What has been said so far: what pronouns mean, what is held after the steps so far, what was decided before.

    ``moved`` is what a place is looked up for: "the other table" is none that this stands on.
    """

    it: tuple[int, ...] = ()
    person: int | None = None
    there: Place | None = None
    held: int | None = None
    moved: int | None = None
    label: ObjectClass | None = None
    answers: Mapping[Span, tuple[int, ...]] = field(default_factory=dict)
    mentions: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Things that fit; ``unsure`` when their colour is not certain."""

    items: tuple[SceneObject, ...]
    unsure: bool = False


class Resolver:
    """Looks phrases up in one scene; ``domain`` limits the head of a phrase to some tracks (answers to a question)."""

    def __init__(self, scene: Scene, reader: Reader, talk: Talk) -> None:
        self._scene, self._reader, self._talk = scene, reader, talk

    def text(self, phrase: NounPhrase) -> str:
        """The phrase as it was said, without its article."""
        words = self._reader.text(*phrase.span)
        for article in ("the ", "a ", "that ", "this ", "all "):
            words = words.removeprefix(article)
        return words

    def one(self, phrase: NounPhrase) -> SceneObject:
        """The single thing that is meant; raises Doubt or Refused."""
        found = self.some(phrase)
        if len(found.items) == 1 and not found.unsure:
            return found.items[0]
        if phrase.indefinite and not found.unsure:
            return min(found.items, key=lambda i: (spatial.distance(self._scene, i), i.track_id))
        raise Doubt(phrase, found.items, found.unsure)

    def some(self, phrase: NounPhrase) -> Found:
        """All things that fit; raises Refused when there is none."""
        answered = self._talk.answers.get(phrase.span)
        if answered is not None:
            items = [item for item in self._scene.objects if item.track_id in answered]
            if not items:
                raise Refused(f"I have lost sight of the {self.text(phrase)}", Cause.NOT_FOUND)
            return Found(tuple(items))
        if phrase.word is not None:
            return self._pronoun(phrase.word)
        found = self.fitting(phrase, self._domain(phrase))
        if not found.items:
            raise Refused(self._missing(phrase), Cause.NOT_FOUND)
        return found

    def fitting(self, phrase: NounPhrase, domain: Sequence[SceneObject]) -> Found:
        """Those of ``domain`` that fit everything but pronouns; ranks and sizes compare within what fits the rest."""
        items = [item for item in domain if phrase.label in (None, item.label)]
        if phrase.moving is not None:
            items = [i for i in items if (math.hypot(i.vx, i.vy) > MOVING_MPS) == phrase.moving]
        if phrase.held:
            items = [item for item in items if item.track_id == self._talk.held]
        for link in phrase.links:
            items = self._linked(items, link)
        items, unsure = _coloured(items, phrase.colour)
        for other in phrase.exclude:
            gone = {item.track_id for item in self._excluded(other, items)}
            items = [item for item in items if item.track_id not in gone]
        for size in phrase.sizes:
            measure, ascending = SIZES[size]
            items = _sized(items, measure, not ascending)
        for rank in phrase.ranks:
            items = self._ranked(items, rank)
        return Found(tuple(sorted(items, key=lambda i: i.track_id)), unsure)

    def _domain(self, phrase: NounPhrase) -> list[SceneObject]:
        """All objects that the head noun may mean: of the class spoken about before for "one", without "the other"."""
        objects = list(self._scene.objects)
        if phrase.elliptic and phrase.label is None and self._talk.label is not None:
            objects = [item for item in objects if item.label == self._talk.label]
        if phrase.other:
            moved = None if self._talk.moved is None else self._scene.find(self._talk.moved)
            below = None if moved is None else spatial.support(self._scene, moved)
            gone = {*self._talk.it, *(item.track_id for item in (moved, below) if item is not None)}
            objects = [item for item in objects if item.track_id not in gone]
        if phrase.demonstrative:
            meant = [i for i in objects if i.track_id in self._talk.it and phrase.label in (None, i.label)]
            objects = meant or objects
        return objects

    def _pronoun(self, word: str) -> Found:
        if word in ("me", "home"):
            speaker = self._scene.find(self._scene.speaker) if self._scene.speaker is not None else None
            home = self._scene.home
            return Found((speaker if word == "me" and speaker else _point(HOME_ID, home.x, home.y),))
        if word in ("you", "here"):
            return Found((_point(ROBOT_ID, self._scene.robot.x, self._scene.robot.y),))
        if word == "floor":
            raise Refused("I cannot do that with the floor", Cause.IMPOSSIBLE)
        ids = self._talk.it
        if word in PEOPLE_PRONOUNS:
            ids = (self._talk.person,) if self._talk.person is not None else (ids if word in ("them", "they") else ())
            people = [item for item in self._scene.objects if item.label == ObjectClass.PEDESTRIAN]
            if not ids and len(people) == 1:
                return Found(tuple(people))
        elif word == "there" and self._talk.there is not None:
            ids = self._talk.there.targets
        elif not ids and self._talk.held is not None:
            ids = (self._talk.held,)
        items = tuple(item for item in self._scene.objects if item.track_id in ids)
        if not items and ids:
            raise Refused(f'I have lost sight of what "{word}" was', Cause.NOT_FOUND)
        if not items:
            raise Refused(f'I do not know what "{word}" means; say which thing', Cause.UNKNOWN)
        return Found(items)

    def _linked(self, items: list[SceneObject], link: Link) -> list[SceneObject]:
        """Those in the relation to any of the anchors."""
        scene, relation = self._scene, link.relation
        first = link.anchors[0]
        if first.word == "floor":
            return [item for item in items if spatial.on_floor(item)]
        if first.word == "you" and relation != Relation.BETWEEN:
            return [item for item in items if spatial.by_robot(relation, scene, item)]
        anchors = list(self.some(first).items)
        if relation == Relation.BETWEEN:
            second = list(self.some(link.anchors[1]).items) if len(link.anchors) == 2 else None
            return [item for item in items if spatial.between_any(item, anchors, second)]
        if link.inverse:
            on = [item for item in items if any(spatial.is_on(a, item) for a in anchors)]
            return on or [i for i in items if any(spatial.holds(Relation.NEXT_TO, scene, i, a) for a in anchors)]
        if relation == Relation.ON and all(a.label not in spatial.FURNITURE for a in anchors):
            on = [item for item in items if any(spatial.is_on(item, a) for a in anchors)]
            return on
        return [item for item in items if any(spatial.holds(relation, scene, item, a) for a in anchors)]

    def _excluded(self, phrase: NounPhrase, items: Sequence[SceneObject]) -> Sequence[SceneObject]:
        if phrase.word is not None:
            return self._pronoun(phrase.word).items
        return self.fitting(phrase, items).items

    def _ranked(self, items: list[SceneObject], rank: Rank) -> list[SceneObject]:
        """The one that the rank picks; things alike in size stay together."""
        if not items:
            return []
        if rank.measure == "middle":
            ordered = self._ordered(items, "bearing", True, None)
            return [ordered[len(ordered) // 2]] if len(ordered) % 2 else ordered
        if rank.soft and len(items) == 1:
            side = spatial.bearing(self._scene, items[0]) * (1 if rank.ascending else -1)
            return items if side > -SIDE_SLACK else []
        anchor = self.one(rank.anchor) if rank.anchor is not None else None
        if anchor is not None:
            items = [item for item in items if item.track_id != anchor.track_id] or items
        ordered = self._ordered(items, rank.measure, rank.ascending, anchor)
        if not -len(ordered) <= rank.index < len(ordered):
            return []
        chosen = ordered[rank.index]
        if rank.measure in ("size", "height") and rank.index == 0:
            size = _measure(chosen, rank.measure)
            return [i for i in ordered if _alike(_measure(i, rank.measure), size, SAME_SIZE)]
        return [chosen]

    def _ordered(
        self, items: Sequence[SceneObject], measure: str, ascending: bool, anchor: SceneObject | None
    ) -> list[SceneObject]:
        def key(item: SceneObject) -> float:
            if measure == "bearing":
                return -spatial.bearing(self._scene, item)
            if measure == "distance":
                if anchor is not None:
                    return math.hypot(item.x - anchor.x, item.y - anchor.y)
                return spatial.distance(self._scene, item)
            return _measure(item, measure)

        ordered = sorted(items, key=lambda item: (key(item), item.track_id))
        return ordered if ascending else ordered[::-1]

    def _missing(self, phrase: NounPhrase) -> str:
        """What is not there, and what is."""
        seen = inventory([i for i in self._scene.objects], phrase.label)
        said = self.text(phrase) or "such thing"
        if phrase.label is not None and phrase.links:
            bare = replace(phrase, links=(), ranks=(), ordinal=None)
            if self.fitting(bare, self._domain(phrase)).items:
                return f"I see no {said}; elsewhere I see {seen}"
        return f"I see no {said}; I see {seen}"


def _coloured(items: list[SceneObject], colour: str | None) -> tuple[list[SceneObject], bool]:
    """Things of a colour; when none is certainly so, those that may be, and that it is unsure."""
    if colour is None:
        return items, False
    certain = [item for item in items if item.colour == colour and item.colour_confidence >= SURE]
    if certain:
        return certain, False
    possible = [
        item for item in items if item.colour == colour or item.colour is None or item.colour_confidence < UNSURE
    ]
    return possible, bool(possible)


def _measure(item: SceneObject, measure: str) -> float:
    """Size as the mean edge, or height [m]."""
    if measure == "height":
        return item.height
    return (abs(item.length * item.width * item.height)) ** (1 / 3)


def _alike(first: float, second: float, factor: float = LIKE_SIZE) -> bool:
    low, high = sorted((first, second))
    return high < factor * max(low, 1e-6)


def _sized(items: list[SceneObject], measure: str, largest: bool) -> list[SceneObject]:
    """The big or the small ones among things of different size; all when they are alike."""
    if len(items) < 2:
        return items
    sizes = [_measure(item, measure) for item in items]
    low, high = min(sizes), max(sizes)
    if _alike(low, high):
        return items
    middle = math.sqrt(max(low, 1e-6) * high)
    return [item for item, size in zip(items, sizes, strict=True) if (size > middle) == largest]


def _point(track_id: int, x: float, y: float) -> SceneObject:
    """A stand-in for a place."""
    return SceneObject(track_id, ObjectClass.PEDESTRIAN, x, y, 0.0, 0.0, 0.3, 0.3, 0.01)
