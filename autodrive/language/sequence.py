"""A whole instruction: which readings of its clauses fit together and fit the scene."""

from __future__ import annotations

from dataclasses import dataclass

from autodrive.language import lexicon
from autodrive.language.clauses import SEPARATORS, clauses
from autodrive.language.ground import Grounder
from autodrive.language.model import Cause, Step, StepKind
from autodrive.language.reader import Reader, TooComplicated
from autodrive.language.resolve import Doubt, Refused, Talk
from autodrive.language.syntax import Clause

MOST_ATTEMPTS = 150
ENDS = SEPARATORS


@dataclass(frozen=True, slots=True)
class Understood:
    """Steps and what has been said after them."""

    steps: tuple[Step, ...]
    talk: Talk


class Sequence:
    """Reads clause after clause and keeps the first way that works; remembers the first thing that went wrong."""

    def __init__(self, reader: Reader, grounder: Grounder) -> None:
        self._reader, self._grounder = reader, grounder
        self._attempts = MOST_ATTEMPTS
        self._doubt: Doubt | None = None
        self._refused: Refused | None = None

    def run(self, talk: Talk) -> Understood:
        """Ground the whole text; raises Doubt or Refused."""
        try:
            found = self._walk(0, None, (), talk)
        except TooComplicated:
            found = None
            self._refused = self._refused or Refused("that is too complicated for me; say it in parts", Cause.UNKNOWN)
        if found is not None:
            return found
        if self._refused is not None and self._refused.cause == Cause.UNSAFE:
            raise self._refused
        if self._doubt is not None:
            raise self._doubt
        raise self._refused or Refused("I did not understand that", Cause.UNKNOWN)

    def _walk(self, start: int, previous: Clause | None, steps: tuple[Step, ...], talk: Talk) -> Understood | None:
        start = self._skip(start)
        if self._reader.at(start) == "":
            return self._finish(steps, previous, talk)
        readings = clauses(self._reader, start, previous.verb if previous and not previous.forbidden else None)
        if not readings:
            self._note(Refused(self._unclear(start), Cause.UNKNOWN))
        for clause, end in readings:
            self._attempts -= 1
            if self._attempts < 0:
                raise TooComplicated
            try:
                more, then = ((), talk) if clause.forbidden else self._grounder.ground(clause, talk)
            except Doubt as doubt:
                self._doubt = self._doubt or doubt
                continue
            except Refused as refused:
                self._note(refused)
                if refused.cause == Cause.UNSAFE:
                    return None
                continue
            if more and more[0].kind == StepKind.STOP and steps:
                if self._reader.at(start - 1) == ".":  # a sentence of its own: now, not at the end
                    return Understood(more, talk)
                more = ()  # "..., then stop": the end of the steps is a stop anyway
            found = self._walk(end, clause, steps + more, then)
            if found is not None:
                return found
        return None

    def _skip(self, k: int) -> int:
        while self._reader.at(k) in ENDS and self._reader.at(k) != "without":
            k += 1
        return k

    def _finish(self, steps: tuple[Step, ...], last: Clause | None, talk: Talk) -> Understood | None:
        if steps:
            return Understood(steps, talk)
        if last is not None and last.forbidden and last.verb in lexicon.VERBS - {"stop", "wait", "stay"}:
            return Understood((Step(StepKind.STOP),), talk)  # not doing it begins with standing still
        self._note(Refused("that does not tell me what to do", Cause.UNKNOWN))
        return None

    def _note(self, refused: Refused) -> None:
        if self._refused is None or (refused.cause == Cause.UNSAFE and self._refused.cause != Cause.UNSAFE):
            self._refused = refused

    def _unclear(self, start: int) -> str:
        end = start
        while self._reader.at(end) and self._reader.at(end) not in ENDS:
            end += 1
        said = self._reader.text(start, end)
        if self._reader.at(start) in lexicon.VERBS:
            return f"I do not understand '{said}'"
        return f"I do not know what to do with '{said}'"
