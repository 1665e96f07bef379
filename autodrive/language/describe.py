"""Things in words: what is seen, and how the candidates of an ambiguous phrase differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from autodrive.language.lexicon import NAMES
from autodrive.language.model import Scene, SceneObject
from autodrive.language.spatial import bearing, distance, on_floor, support
from autodrive.scene import ObjectClass

SURE = 0.5  # colour confidence from which a colour is said and taken as it is
CLEARLY = 0.4  # metres by which the nearest must be nearer to be called so
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def known_colour(item: SceneObject) -> str | None:
    """The colour if it is known well enough to be said."""
    return item.colour if item.colour_confidence >= SURE else None


def name(item: SceneObject) -> str:
    """``red box``."""
    colour = known_colour(item)
    return f"{colour} {NAMES[item.label][0]}" if colour else NAMES[item.label][0]


def a(text: str) -> str:
    """The text with its indefinite article."""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def number(count: int) -> str:
    """A small number in words."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def listed(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def inventory(items: Sequence[SceneObject], label: ObjectClass | None = None) -> str:
    """What is seen: the things of one class by colour when there are any, else everything by class."""
    alike = [item for item in items if item.label == label]
    if alike:
        counts = Counter((known_colour(item), item.label) for item in alike)
    else:
        counts = Counter((None, item.label) for item in items)
    if not counts:
        return "nothing"
    parts = []
    for (colour, kind), count in sorted(counts.items(), key=lambda entry: (entry[0][1], entry[0][0] or "")):
        words = f"{colour} {NAMES[kind][count > 1]}" if colour else NAMES[kind][count > 1]
        parts.append(a(words) if count == 1 else f"{number(count)} {words}")
    return listed(parts)


def heading(items: Sequence[SceneObject]) -> str:
    """``Two red boxes``: how many there are of what the candidates have in common."""
    labels = {item.label for item in items}
    colours = {known_colour(item) for item in items}
    noun = NAMES[labels.pop()][1] if len(labels) == 1 else "things"
    colour = colours.pop() if len(colours) == 1 else None
    return f"{number(len(items)).capitalize()} {colour + ' ' if colour else ''}{noun}"


def options(scene: Scene, items: Sequence[SceneObject]) -> tuple[str, ...]:
    """For each thing the shortest description that fits no other; each is understood as an answer."""
    lists = [_descriptions(scene, item, items) for item in items]
    return tuple(next(text for text in own if text) for own in lists)


def _descriptions(scene: Scene, item: SceneObject, items: Sequence[SceneObject]) -> list[str | None]:
    ranked = _by_bearing(scene, items)
    return [
        _distinct(item, items, lambda i: f"the {NAMES[i.label][0]}"),
        _distinct(item, items, lambda i: f"the {known_colour(i)} one" if known_colour(i) else None),
        _distance_words(scene, item, items),
        _distinct(item, items, lambda i: _standing(scene, i)),
        _side_words(scene, item, ranked),
        f"the {ORDINALS[ranked.index(item)] if ranked.index(item) < 10 else ranked.index(item) + 1} from the left",
    ]


def _distinct(item: SceneObject, items: Sequence[SceneObject], word: Callable[[SceneObject], str | None]) -> str | None:
    """The word for ``item`` when no other has the same, and none is without."""
    words = [word(other) for other in items]
    own = word(item)
    return own if own is not None and None not in words and words.count(own) == 1 else None


def _standing(scene: Scene, item: SceneObject) -> str | None:
    base = support(scene, item)
    if base is not None:
        return f"the one on the {NAMES[base.label][0]}"
    return "the one on the floor" if on_floor(item) else None


def _distance_words(scene: Scene, item: SceneObject, items: Sequence[SceneObject]) -> str | None:
    ordered = sorted(items, key=lambda i: (distance(scene, i), i.track_id))
    if item is ordered[0] and distance(scene, ordered[1]) - distance(scene, item) > CLEARLY:
        return "the nearer" if len(items) == 2 else "the nearest"
    if item is ordered[-1] and distance(scene, item) - distance(scene, ordered[-2]) > CLEARLY:
        other = _distinct(item, items, lambda i: _standing(scene, i))
        return other or ("the farther" if len(items) == 2 else "the farthest")
    return None


def _side_words(scene: Scene, item: SceneObject, ranked: Sequence[SceneObject]) -> str | None:
    if bearing(scene, ranked[0]) - bearing(scene, ranked[-1]) < 0.03:
        return None
    if item is ranked[0]:
        return "the left one" if len(ranked) == 2 else "the leftmost"
    if item is ranked[-1]:
        return "the right one" if len(ranked) == 2 else "the rightmost"
    return None


def _by_bearing(scene: Scene, items: Sequence[SceneObject]) -> list[SceneObject]:
    return sorted(items, key=lambda i: (-bearing(scene, i), i.track_id))
