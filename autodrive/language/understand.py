"""Plain English and a scene in; steps, a question back, or a refusal out."""

from __future__ import annotations

from dataclasses import replace

from autodrive.language import answers, describe, lexicon
from autodrive.language.encoder import Encoder
from autodrive.language.ground import Abilities, Grounder
from autodrive.language.meanings import Meanings
from autodrive.language.model import (
    Cause,
    Context,
    Grounded,
    Outcome,
    Pending,
    Question,
    Refusal,
    Scene,
    Step,
    StepKind,
)
from autodrive.language.reader import Reader
from autodrive.language.resolve import Doubt, Refused, Talk
from autodrive.language.sequence import ENDS, Sequence
from autodrive.language.tokens import tokenize
from autodrive.language.unknown import QUESTIONS, understand_words

LONGEST_TEXT = 400  # characters
LONGEST_TOKENS = 60


class Understanding:
    """The language part of the robot; loading it takes about half a second, a call some milliseconds.

    ``understanding(text, scene, context)`` changes nothing: what is to be remembered is in the outcome's ``context``.
    """

    def __init__(self, abilities: Abilities | None = None) -> None:
        self._meanings = Meanings(Encoder.load())
        self._abilities = abilities or Abilities()

    def __call__(self, text: str, scene: Scene, context: Context | None = None) -> Outcome:
        """Understand one text."""
        context = context or Context()
        tokens = tokenize(text[:LONGEST_TEXT])
        if says_stop(tokens):
            return _stopped(context)
        if len(tokens) > LONGEST_TOKENS or len(text) > LONGEST_TEXT:
            return Refusal("that is too long for me; say it in parts", Cause.UNKNOWN, context)
        if not tokens:
            return Refusal("I heard nothing that I could do", Cause.UNKNOWN, context)
        if context.pending is not None:
            answer = self._answer(tokens, scene, context.pending, context)
            if answer is not None:
                return answer
        outcome = self._instruct(text, tokens, scene, replace(context, pending=None), {})
        if isinstance(outcome, Refusal) and context.pending is not None:
            return replace(outcome, context=context)
        return _safe(outcome, tokens, context)

    def _instruct(
        self,
        text: str,
        tokens: tuple[str, ...],
        scene: Scene,
        context: Context,
        decided: dict[tuple[int, int], tuple[int, ...]],
    ) -> Outcome:
        """A new instruction, or an old one with what was answered since."""
        if tokens[0] in QUESTIONS:
            seen = describe.inventory(scene.objects)
            return Refusal(f"I take instructions and no questions; I see {seen}", Cause.UNKNOWN, context)
        talk = Talk(context.it, context.person, context.there, scene.held, answers=decided)
        try:
            reader = Reader(understand_words(tokens, self._meanings))
            understood = Sequence(reader, Grounder(scene, reader, self._abilities)).run(talk)
        except Refused as refused:
            return Refusal(refused.reason, refused.cause, context)
        except Doubt as doubt:
            return _ask(text, doubt, scene, context, decided)
        said = understood.talk
        after = Context(None, said.it, said.person, said.there)
        return Grounded(understood.steps, said.mentions, after)

    def _answer(self, tokens: tuple[str, ...], scene: Scene, pending: Pending, context: Context) -> Outcome | None:
        """What the text makes of the open question; None when it is no answer to it."""
        talk = Talk(context.it, context.person, context.there, scene.held)
        ids = answers.chosen(tokens, pending, scene, talk)
        if ids is None:
            return None
        before = pending.context or Context()
        if not ids:
            return Refusal("then I leave it", Cause.UNKNOWN, before)
        decided = {**dict(pending.answers), pending.span: ids}
        if len(ids) > 1:
            items = [item for item in scene.objects if item.track_id in ids]
            phrase_question = _question(items, False, scene)
            still = replace(
                pending, candidates=phrase_question[1], question=phrase_question[0], options=phrase_question[2]
            )
            return Question(still.question, still.candidates, still.options, replace(context, pending=still))
        return self._instruct(pending.text, tokenize(pending.text), scene, before, decided)


def says_stop(tokens: tuple[str, ...]) -> bool:
    """Whether the text is nothing but an order to stop."""
    words = [word for word in tokens if word not in ENDS and word not in ("no", "there", "here", "it", "that", "you")]
    return (
        bool(words)
        and words[0] in ("stop", "wait", "stay")
        and all(w in ("stop", "wait", "stay", "me", "for") for w in words)
    )


def _safe(outcome: Outcome, tokens: tuple[str, ...], context: Context) -> Outcome:
    """What is not understood but has a "stop" in it that is no "stop at ..." and not forbidden is taken as a stop."""
    if isinstance(outcome, Grounded):
        return outcome
    if tokens[0] in ("wait", "stay") and isinstance(outcome, Refusal) and outcome.cause == Cause.UNKNOWN:
        return _stopped(context)
    for k, word in enumerate(tokens):
        following = tokens[k + 1] if k + 1 < len(tokens) else ""
        placed = following in lexicon.RELATIONS or following in ("to", "within", "a") or following[:1].isdigit()
        placed = placed or following in lexicon.NUMBERS
        if (
            word == "stop"
            and not placed
            and not any(earlier in lexicon.NEGATIONS for earlier in tokens[max(0, k - 2) : k])
        ):
            return _stopped(context)
    return outcome


def _stopped(context: Context) -> Grounded:
    return Grounded((Step(StepKind.STOP),), (), replace(context, pending=None))


def _ask(
    text: str, doubt: Doubt, scene: Scene, context: Context, decided: dict[tuple[int, int], tuple[int, ...]]
) -> Question:
    """The question that settles a doubt, with the context that waits for its answer."""
    question, candidates, options = _question(doubt.items, doubt.unsure, scene, doubt.phrase.colour)
    pending = Pending(
        text, doubt.phrase.span, candidates, question, options, tuple(decided.items()), replace(context, pending=None)
    )
    return Question(question, candidates, options, replace(context, pending=pending), doubt.unsure)


def _question(
    items: tuple[describe.SceneObject, ...] | list[describe.SceneObject],
    unsure: bool,
    scene: Scene,
    colour: str | None = None,
) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Text, candidates from near to far, and how each differs."""
    ordered = sorted(items, key=lambda item: (describe.distance(scene, item), item.track_id))
    candidates = tuple(item.track_id for item in ordered)
    if len(ordered) == 1:
        noun = lexicon.NAMES[ordered[0].label][0]
        return f"I am not sure that the {noun} is {colour}: do you mean it?", candidates, ("yes",)
    options = describe.options(scene, ordered)
    doubt = f"I cannot tell which is {colour}. " if unsure and colour else ""
    return f"{doubt}{describe.heading(ordered)}: {describe.listed(options, 'or')}?", candidates, options
