"""Orders to steps: every phrase becomes tracks or a place, and what must not or cannot be done is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from autodrive.geometry import Pose2, wrap_angle
from autodrive.language import spatial
from autodrive.language.describe import a, name
from autodrive.language.lexicon import NAMES
from autodrive.language.model import (
    Cause,
    Mention,
    Place,
    PlaceKind,
    Relation,
    Scene,
    SceneObject,
    Step,
    StepKind,
)
from autodrive.language.reader import Reader
from autodrive.language.resolve import Doubt, Refused, Resolver, Talk
from autodrive.language.syntax import Clause, NounPhrase, PlacePhrase
from autodrive.scene import ROAD_USERS, ObjectClass

T = TypeVar("T")
Result = tuple[tuple[Step, ...], Talk]
NOT_FOUND = Cause.NOT_FOUND
FARTHEST_M, LONGEST_S = 30.0, 3600.0
PERSON_GAP_M = 0.5
FLAT = frozenset({Relation.AT, Relation.ON})


@dataclass(frozen=True, slots=True)
class Abilities:
    """What two palms can carry: a side between ``narrowest_m`` and ``widest_m``, no edge above ``longest_m``.

    ``lowest_m`` is how far down (centre of the thing) the hands reach without bending. ``slack_m`` is how far the
    cameras may be off.
    """

    narrowest_m: float = 0.12
    widest_m: float = 0.30
    longest_m: float = 0.45
    lowest_m: float = 0.4
    slack_m: float = 0.02


class Grounder:
    """Grounds the clauses of one instruction in one scene, one after the other."""

    def __init__(self, scene: Scene, reader: Reader, abilities: Abilities) -> None:
        self._scene, self._reader, self._can = scene, reader, abilities
        self._orders: dict[str, Callable[[Clause, Talk], Result]] = {
            "go": self._go,
            "turn": self._turn,
            "stop": self._stop,
            "wait": self._wait,
            "return": self._return,
            "pick_up": self._pick_up,
            "bring": self._bring,
            "put": self._put,
            "follow": self._follow,
            "touch": self._touch,
            "reach": self._touch,
            "look": self._look,
            "watch": self._look,
            "face": self._look,
            "harm": self._harm,
        }

    def ground(self, clause: Clause, talk: Talk) -> Result:
        """Steps of one clause, and what has been said after it; raises Doubt or Refused."""
        return self._orders[clause.verb](clause, talk)

    # --- phrases ---

    def _one(self, phrase: NounPhrase, talk: Talk) -> SceneObject:
        return _tracked(Resolver(self._scene, self._reader, talk).one(phrase))

    def _several(self, phrase: NounPhrase, talk: Talk) -> list[SceneObject]:
        """The things of "both boxes", "two cones", "the people", nearest first; one thing otherwise."""
        resolver = Resolver(self._scene, self._reader, talk)
        if not (phrase.every or (phrase.count or 1) > 1 or phrase.plural):
            return [_tracked(resolver.one(phrase))]
        found = resolver.some(phrase)
        if found.unsure:
            raise Doubt(phrase, found.items, True)
        items = sorted(found.items, key=lambda item: (spatial.distance(self._scene, item), item.track_id))
        if phrase.count is not None and len(items) < phrase.count:
            raise Refused(
                f"I see only {a(name(items[0]))}" if len(items) == 1 else f"I see only {len(items)}", NOT_FOUND
            )
        if phrase.count is not None and len(items) > phrase.count:
            raise Refused(f"I see {len(items)} {NAMES[items[0].label][1]}; say which {phrase.count}", Cause.UNKNOWN)
        return items

    def _said(self, talk: Talk, phrase: NounPhrase, items: list[SceneObject], place: Place | None = None) -> Talk:
        """Remember what a phrase meant."""
        real = [item for item in items if item.track_id >= 0]
        ids = tuple(item.track_id for item in real)
        people = [item.track_id for item in real if item.label == ObjectClass.PEDESTRIAN]
        text = self._reader.text(*phrase.span) if phrase.span != (0, 0) else phrase.word or ""
        return replace(
            talk,
            it=ids or talk.it,
            person=people[-1] if people else talk.person,
            there=place or talk.there,
            label=real[0].label if real else talk.label,
            mentions=(*talk.mentions, Mention(text, ids)) if ids else talk.mentions,
        )

    def _place(self, phrase: PlacePhrase, talk: Talk) -> tuple[Place, Talk]:
        """A place phrase as a place; one place even when the phrase names several things."""
        if phrase.distance_m is not None and not 0.0 <= phrase.distance_m <= FARTHEST_M:
            raise Refused(f"{phrase.distance_m:g} m is too far for me to keep track of", Cause.IMPOSSIBLE)
        first = phrase.anchors[0]
        if phrase.relation == Relation.BETWEEN:
            return self._between(phrase, talk)
        fixed = self._fixed(first, phrase, talk)
        if fixed is not None:
            return fixed, replace(talk, there=fixed)
        item = self._one(first, talk)
        place = self._at(item, phrase)
        return place, self._said(talk, first, [item], place)

    def _fixed(self, anchor: NounPhrase, phrase: PlacePhrase, talk: Talk) -> Place | None:
        """Places that are no tracked thing: here, home, me without a known speaker, there."""
        if anchor.word == "there" and talk.there is not None and phrase.relation == Relation.AT:
            return replace(talk.there, distance_m=phrase.distance_m)
        if anchor.word == "here":
            return Place(PlaceKind.HERE, (), phrase.relation, phrase.distance_m, self._scene.robot)
        if anchor.word == "you":
            raise Refused("I am where I am", Cause.IMPOSSIBLE)
        if anchor.word == "home" or (anchor.word == "me" and self._speaker() is None):
            return Place(PlaceKind.HOME, (), phrase.relation, phrase.distance_m, self._scene.home)
        return None

    def _speaker(self) -> SceneObject | None:
        return None if self._scene.speaker is None else self._scene.find(self._scene.speaker)

    def _at(self, item: SceneObject, phrase: PlacePhrase) -> Place:
        person = item.label == ObjectClass.PEDESTRIAN
        if person and phrase.distance_m is not None and phrase.distance_m < PERSON_GAP_M:
            raise Refused(f"I keep at least {PERSON_GAP_M} m from people", Cause.UNSAFE)
        kind = PlaceKind.PERSON if person else PlaceKind.OBJECT
        return Place(kind, (item.track_id,), phrase.relation, phrase.distance_m)

    def _between(self, phrase: PlacePhrase, talk: Talk) -> tuple[Place, Talk]:
        if len(phrase.anchors) == 2:
            first = self._one(phrase.anchors[0], talk)
            then = self._said(talk, phrase.anchors[0], [first])
            second = self._one(phrase.anchors[1], then)
            if first.track_id == second.track_id:
                raise Refused("I need two different things to go between", Cause.IMPOSSIBLE)
            pair = [first, second]
            talk = self._said(then, phrase.anchors[1], [second])
        else:
            pair = self._several(replace(phrase.anchors[0], every=True), talk)
            if len(pair) != 2:
                many = f"I see {len(pair)} {NAMES[pair[0].label][len(pair) != 1]}; say between which two"
                raise Refused(many, Cause.UNKNOWN if len(pair) > 2 else NOT_FOUND)
        people = all(item.label == ObjectClass.PEDESTRIAN for item in pair)
        ids = tuple(item.track_id for item in pair)
        place = Place(PlaceKind.PERSON if people else PlaceKind.OBJECT, ids, Relation.BETWEEN, phrase.distance_m)
        return place, self._said(talk, phrase.anchors[0], pair, place)

    # --- walking ---

    def _go(self, clause: Clause, talk: Talk) -> Result:
        if clause.motion is not None:
            return self._move(clause.motion, talk)
        phrase = _given(clause.place)
        self._check_way(phrase)
        anchor = phrase.anchors[0]
        if anchor.word == "home" and phrase.relation == Relation.AT:
            place, talk = self._place(phrase, talk)
            return (Step(StepKind.COME_BACK, place=place),), talk
        if phrase.relation == Relation.AT and (anchor.every or (anchor.count or 1) > 1 or anchor.plural):
            items = self._several(anchor, talk)
            steps = tuple(Step(StepKind.GOTO, place=self._at(item, phrase)) for item in items)
            return steps, self._said(talk, anchor, items)
        place, talk = self._place(phrase, talk)
        return (Step(StepKind.GOTO, place=place),), talk

    def _check_way(self, phrase: PlacePhrase) -> None:
        """Ways that end in a collision, and places where no robot stands."""
        if phrase.bad_way in ("through", "into", "against", "over", "across"):
            reason = f"I do not go {phrase.bad_way} things or people: that is not safe"
            raise Refused(reason, Cause.UNSAFE)
        on_thing = phrase.relation in (Relation.ON, Relation.UNDER) and phrase.anchors[0].word != "floor"
        if phrase.bad_way is not None or on_thing:
            way = phrase.bad_way or phrase.relation.value
            raise Refused(f"I cannot go {way} things; I can go to, next to, behind or between them", Cause.IMPOSSIBLE)

    def _move(self, motion: tuple[str, float | None], talk: Talk) -> Result:
        """A few metres in a direction seen from the robot."""
        direction, metres = motion
        length = 1.0 if metres is None else metres
        if not length <= FARTHEST_M:
            raise Refused(f"{length:g} m is too far to walk blindly", Cause.IMPOSSIBLE)
        ahead, left = {"ahead": (1, 0), "back": (-1, 0), "left": (0, 1), "right": (0, -1)}[direction]
        return self._here(self._scene.robot @ Pose2(ahead * length, left * length, 0.0), talk)

    def _here(self, pose: Pose2, talk: Talk) -> Result:
        place = Place(PlaceKind.HERE, pose=pose)
        return (Step(StepKind.GOTO, place=place),), replace(talk, there=place)

    def _turn(self, clause: Clause, talk: Talk) -> Result:
        direction, degrees = clause.motion or ("around", None)
        angle = math.radians((180.0 if direction == "around" else 90.0) if degrees is None else min(degrees, 360.0))
        robot = self._scene.robot
        return self._here(replace(robot, yaw=wrap_angle(robot.yaw + (-angle if direction == "right" else angle))), talk)

    def _stop(self, clause: Clause, talk: Talk) -> Result:
        if clause.place is None:
            return (Step(StepKind.STOP),), talk
        if clause.place.anchors[0].word in ("here", "there", "you") and clause.place.distance_m is None:
            return (Step(StepKind.STOP),), talk
        self._check_way(clause.place)
        place, talk = self._place(clause.place, talk)
        return (Step(StepKind.STOP_AT, place=place),), talk

    def _wait(self, clause: Clause, talk: Talk) -> Result:
        seconds = clause.seconds or 0.0
        if not 0.0 <= seconds <= LONGEST_S:
            raise Refused("I do not wait longer than an hour", Cause.IMPOSSIBLE)
        steps: tuple[Step, ...] = (Step(StepKind.WAIT, seconds=seconds),)
        if clause.place is not None and clause.place.anchors[0].word not in ("here", "there", "you"):
            self._check_way(clause.place)
            place, talk = self._place(clause.place, talk)
            steps = (Step(StepKind.STOP_AT, place=place), *steps)
        return steps, talk

    def _return(self, clause: Clause, talk: Talk) -> Result:
        phrase = clause.place or PlacePhrase(Relation.AT, (NounPhrase((0, 0), word="home"),))
        self._check_way(phrase)
        place, after = self._place(phrase, talk)
        back = phrase.anchors[0].word in ("home", "me", "here") and phrase.relation == Relation.AT
        return (Step(StepKind.COME_BACK if back else StepKind.GOTO, place=place),), after

    def _follow(self, clause: Clause, talk: Talk) -> Result:
        phrase = _given(clause.thing)
        if phrase.word == "me" and self._speaker() is None:
            raise Refused("I do not know which person you are; say whom to follow", Cause.UNKNOWN)
        item = self._one(phrase, talk)
        if item.label not in ROAD_USERS:
            raise Refused(f"{a(NAMES[item.label][0])} does not move, so I cannot follow it", Cause.IMPOSSIBLE)
        return (Step(StepKind.FOLLOW, item.track_id),), self._said(talk, phrase, [item])

    def _look(self, clause: Clause, talk: Talk) -> Result:
        phrase = _given(clause.thing)
        if phrase.word in ("me", "home") and (phrase.word == "home" or self._speaker() is None):
            return (Step(StepKind.LOOK_AT, place=Place(PlaceKind.HOME, pose=self._scene.home)),), talk
        if phrase.word == "floor":
            raise Refused("I cannot look at the floor as a thing", Cause.IMPOSSIBLE)
        items = self._several(phrase, talk)
        return tuple(Step(StepKind.LOOK_AT, item.track_id) for item in items), self._said(talk, phrase, items)

    # --- hands ---

    def _touch(self, clause: Clause, talk: Talk) -> Result:
        phrase = _given(clause.thing)
        if phrase.word == "me":
            raise Refused("I keep my hands off people: touching them is not safe", Cause.UNSAFE)
        items = self._several(phrase, talk)
        for item in items:
            if item.label in (ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST):
                raise Refused("I keep my hands off people: touching them is not safe", Cause.UNSAFE)
        if talk.held is not None and all(item.track_id != talk.held for item in items):
            raise Refused("my hands are full: I hold something", Cause.IMPOSSIBLE)
        return tuple(Step(StepKind.TOUCH, item.track_id) for item in items), self._said(talk, phrase, items)

    def _pick_up(self, clause: Clause, talk: Talk) -> Result:
        phrase = _given(clause.thing)
        item = self._liftable(phrase, talk)
        if item.track_id == talk.held:
            raise Refused(f"I already hold the {name(item)}", Cause.IMPOSSIBLE)
        return (Step(StepKind.PICK_UP, item.track_id),), replace(self._said(talk, phrase, [item]), held=item.track_id)

    def _liftable(self, phrase: NounPhrase, talk: Talk) -> SceneObject:
        """The thing of a phrase, if the two palms can lift it and are free."""
        if phrase.word in ("me", "you", "home", "here"):
            raise Refused("I do not pick up people or places", Cause.UNSAFE)
        if phrase.every or (phrase.count or 1) > 1:
            items = self._several(phrase, talk)
            if len(items) > 1:
                raise Refused("I can carry only one thing at a time", Cause.IMPOSSIBLE)
            item = items[0]
        else:
            item = self._one(phrase, talk)
        if item.track_id != talk.held:
            self._check_lift(item)
            if talk.held is not None:
                raise Refused("I already hold something; tell me first where to put it", Cause.IMPOSSIBLE)
        return item

    def _check_lift(self, item: SceneObject) -> None:
        if item.label in (ObjectClass.PEDESTRIAN, ObjectClass.CYCLIST):
            raise Refused("I do not pick up people: that is not safe", Cause.UNSAFE)
        if item.label != ObjectClass.BOX:
            raise Refused(
                f"I cannot carry {a(NAMES[item.label][0])}, only boxes between my two palms", Cause.IMPOSSIBLE
            )
        can, slack = self._can, self._can.slack_m
        sides = sorted((item.length, item.width))
        if sides[0] > can.widest_m + slack or max(*sides, item.height) > can.longest_m + slack:
            raise Refused(f"the {name(item)} is too big and heavy for me to carry", Cause.IMPOSSIBLE)
        if sides[1] < can.narrowest_m - slack:
            raise Refused(f"the {name(item)} is too small to hold between my two palms", Cause.IMPOSSIBLE)
        if item.z < can.lowest_m:
            raise Refused(f"the {name(item)} stands too low: I cannot bend down to it", Cause.IMPOSSIBLE)

    def _bring(self, clause: Clause, talk: Talk) -> Result:
        phrase, where = _given(clause.thing), _given(clause.place)
        if phrase.every or (phrase.count or 1) > 1:
            return self._bring_several(phrase, where, talk)
        item = self._liftable(phrase, talk)
        place, then = self._goal_place(where, self._said(talk, phrase, [item]), item, talk.it)
        return (Step(StepKind.BRING, item.track_id, place),), self._delivered(then, item, place)

    def _bring_several(self, phrase: NounPhrase, where: PlacePhrase, talk: Talk) -> Result:
        """One after the other, which needs a table or shelf to leave each at."""
        items = self._several(phrase, talk)
        for item in items:
            self._check_lift(item)
        place, then = self._goal_place(where, self._said(talk, phrase, items), items[0], talk.it)
        if len(items) > 1 and self._furniture(place) is None:
            raise Refused("I can carry only one thing at a time", Cause.IMPOSSIBLE)
        if talk.held is not None:
            raise Refused("I already hold something; tell me first where to put it", Cause.IMPOSSIBLE)
        return tuple(Step(StepKind.BRING, item.track_id, place) for item in items), then

    def _goal_place(
        self, where: PlacePhrase, talk: Talk, item: SceneObject, before: tuple[int, ...]
    ) -> tuple[Place, Talk]:
        """Where a thing is brought to; "it" in the place is what it was ``before``, afterwards it is the thing."""
        self._check_drop(where)
        place, then = self._place(where, replace(talk, it=before, moved=item.track_id))
        if item.track_id in place.targets:
            raise Refused(f"I cannot bring the {name(item)} to itself", Cause.IMPOSSIBLE)
        base = self._furniture(place)
        if base is not None and place.relation in FLAT and spatial.is_on(item, base) and talk.held != item.track_id:
            raise Refused(f"the {name(item)} is on the {NAMES[base.label][0]} already", Cause.IMPOSSIBLE)
        if place.relation == Relation.ON and place.targets and self._furniture(place) is None:
            raise Refused("I put things only on tables and shelves", Cause.IMPOSSIBLE)
        return place, replace(then, it=(item.track_id,), moved=None, label=item.label)

    def _check_drop(self, where: PlacePhrase) -> None:
        if where.anchors[0].word == "floor":
            raise Refused("I cannot bend down to put things on the floor", Cause.IMPOSSIBLE)
        if where.relation == Relation.UNDER or where.bad_way is not None:
            way = where.bad_way or where.relation.value
            raise Refused(f"I cannot put things {way} there: only on tables and shelves", Cause.IMPOSSIBLE)

    def _furniture(self, place: Place) -> SceneObject | None:
        """The table or shelf on which a thing ends up that is brought or put there."""
        item = self._scene.find(place.targets[0]) if place.targets else None
        if item is None:
            return None
        if place.relation in (*FLAT, Relation.NEAR) and item.label in spatial.FURNITURE:
            return item
        return None if place.relation in FLAT else spatial.support(self._scene, item)

    def _delivered(self, talk: Talk, item: SceneObject, place: Place) -> Talk:
        return replace(talk, held=None if self._furniture(place) is not None else item.track_id)

    def _put(self, clause: Clause, talk: Talk) -> Result:
        item = self._to_put(clause.thing, talk)
        then = talk if clause.thing is None else self._said(talk, clause.thing, [item])
        if clause.place is None:
            place = self._nearest_furniture(item)
        else:
            place, then = self._goal_place(clause.place, then, item, talk.it)
        if self._furniture(place) is None:
            if place.kind in (PlaceKind.HOME, PlaceKind.PERSON):
                return (Step(StepKind.BRING, item.track_id, place),), replace(then, held=item.track_id)
            raise Refused("I put things only on tables and shelves: I cannot bend down to the floor", Cause.IMPOSSIBLE)
        if place.relation in (Relation.AT, Relation.NEAR):
            place = replace(place, relation=Relation.ON)
        steps: tuple[Step, ...] = (Step(StepKind.PUT, item.track_id, place),)
        if item.track_id != talk.held:
            steps = (Step(StepKind.PICK_UP, item.track_id), *steps)
        return steps, replace(then, held=None, it=(item.track_id,), there=place)

    def _to_put(self, phrase: NounPhrase | None, talk: Talk) -> SceneObject:
        """The thing to put down: what is held unless something else is named."""
        if phrase is None or phrase.word in ("it", "that", "this", "them"):
            held = None if talk.held is None else self._scene.find(talk.held)
            if held is not None:
                return held
            if phrase is None:
                raise Refused("I hold nothing that I could put down", Cause.IMPOSSIBLE)
        return self._liftable(phrase, talk)

    def _nearest_furniture(self, item: SceneObject) -> Place:
        bases = [base for base in self._scene.objects if base.label in spatial.FURNITURE]
        if not bases:
            raise Refused(f"I see no table or shelf to put the {name(item)} on", NOT_FOUND)
        base = min(bases, key=lambda i: (spatial.distance(self._scene, i), i.track_id))
        return Place(PlaceKind.OBJECT, (base.track_id,), Relation.ON)

    def _harm(self, clause: Clause, talk: Talk) -> Result:
        raise Refused("I do not do that: it could hurt people or break things, which is not safe", Cause.UNSAFE)


def _tracked(item: SceneObject) -> SceneObject:
    """The item, unless it only stands for a place."""
    if item.track_id < 0:
        raise Refused("that is a place; I can do that only with a thing or a person", Cause.IMPOSSIBLE)
    return item


def _given(value: T | None) -> T:
    """A part that the grammar always sets for this verb."""
    assert value is not None
    return value
