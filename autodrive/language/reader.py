"""Tokens under the parser's finger, and a limit on how long it may search."""

from __future__ import annotations

from collections.abc import Sequence

from autodrive.language.lexicon import METRES, NUMBERS, SECONDS

LONGEST_SEARCH = 4000  # phrases tried; a sensible instruction needs tens


class TooComplicated(Exception):
    """The instruction can be read in too many ways."""


class Reader:
    """Tokens by index; beyond the end there are empty words."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self._left = LONGEST_SEARCH

    def at(self, k: int) -> str:
        """The token at ``k``, or "" outside."""
        return self.tokens[k] if 0 <= k < len(self.tokens) else ""

    def spend(self) -> None:
        """Count one attempt."""
        self._left -= 1
        if self._left < 0:
            raise TooComplicated

    def text(self, start: int, end: int) -> str:
        """The words from ``start`` up to ``end``."""
        return " ".join(self.tokens[start:end]).replace("_", " ")

    def number(self, k: int) -> tuple[float, int] | None:
        """A number in digits or words at ``k``, and where it ends."""
        word = self.at(k)
        if word[:1].isdigit():
            value, k = float(word), k + 1
        elif word in NUMBERS:
            value, k = NUMBERS[word], k + 1
            if value >= 20 and 0 < NUMBERS.get(self.at(k), 0.0) < 10:
                value, k = value + NUMBERS[self.at(k)], k + 1
            if self.at(k) == "point" and self.at(k + 1) in NUMBERS:
                value, k = value + NUMBERS[self.at(k + 1)] / 10, k + 2
            if self.at(k) == "hundred":
                value, k = value * 100, k + 1
        else:
            return None
        if (self.at(k), self.at(k + 1)) in (("and", "half_a"), ("and", "a")) and "half" in self.at(k + 1) + self.at(
            k + 2
        ):
            value, k = value + 0.5, k + (2 if self.at(k + 1) == "half_a" else 3)
        return value, k

    def duration(self, k: int) -> tuple[float, int] | None:
        """Seconds at ``k``: "10 s", "half a minute", "a moment"; a bare number is seconds."""
        if self.at(k) == "for":
            k += 1
        if self.at(k) == "a_moment":
            return 3.0, k + 1
        measured = self._measure(k, SECONDS)
        return measured or self.number(k)

    def length(self, k: int) -> tuple[float, int] | None:
        """Metres at ``k``."""
        return self._measure(k, METRES)

    def _measure(self, k: int, units: dict[str, float]) -> tuple[float, int] | None:
        if self.at(k) in ("a", "half_a") and self.at(k + 1) in units:
            return units[self.at(k + 1)] * (0.5 if self.at(k) == "half_a" else 1.0), k + 2
        found = self.number(k)
        if found is None or self.at(found[1]) not in units:
            return None
        value, unit, end = found[0], units[self.at(found[1])], found[1] + 1
        if self.at(end) == "and" and self.at(end + 1) == "a" and self.at(end + 2) == "half":  # "a minute and a half"
            return (value + 0.5) * unit, end + 3
        more = self._measure(end + (self.at(end) == "and"), units)  # "one minute and ten seconds"
        if more is not None:
            return value * unit + more[0], more[1]
        return value * unit, end
