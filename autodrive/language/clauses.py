"""Grammar of orders: each verb with what may follow it. Every reading is yielded, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from autodrive.language import lexicon
from autodrive.language.noun_phrases import anchors_of, noun_phrases
from autodrive.language.reader import Reader
from autodrive.language.syntax import Clause, NounPhrase, PlacePhrase, Relation
from autodrive.scene import ObjectClass

Parse = tuple[Clause, int]
SEPARATORS = frozenset({"then", ",", "and", "but", "without", "."})
MOST_READINGS = 24
ME = NounPhrase((0, 0), word="me")
HOME = NounPhrase((0, 0), word="home")
DIRECTIONS = {
    "forward": "ahead", "forwards": "ahead", "ahead": "ahead", "onward": "ahead", "back": "back", "backward": "back",
    "backwards": "back", "left": "left", "on_left": "left", "right": "right", "on_right": "right", "around": "around",
    "round": "around",
}  # fmt: skip


def clauses(reader: Reader, start: int, previous: str | None) -> list[Parse]:
    """Readings of the order at ``start`` that end at a separator or at the end of the text.

    ``previous`` is the verb of the order before, for "touch the cone and the box".
    """
    return list(islice((p for p in _readings(reader, start, previous) if _ends(reader, p[1])), MOST_READINGS))


def _ends(reader: Reader, k: int) -> bool:
    return reader.at(k) == "" or reader.at(k) in SEPARATORS


def _readings(reader: Reader, start: int, previous: str | None) -> Iterator[Parse]:
    k = _skip_lead(reader, start)
    word = reader.at(k)
    if word in lexicon.NEGATIONS:
        yield _forbidden(reader, start, k)
        return
    if word in lexicon.HARM:
        yield _harm(reader, start, k)
        return
    verb = {"moving": "go", "still": "go"}.get(word, word)
    if verb in _GRAMMAR:
        for clause, end in _GRAMMAR[verb](reader, k + 1):
            yield replace(clause, span=(start, end)), _skip_tail(reader, end)
        return
    if word in ("to", "home"):
        for place, end in places(reader, k):
            yield Clause("go", (start, end), place=place), _skip_tail(reader, end)
    if word == "back":
        yield Clause("return", (start, k + 1)), k + 1
    if previous is not None:
        yield from _elided(reader, start, k, previous)


def _skip_lead(reader: Reader, k: int) -> int:
    """Past words before the verb: "first", "I", "go and"."""
    while reader.at(k) in ("i", "we", "you", "and", "next", "to", "first") and (
        reader.at(k + 1) in lexicon.VERBS or reader.at(k + 1) in lexicon.NEGATIONS or reader.at(k) in ("and", "next")
    ):
        k += 1
    if reader.at(k) in ("go", "come"):
        if reader.at(k + 1) == "and" and reader.at(k + 2) in lexicon.VERBS:
            return k + 2
        if reader.at(k + 1) in lexicon.VERBS - {"go", "come", "face"}:
            return k + 1
    return k


def _skip_tail(reader: Reader, k: int) -> int:
    """Past "for me" and "there" behind a complete order."""
    while reader.at(k) == "for" and reader.at(k + 1) == "me":
        k += 2
    return k


def _rest(reader: Reader, k: int) -> int:
    """The next separator or the end."""
    while not _ends(reader, k):
        k += 1
    return k


def _forbidden(reader: Reader, start: int, k: int) -> Parse:
    while reader.at(k) in lexicon.NEGATIONS:
        k += 1
    end = _rest(reader, k)
    return Clause(reader.at(k), (start, end), forbidden=True), end


def _harm(reader: Reader, start: int, k: int) -> Parse:
    """An order to do harm is not read closely: it is refused anyway."""
    end = _rest(reader, k)
    thing = next((phrase for j in range(k + 1, end) for phrase, _ in noun_phrases(reader, j)), None)
    return Clause("harm", (start, end), thing=thing), end


def _elided(reader: Reader, start: int, k: int, previous: str) -> Iterator[Parse]:
    if previous in ("go", "stop", "come", "approach"):
        for place, end in places(reader, k):
            yield Clause(previous, (start, end), place=place), end
        for phrase, end in noun_phrases(reader, k):
            yield Clause(previous, (start, end), place=PlacePhrase(Relation.AT, (phrase,))), end
    elif previous in lexicon.VERB_KINDS:
        for phrase, end in noun_phrases(reader, k):
            yield Clause(previous, (start, end), thing=phrase), end


def places(reader: Reader, k: int) -> Iterator[tuple[PlacePhrase, int]]:
    """Readings of a place: "to the cone", "1 m from it", "behind the table at 2 m", "home"."""
    reader.spend()
    word = reader.at(k)
    yield from _distant(reader, k)
    if word == "to" and reader.at(k + 1) in lexicon.RELATIONS:
        yield from places(reader, k + 1)
    elif word == "to" or word in ("home", "here", "there"):
        for phrase, end in noun_phrases(reader, k + (word == "to")):
            yield from _at_distance(reader, PlacePhrase(Relation.AT, (phrase,)), end)
    elif word in ("on_left", "on_right") and reader.at(k + 1) == "":
        return
    if word in lexicon.RELATIONS:
        relation = Relation.AT if word == "at" else lexicon.RELATIONS[word]
        for anchors, end in anchors_of(reader, relation, k + 1):
            bad_way = word if word == "inside" else None
            yield from _at_distance(reader, PlacePhrase(relation, anchors, bad_way=bad_way), end)
    if word in lexicon.BAD_WAYS:
        for phrase, end in noun_phrases(reader, k + 1):
            yield PlacePhrase(Relation.AT, (phrase,), bad_way=word), end


def _distant(reader: Reader, k: int) -> Iterator[tuple[PlacePhrase, int]]:
    """``[at] 1 m from X``, ``within 2 m of X``, ``2 m behind X``."""
    while reader.at(k) in ("at", "to", "within", "about", "a", "the", "distance", "of") and reader.at(k):
        if reader.length(k) is not None:  # "a metre"
            break
        k += 1
    measured = reader.length(k)
    if measured is None:
        return
    distance, k = measured
    if reader.at(k) == "away" and _ends(reader, k + 1):  # from what was spoken of
        yield PlacePhrase(Relation.AT, (NounPhrase((k, k), word="it"),), distance), k + 1
    while reader.at(k) in ("away", "distance", "short"):
        k += 1
    word = reader.at(k)
    if word in ("from", "of", "to"):
        for phrase, end in noun_phrases(reader, k + 1):
            yield PlacePhrase(Relation.AT, (phrase,), distance), end
    elif word in lexicon.RELATIONS:
        for anchors, end in anchors_of(reader, lexicon.RELATIONS[word], k + 1):
            yield PlacePhrase(lexicon.RELATIONS[word], anchors, distance), end


def _at_distance(reader: Reader, place: PlacePhrase, k: int) -> Iterator[tuple[PlacePhrase, int]]:
    """A place with a distance said after it, or without."""
    j = k
    while reader.at(j) in ("at", "with", "a", "distance", "of", "from", "within", "about"):
        if reader.length(j) is not None:
            break
        j += 1
    measured = reader.length(j)
    if measured is not None and j > k:
        yield replace(place, distance_m=measured[0]), measured[1] + (reader.at(measured[1]) == "distance")
    yield place, k


def _go(reader: Reader, k: int) -> Iterator[Parse]:
    yield from _relative(reader, k)
    for place, end in places(reader, k):
        yield Clause("go", (k, end), place=place), end
    if reader.at(k) == "back":
        yield from _return(reader, k + 1)
    yield from (parse for parse in _carry(reader, k) if parse[0].place is not None)  # "move the box to ..."


def _relative(reader: Reader, k: int) -> Iterator[Parse]:
    """``forward 2 m``, ``2 m back``, ``a step to the left``."""
    measured = reader.length(k)
    distance, j = measured if measured is not None else (None, k)
    direction = DIRECTIONS.get(reader.at(j))
    if direction is None or direction == "around":
        return
    j += 1
    if distance is None:
        measured = reader.length(j + (reader.at(j) in ("by", "for")))
        distance, j = measured if measured is not None else (None, j)
    yield Clause("go", (k, j), motion=(direction, distance)), j


def _turn(reader: Reader, k: int) -> Iterator[Parse]:
    while reader.at(k) == "to":
        k += 1
    number = reader.number(k)
    angle, j = number if number is not None else (None, k)
    j += reader.at(j) in ("degrees", "degree")
    direction = DIRECTIONS.get(reader.at(j))
    if direction in ("left", "right", "around"):
        j += 1
        number = reader.number(j + (reader.at(j) == "by")) if angle is None else None
        if number is not None:
            angle, j = number
            j += reader.at(j) in ("degrees", "degree")
        yield Clause("turn", (k, j), motion=(direction, angle)), j


def _stop(reader: Reader, k: int) -> Iterator[Parse]:
    if reader.at(k) in lexicon.VERBS:  # "stop following him"
        yield Clause("stop", (k, k)), _rest(reader, k)
        return
    for place, end in places(reader, k):
        yield Clause("stop", (k, end), place=place), end
    yield Clause("stop", (k, k)), k


def _wait(reader: Reader, k: int) -> Iterator[Parse]:
    k += reader.at(k) in ("here", "there")
    lasting = reader.duration(k)
    if lasting is not None:
        yield Clause("wait", (k, lasting[1]), seconds=lasting[0]), lasting[1]
        for place, end in places(reader, lasting[1]):
            yield Clause("wait", (k, end), seconds=lasting[0], place=place), end
    for place, end in places(reader, k):
        lasting = reader.duration(end)
        if lasting is not None:
            yield Clause("wait", (k, lasting[1]), seconds=lasting[0], place=place), lasting[1]
        yield Clause("stop", (k, end), place=place), end
    for _, end in noun_phrases(reader, k):  # "wait for me"
        yield Clause("stop", (k, end)), end
    yield Clause("stop", (k, k)), k


def _stay(reader: Reader, k: int) -> Iterator[Parse]:
    k += reader.at(k) in ("still", "here", "there")
    yield from _wait(reader, k)


def _transitive(verb: str) -> Callable[[Reader, int], Iterator[Parse]]:
    """Verbs that take one thing, perhaps behind "at", "for" or "to"."""

    def read(reader: Reader, k: int) -> Iterator[Parse]:
        k += reader.at(k) in ("at", "for", "to")
        for phrase, end in noun_phrases(reader, k):
            yield Clause(verb, (k, end), thing=phrase), end + (reader.at(end) == "up" and verb == "pick_up")

    return read


def _look(reader: Reader, k: int) -> Iterator[Parse]:
    if DIRECTIONS.get(reader.at(k)) in ("left", "right", "around"):
        yield Clause("turn", (k, k + 1), motion=(DIRECTIONS[reader.at(k)], None)), k + 1
    yield from _transitive("look")(reader, k)


def _pick(reader: Reader, k: int) -> Iterator[Parse]:
    """``pick X up``; "pick up" is one token."""
    for phrase, end in noun_phrases(reader, k):
        yield Clause("pick_up", (k, end), thing=phrase), end + (reader.at(end) == "up")


def _approach(reader: Reader, k: int) -> Iterator[Parse]:
    k += reader.at(k) == "to"
    for phrase, end in noun_phrases(reader, k):
        yield from ((Clause("go", (k, e), place=p), e) for p, e in _at_distance(reader, _at(phrase), end))


def _at(phrase: NounPhrase) -> PlacePhrase:
    return PlacePhrase(Relation.AT, (phrase,))


def _take(reader: Reader, k: int) -> Iterator[Parse]:
    if reader.length(k) is not None:  # "take two steps back"
        yield from _relative(reader, k)
    for clause, end in _carry(reader, k):
        if clause.place is not None:
            yield clause, end
    yield from _pick(reader, k)


def _get(reader: Reader, k: int) -> Iterator[Parse]:
    """``get me X``, ``get X``, ``get X to Y``, and "get to X" for going there."""
    if reader.at(k) in ("to", "home", "back"):
        yield from _go(reader, k)
        return
    for clause, end in _carry(reader, k):
        yield (clause if clause.place is not None else replace(clause, place=_at(ME))), end


def _want(reader: Reader, k: int) -> Iterator[Parse]:
    yield from _get(reader, k)


def _bring(reader: Reader, k: int) -> Iterator[Parse]:
    for clause, end in _carry(reader, k):
        yield (clause if clause.place is not None else replace(clause, place=_at(ME))), end


def _give(reader: Reader, k: int) -> Iterator[Parse]:
    yield from _bring(reader, k)


def _carry(reader: Reader, k: int) -> Iterator[Parse]:
    """A thing and where it goes: ``me X``, ``him X``, ``X to Y``, ``X``; as short a thing as works comes first."""
    for who, end in _shortest_first(reader, k):
        if who.word in ("me", *lexicon.PEOPLE_PRONOUNS) or who.label == ObjectClass.PEDESTRIAN:
            for phrase, last in noun_phrases(reader, end):
                if phrase.word in ("me", "you", "here", "home", "there"):
                    continue
                yield Clause("bring", (k, last), thing=phrase, place=_at(who)), last
    for phrase, end in _shortest_first(reader, k):
        j = end + (reader.at(end) in ("back", "down", "over"))
        if reader.at(j) == "from":
            continue  # where it is now; the longer reading has it
        for place, last in _destinations(reader, j):
            yield Clause("bring", (k, last), thing=phrase, place=place), last
        if j == end + 1 and reader.at(end) == "back":
            yield Clause("bring", (k, j), thing=phrase, place=_at(HOME)), j
    for phrase, end in noun_phrases(reader, k):
        yield Clause("bring", (k, end), thing=phrase), end


def _destinations(reader: Reader, k: int) -> Iterator[tuple[PlacePhrase, int]]:
    """Places, and "for her"."""
    yield from places(reader, k)
    if reader.at(k) == "for":
        for phrase, end in noun_phrases(reader, k + 1):
            yield _at(phrase), end


def _shortest_first(reader: Reader, k: int) -> list[tuple[NounPhrase, int]]:
    found = list(islice(noun_phrases(reader, k), MOST_READINGS))
    return sorted(found, key=lambda parse: parse[1])


def _put(reader: Reader, k: int) -> Iterator[Parse]:
    k += reader.at(k) == "down"
    for phrase, end in _shortest_first(reader, k):
        j = end + (reader.at(end) in ("down", "back"))
        if reader.at(j) == "from":
            continue
        for place, last in _destinations(reader, j):
            yield Clause("put", (k, last), thing=phrase, place=place), last
    for phrase, end in noun_phrases(reader, k):
        if not phrase.links:  # "the box on the table" would swallow the place that was meant
            yield Clause("put", (k, end), thing=phrase), end + (reader.at(end) in ("down", "back", "go"))
    for place, end in places(reader, k):
        yield Clause("put", (k, end), place=place), end
    yield Clause("put", (k, k)), k


def _return(reader: Reader, k: int) -> Iterator[Parse]:
    for place, end in places(reader, k):
        yield Clause("return", (k, end), place=place), end
    for phrase, end in _shortest_first(reader, k):
        for place, last in places(reader, end):
            yield Clause("bring", (k, last), thing=phrase, place=place), last
    yield Clause("return", (k, k)), k


def _come(reader: Reader, k: int) -> Iterator[Parse]:
    if reader.at(k) == "here":
        yield Clause("go", (k, k + 1), place=_at(ME)), k + 1
    for place, end in places(reader, k):
        yield Clause("go", (k, end), place=place), end
    yield Clause("go", (k, k), place=_at(ME)), k


_GRAMMAR: dict[str, Callable[[Reader, int], Iterator[Parse]]] = {
    "go": _go,
    "turn": _turn,
    "stop": _stop,
    "wait": _wait,
    "stay": _stay,
    "look": _look,
    "watch": _transitive("watch"),
    "face": _transitive("face"),
    "touch": _transitive("touch"),
    "reach": _transitive("reach"),
    "follow": _transitive("follow"),
    "pick_up": _transitive("pick_up"),
    "pick": _pick,
    "approach": _approach,
    "take": _take,
    "get": _get,
    "want": _want,
    "bring": _bring,
    "give": _give,
    "put": _put,
    "return": _return,
    "come": _come,
}
