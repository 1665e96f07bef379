"""Instructions in scenes -> steps, questions, refusals: the suite of instruction_cases.yaml."""

from __future__ import annotations

from typing import Any

import pytest
from instruction_suite import CASES, DATA, ask, summary, wrong


def label(case: dict[str, Any]) -> str:
    return f"{case['scene']}: {' | '.join([*case.get('after', []), case['text']])}"


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 90
    assert sum(bool(case.get("held_out")) for case in CASES) == 30
    assert len(DATA["sensitivity"]) >= 12
    assert len(DATA["paraphrases"]) >= 12


@pytest.mark.parametrize("case", CASES, ids=label)
def test_case(case: dict[str, Any]) -> None:
    assert wrong(case) == ""


@pytest.mark.parametrize("group", DATA["sensitivity"], ids=lambda group: next(iter(group["texts"])))
def test_one_word_changes_the_meaning(group: dict[str, Any]) -> None:
    meanings = {text: summary(ask(group["scene"], text), group["scene"]) for text in group["texts"]}
    assert meanings == {text: ("steps", [step]) for text, step in group["texts"].items()}
    assert len({str(meaning) for meaning in meanings.values()}) == len(meanings)


@pytest.mark.parametrize("group", DATA["paraphrases"], ids=lambda group: group["texts"][0])
def test_paraphrases_mean_the_same(group: dict[str, Any]) -> None:
    meanings = {text: summary(ask(group["scene"], text), group["scene"]) for text in group["texts"]}
    assert meanings == {text: ("steps", [group["step"]]) for text in group["texts"]}
