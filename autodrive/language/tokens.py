"""Text to tokens: lower-case words, numbers and clause marks; fixed phrases become one token."""

from __future__ import annotations

import re
import unicodedata

from autodrive.language.lexicon import ANYTHING, COLOURS, CONTRACTIONS, FILLERS, NOUNS, PHRASES, SIZES

TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+(?:'[a-z]+)?|[,.;:!?]")
SHOUTED_STOP = re.compile(r"s+t+o+p+|h+a+l+t+|w+h+o+a+h*")
MARKS = {";": ".", "!": ".", "?": ".", ":": ","}
SIDES = frozenset({"on_left", "on_right", "from_left", "from_right"})
LONGEST_PHRASE = max(len(phrase) for phrase in PHRASES)


def tokenize(text: str) -> tuple[str, ...]:
    """Tokens of a text; fixed phrases of the lexicon are joined, words that carry no meaning are dropped."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).lower()
    words: list[str] = []
    for match in TOKEN.finditer(plain):
        words += _word(match.group())
    return tuple(word for word in join_phrases(words) if word not in FILLERS)


def _word(word: str) -> list[str]:
    """One matched piece as words: contractions spelled out, possessives and sentence marks made plain."""
    if word in CONTRACTIONS:
        return CONTRACTIONS[word].split()
    if word in MARKS:
        return [MARKS[word]]
    if SHOUTED_STOP.fullmatch(word):
        return ["stop"]
    return [word.removesuffix("'s").replace("'", "")]


def join_phrases(words: list[str]) -> list[str]:
    """Replace fixed phrases by their token, the longest first."""
    joined: list[str] = []
    start = 0
    while start < len(words):
        for size in range(min(LONGEST_PHRASE, len(words) - start), 0, -1):
            token = PHRASES.get(tuple(words[start : start + size]))
            if token is not None and not (token in SIDES and _names_a_thing(words[start + size :])):
                joined += token.split()
                start += size
                break
        else:
            joined.append(words[start])
            start += 1
    return joined


def _names_a_thing(words: list[str]) -> bool:
    """Whether a noun or adjective comes next: "to the right table" is no "to the right"."""
    following = join_phrases(words[:LONGEST_PHRASE])
    return bool(following) and (
        following[0] in NOUNS or following[0] in ANYTHING or following[0] in {**COLOURS, **SIZES}
    )
