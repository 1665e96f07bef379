"""Grammar of descriptions: every way to read one, the one that takes the most words first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from autodrive.language import lexicon
from autodrive.language.model import Relation
from autodrive.language.reader import Reader
from autodrive.language.syntax import Link, NounPhrase, Rank

Parse = tuple[NounPhrase, int]
FIXED = frozenset({"me", "you", "home", "here", "floor", "ground"})
SUPERLATIVES = {size: Rank(measure, ascending) for size, (measure, ascending) in lexicon.SIZES.items()}
DETERMINERS = frozenset({"the", "a", "all", "that", "this"})


def noun_phrases(reader: Reader, start: int, answer: bool = False) -> Iterator[Parse]:
    """Readings of the phrase that begins at ``start``; ``answer`` allows one without article and noun ("nearer")."""
    reader.spend()
    word = reader.at(start)
    if word == "the" and reader.at(start + 1) in FIXED:
        start, word = start + 1, reader.at(start + 1)
    if word in FIXED:
        yield NounPhrase((start, start + 1), word="floor" if word == "ground" else word), start + 1
        return
    yield from _described(reader, start, answer)
    if word in lexicon.PRONOUNS:
        yield NounPhrase((start, start + 1), word=word), start + 1


def _described(reader: Reader, start: int, answer: bool) -> Iterator[Parse]:
    """Article, adjectives, noun, and what follows the noun."""
    phrase, k = _determiners(reader, start)
    has_determiner = k > start
    phrase, after = _adjectives(reader, phrase, k)
    noun = reader.at(after)
    if noun in lexicon.NOUNS:
        label, elliptic, end = lexicon.NOUNS[noun], False, after + 1
        phrase = replace(phrase, plural=noun in ("people", "cones"))
    elif noun in lexicon.ANYTHING and (noun != "one" or has_determiner or after > k or answer):
        label, elliptic, end = None, noun == "one", after + 1
    elif after > k and noun == "of":  # "the shorter of the two people"
        yield from _chosen_of(reader, phrase, after + 1, start)
        return
    elif (after > k and (has_determiner or answer)) or (answer and _starts_link(reader, after)):
        label, elliptic, end = None, True, after
    else:
        return
    phrase = replace(phrase, label=label, elliptic=elliptic)
    yield from _followed(reader, replace(phrase, span=(start, end)), end, start)


def _chosen_of(reader: Reader, phrase: NounPhrase, k: int, start: int) -> Iterator[Parse]:
    """The things of the phrase at ``k``, with the ranks of ``phrase`` on them."""
    ranks = (*phrase.ranks, *(SUPERLATIVES[size] for size in phrase.sizes))
    for inner, end in noun_phrases(reader, k):
        if inner.word is None and ranks:
            yield (
                replace(inner, span=(start, end), ranks=inner.ranks + ranks, count=None, every=False, plural=False),
                end,
            )


def _determiners(reader: Reader, k: int) -> tuple[NounPhrase, int]:
    phrase = NounPhrase((k, k))
    while True:
        word = reader.at(k)
        if word in DETERMINERS:
            phrase = replace(
                phrase,
                indefinite=word == "a",
                every=phrase.every or word == "all",
                demonstrative=word in ("that", "this"),
            )
        elif word in ("two", "three", "four", "2", "3", "4") or (word == "one" and reader.at(k + 1) in lexicon.NOUNS):
            phrase = replace(phrase, count={"one": 1, "two": 2, "three": 3, "four": 4}.get(word) or int(word))
        else:
            return phrase, k
        k += 1


def _adjectives(reader: Reader, phrase: NounPhrase, k: int) -> tuple[NounPhrase, int]:
    while True:
        changed = _adjective(phrase, reader.at(k))
        if changed is None:
            return phrase, k
        phrase, k = changed, k + 1


def _adjective(phrase: NounPhrase, word: str) -> NounPhrase | None:
    """The phrase with one more adjective, or None when ``word`` is none."""
    if word in lexicon.RANKS:
        measure, ascending = lexicon.RANKS[word]
        rank = Rank(measure, ascending, phrase.ordinal or 0, soft=word in ("left", "right"))
        return replace(phrase, ranks=(*phrase.ranks, rank), ordinal=None)
    if word in lexicon.SIZES:
        return replace(phrase, sizes=(*phrase.sizes, word))
    if word in lexicon.COLOURS and phrase.colour is None:
        return replace(phrase, colour=lexicon.COLOURS[word])
    if word in lexicon.ORDINALS and phrase.ordinal is None:
        return replace(phrase, ordinal=lexicon.ORDINALS[word])
    if word == "last" and phrase.ordinal is None:
        return replace(phrase, ordinal=-1)
    if word == "middle":
        return replace(phrase, ranks=(*phrase.ranks, Rank("middle")))
    if word in ("moving", "still"):
        return replace(phrase, moving=word == "moving")
    if word == "other":
        return replace(phrase, other=True)
    return None


def _followed(reader: Reader, phrase: NounPhrase, k: int, start: int) -> Iterator[Parse]:
    """The phrase with as many attributes behind the noun as there are, then with fewer."""
    reader.spend()
    for longer, end in _attribute(reader, phrase, k):
        yield from _followed(reader, replace(longer, span=(start, end)), end, start)
    yield phrase, k


def _attribute(reader: Reader, phrase: NounPhrase, k: int) -> Iterator[Parse]:
    """One attribute behind the noun."""
    word = reader.at(k)
    if word == "," and (reader.at(k + 1) in ("not", "but", "except") or reader.at(k + 1) in lexicon.RELATIONS):
        yield from _attribute(reader, phrase, k + 1)
    elif word in ("from_left", "from_right"):
        rank = Rank("bearing", word == "from_left", phrase.ordinal or 0)
        yield replace(phrase, ranks=(*phrase.ranks, rank), ordinal=None), k + 1
    elif word in ("on_left", "on_right"):
        side = Rank("bearing", word == "on_left", soft=True)
        yield replace(phrase, ranks=(*phrase.ranks, side)), k + 1
    elif word == "in_middle":
        yield replace(phrase, ranks=(*phrase.ranks, Rank("middle"))), k + 1
    elif word == "there":
        there = NounPhrase((k, k + 1), word="there")
        yield replace(phrase, links=(*phrase.links, Link(Relation.AT, (there,)))), k + 1
    elif word == "held":
        yield replace(phrase, held=True), k + 1
    elif word in lexicon.COLOURS or word in ("biggest", "smallest", "tallest", "shortest"):  # "the one that is blue"
        changed = _adjective(phrase, word)
        if changed is not None:
            yield changed, k + 1
    elif word in ("moving", "still"):
        yield replace(phrase, moving=word == "moving"), k + 1
    elif word in ("nearest_to", "farthest_from", "nearest", "farthest"):
        yield from _ranked_by(reader, phrase, k)
    elif word in ("in", "with", "wearing"):
        yield from _clothed(reader, phrase, k)
        yield from _linked(reader, phrase, k)
    elif word in ("not", "except", "but"):
        begin = k + 1
        while reader.at(begin) in ("not", "for"):
            begin += 1
        for excluded, end in noun_phrases(reader, begin, answer=True):
            yield replace(phrase, exclude=(*phrase.exclude, excluded)), end
    else:
        yield from _linked(reader, phrase, k)


def _ranked_by(reader: Reader, phrase: NounPhrase, k: int) -> Iterator[Parse]:
    """``nearest to the table``; without an anchor, from the robot."""
    word = reader.at(k)
    ascending = word.startswith("nearest")
    begin = k + 1 if reader.at(k + 1) not in ("to", "from") else k + 2
    for anchor, end in noun_phrases(reader, begin):
        if anchor.word == "you":
            yield replace(phrase, ranks=(*phrase.ranks, Rank("distance", ascending))), end
        else:
            yield replace(phrase, ranks=(*phrase.ranks, Rank("distance", ascending, anchor=anchor))), end
    if "_" not in word:
        yield replace(phrase, ranks=(*phrase.ranks, Rank("distance", ascending))), k + 1


def _clothed(reader: Reader, phrase: NounPhrase, k: int) -> Iterator[Parse]:
    """``in red``, ``with the blue jacket``: the colour of a person."""
    j = k + 2 if reader.at(k + 1) in ("the", "a") else k + 1
    colour = lexicon.COLOURS.get(reader.at(j))
    if colour is None or phrase.colour is not None:
        return
    if reader.at(j + 1) in lexicon.GARMENTS:
        yield replace(phrase, colour=colour), j + 2
    elif reader.at(k) != "with" and reader.at(j + 1) not in lexicon.NOUNS:
        yield replace(phrase, colour=colour), j + 1


def _starts_link(reader: Reader, k: int) -> bool:
    sides = ("on_left", "on_right", "in_middle", "nearest_to", "farthest_from", "with", "from_left", "from_right")
    return reader.at(k) in lexicon.RELATIONS or reader.at(k) in sides


def _linked(reader: Reader, phrase: NounPhrase, k: int) -> Iterator[Parse]:
    """A relation to other things."""
    word = reader.at(k)
    if word == "with":
        for anchor, end in noun_phrases(reader, k + 1):
            if reader.at(end) == "on":
                end += 2 if reader.at(end + 1) in ("it", "top", "there") else 0
            yield replace(phrase, links=(*phrase.links, Link(Relation.ON, (anchor,), inverse=True))), end
        return
    relation = Relation.ON if word == "from" else lexicon.RELATIONS.get(word)
    if relation is None:
        return
    for anchors, end in anchors_of(reader, relation, k + 1):
        yield replace(phrase, links=(*phrase.links, Link(relation, anchors))), end


def anchors_of(reader: Reader, relation: Relation, k: int) -> Iterator[tuple[tuple[NounPhrase, ...], int]]:
    """What a relation refers to: one phrase, or two with "and" for ``between``."""
    for first, end in noun_phrases(reader, k):
        if relation != Relation.BETWEEN:
            yield (first,), end
        elif reader.at(end) == "and":
            for second, last in noun_phrases(reader, end + 1):
                yield (first, second), last
        elif first.count is not None or first.plural or first.every or first.word in ("them", "they"):
            yield (first,), end
