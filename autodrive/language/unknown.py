"""Words that the grammar does not know: replaced by what they mean, or named in a refusal."""

from __future__ import annotations

from autodrive.language import lexicon
from autodrive.language.clauses import SEPARATORS
from autodrive.language.meanings import HARM, Meanings
from autodrive.language.model import Cause
from autodrive.language.noun_phrases import DETERMINERS, FIXED
from autodrive.language.resolve import Refused

MOST_UNKNOWN = 3  # words; a text with more is not an instruction that could be guessed
QUESTIONS = frozenset(lexicon.words_of("what where who which how why whose when is are does"))
CONDITIONS = frozenset(lexicon.words_of("if unless until when whenever while because although or"))
KNOWN = (
    frozenset(lexicon.NOUNS)
    | lexicon.ANYTHING
    | frozenset(lexicon.COLOURS)
    | lexicon.GARMENTS
    | frozenset(lexicon.RANKS)
    | frozenset(lexicon.SIZES)
    | frozenset(lexicon.ORDINALS)
    | frozenset(lexicon.RELATIONS)
    | lexicon.BAD_WAYS
    | frozenset(lexicon.NUMBERS)
    | frozenset(lexicon.SECONDS)
    | frozenset(lexicon.METRES)
    | lexicon.PRONOUNS
    | lexicon.NEGATIONS
    | lexicon.VERBS
    | SEPARATORS
    | DETERMINERS
    | FIXED
    | frozenset(
        lexicon.words_of(
            "held on_left on_right from_left from_right in_middle nearest_to farthest_from middle moving still",
            "other last from to within of away for with wearing except i we next half_a half a_moment",
            "hundred point degrees degree forward forwards ahead onward back backward backwards left right",
            "around round down distance about short no yes . go",
        )
    )
)
PARTICLES = frozenset({"up", "out", "off", "down", "over"})


def understand_words(tokens: tuple[str, ...], meanings: Meanings) -> tuple[str, ...]:
    """The tokens with every unknown word replaced; raises Refused when one has no meaning that is known."""
    result: list[str] = []
    unknown = 0
    k = 0
    while k < len(tokens):
        word = tokens[k]
        if word in KNOWN or word[0].isdigit():
            result.append(word)
            k += 1
            continue
        unknown += 1
        if lexicon.HARM & set(result):
            raise Refused(f"I do not '{next(w for w in result if w in lexicon.HARM)}': that is not safe", Cause.UNSAFE)
        if word in CONDITIONS:
            raise Refused(f"I do not understand conditions such as '{word}'; tell me the steps in order", Cause.UNKNOWN)
        if unknown > MOST_UNKNOWN:
            raise Refused(f"I do not understand that: I do not know '{word}'", Cause.UNKNOWN)
        replacement, k = _meaning(tokens, k, result, meanings)
        result.append(replacement)
    return tuple(result)


def _meaning(tokens: tuple[str, ...], k: int, before: list[str], meanings: Meanings) -> tuple[str, int]:
    """The token that stands for the unknown word at ``k``, and where to go on."""
    word, following = tokens[k], tokens[k + 1] if k + 1 < len(tokens) else ""
    if _verb_is_due(before):
        return _verb(word, tokens, k, meanings)
    way = next((earlier for earlier in before[-2:] if earlier in lexicon.BAD_WAYS), None)
    if way is not None:
        raise Refused(f"I do not go {way} a '{word}': that is not safe", Cause.UNSAFE)
    if following in lexicon.NOUNS or following in lexicon.ANYTHING:
        reason = f"I do not know what '{word}' means; I tell things apart by colour, size and place"
        raise Refused(reason, Cause.UNKNOWN)
    noun = meanings.noun(word if word.endswith("ss") else word.removesuffix("s"))
    if noun is None:
        kinds = ", ".join(names[1] for names in lexicon.NAMES.values())
        raise Refused(f"I do not know what '{word}' is; I know {kinds}", Cause.UNKNOWN)
    return noun, k + 1


def _verb_is_due(before: list[str]) -> bool:
    """Whether an order begins here: at the start, behind a separator, or behind "not" and "to" of such a place."""
    start = len(before)
    while start and before[start - 1] in ("i", "we", "you", "next", "first", "not", "never"):
        start -= 1
    return start == 0 or before[start - 1] in SEPARATORS or before[start - 1] == "."


def _verb(word: str, tokens: tuple[str, ...], k: int, meanings: Meanings) -> tuple[str, int]:
    end = k + 1
    following = tokens[end] if end < len(tokens) else ""
    if following in PARTICLES:
        word, end = f"{word} {following}", end + 1
        following = tokens[end] if end < len(tokens) else ""
    moves = following == "to" or following in lexicon.RELATIONS
    verb = meanings.verb(word, moves) if following else None
    if verb is None and len(word.split()) > 1:
        verb, end = meanings.verb(word.split()[0], moves), k + 1
    if verb == HARM:
        raise Refused(f"I do not '{word}': it could hurt people or break things, which is not safe", Cause.UNSAFE)
    if verb is None:
        raise Refused(f"I do not know how to '{word}'", Cause.UNKNOWN)
    return verb, end
