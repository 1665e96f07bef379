"""Answers to a question that was asked back: "the nearer", "the one on the shelf", "the second", "yes"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autodrive.language import lexicon
from autodrive.language.model import Pending, Scene, SceneObject
from autodrive.language.noun_phrases import noun_phrases
from autodrive.language.reader import Reader, TooComplicated
from autodrive.language.resolve import Doubt, Refused, Resolver, Talk
from autodrive.language.spatial import distance
from autodrive.language.syntax import NounPhrase

LEADS = frozenset(
    lexicon.words_of(
        "i mean meant that it is pick take choose go for to with think would say want pick_up , . yes no",
        "at on in get",
    )
)
YES = frozenset(lexicon.words_of("yes yeah yep right correct sure exactly indeed affirmative it"))
NO = frozenset(["no", "nope", "neither", "none", "wrong"])
ANY = ("a", "a one")


def chosen(tokens: tuple[str, ...], pending: Pending, scene: Scene, talk: Talk) -> tuple[int, ...] | None:
    """The tracks among the candidates that an answer names; empty for "no"; None when it is no answer."""
    items = [item for item in scene.objects if item.track_id in pending.candidates]
    if tokens and all(word in YES or word in (",", ".", "one", "the", "that") for word in tokens) and len(items) == 1:
        return (items[0].track_id,)
    if tokens and tokens[0] in NO and len(tokens) == 1:
        return ()
    if " ".join(tokens) in ANY and items:
        return (min(items, key=lambda i: (distance(scene, i), i.track_id)).track_id,)
    orders: set[str] = set()
    for start, word in enumerate(tokens):
        answer = _from(tokens, start, pending, scene, items, talk, bool(orders))
        if answer is not None:
            return answer
        if word in lexicon.VERBS:
            orders.add(word)
        if word not in LEADS or (word == "go" and tokens[start + 1 : start + 2] not in (("for",), ("with",))):
            return None
    return None


def _from(
    tokens: tuple[str, ...],
    start: int,
    pending: Pending,
    scene: Scene,
    items: Sequence[SceneObject],
    talk: Talk,
    ordered: bool,
) -> tuple[int, ...] | None:
    """The answer that begins at ``start`` and takes all that is left.

    Behind a verb ("take the left one") it must not name a class: "take the red box" is an order of its own.
    """
    reader = Reader(tokens)
    resolver = Resolver(scene, reader, talk)
    numbered = _by_number(tokens[start:], pending)
    if numbered is not None:
        return numbered
    try:
        for phrase, end in noun_phrases(reader, start, answer=True):
            if any(word not in (".", ",", "then") for word in tokens[end:]) or (ordered and not phrase.elliptic):
                continue
            found = _fitting(resolver, phrase, pending, items, scene)
            if found is not None:
                return found
    except (TooComplicated, Refused, Doubt):
        return None
    return None


def _by_number(words: Sequence[str], pending: Pending) -> tuple[int, ...] | None:
    """``2``, ``number two``: in the order in which the candidates were told."""
    words = [word for word in words if word not in ("number", "option", ".", ",")]
    if len(words) != 1:
        return None
    number = lexicon.NUMBERS.get(words[0], float(words[0]) if words[0].isdigit() and len(words[0]) < 4 else 0.0)
    if words[0] in ("one", "0") or not 1 <= number <= len(pending.candidates):
        return None
    return (pending.candidates[int(number) - 1],)


def _fitting(
    resolver: Resolver, phrase: NounPhrase, pending: Pending, items: Sequence[SceneObject], scene: Scene
) -> tuple[int, ...] | None:
    if phrase.word is not None:
        return None
    if phrase.ordinal is not None and not phrase.ranks:  # "the second": of those told
        if -1 <= phrase.ordinal < len(pending.candidates):
            wanted = pending.candidates[phrase.ordinal]
            return (wanted,) if scene.find(wanted) is not None else None
        return None
    found = resolver.fitting(replace(phrase, other=False), items)
    return tuple(item.track_id for item in found.items) or None
