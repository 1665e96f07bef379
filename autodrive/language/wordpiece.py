"""WordPiece: how the encoder's vocabulary cuts lower-case words into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
LONGEST_WORD = 40  # characters; longer ones are not words


class WordPiece:
    """Greedy longest-match tokeniser over the lines of a BERT ``vocab.txt``."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._number = {piece: number for number, piece in enumerate(vocabulary)}

    @classmethod
    def load(cls, path: Path) -> WordPiece:
        """Read a vocabulary file with one piece a line."""
        return cls(path.read_text(encoding="utf-8").splitlines())

    def encode(self, words: Sequence[str]) -> list[int]:
        """Piece numbers of a phrase, with the start and end marks."""
        pieces = [piece for word in words for piece in self._cut(word)]
        return [self._number[piece] for piece in (START, *pieces, END)]

    def _cut(self, word: str) -> list[str]:
        """The pieces of one word, or the unknown mark."""
        pieces: list[str] = []
        start = 0
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        while start < len(word):
            lead = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if lead + word[start:e] in self._number), None)
            if end is None:
                return [UNKNOWN]
            pieces.append(lead + word[start:end])
            start = end
        return pieces
