"""Reads instruction_cases.yaml: scenes by name, and outcomes in the words of the file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from autodrive.geometry import Pose2
from autodrive.language.lexicon import NAMES
from autodrive.language.model import (
    Context,
    Grounded,
    Outcome,
    Place,
    PlaceKind,
    Question,
    Relation,
    Scene,
    SceneObject,
    Step,
)
from autodrive.language.understand import Understanding

DATA: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "instruction_cases.yaml").read_text())
CASES: list[dict[str, Any]] = DATA["cases"]
LABELS = {names[0]: label for label, names in NAMES.items()}


@cache
def understanding() -> Understanding:
    return Understanding()


@cache
def names(scene: str) -> dict[str, int]:
    """Track numbers by name; not in the order of the file, so that no test leans on it."""
    return {name: 10 + (7 * k) % 31 for k, name in enumerate(DATA["scenes"][scene]["objects"])}


@cache
def scene_of(scene: str) -> Scene:
    entry, numbers = DATA["scenes"][scene], names(scene)
    objects = tuple(_object(numbers[name], item) for name, item in entry["objects"].items())
    held = entry.get("held")
    return Scene(Pose2(*entry["robot"]), objects, Pose2(*entry["home"]), None if held is None else numbers[held])


def _object(number: int, item: dict[str, Any]) -> SceneObject:
    colour = item.get("colour")
    confidence = item.get("confidence", 0.9 if colour else 0.0)
    velocity = item.get("velocity", [0.0, 0.0])
    return SceneObject(number, LABELS[item["label"]], *item["at"], 0.0, *item["size"], *velocity, colour, confidence)


def words(step: Step, scene: str) -> str:
    """A step as the file writes it."""
    called = {number: name for name, number in names(scene).items()}
    parts = [step.kind.value]
    if step.target is not None:
        parts.append(called[step.target])
    if step.place is not None:
        parts += _place_words(step.place, called)
    if step.seconds is not None:
        parts.append(f"{step.seconds:g} s")
    return " ".join(parts)


def _place_words(place: Place, called: dict[int, str]) -> list[str]:
    relation = [] if place.relation == Relation.AT else [place.relation.value.replace(" ", "_")]
    if place.kind in (PlaceKind.HERE, PlaceKind.HOME):
        targets = [place.kind.value]
    else:
        targets = [called[number] for number in place.targets]
    distance = [] if place.distance_m is None else [f"{place.distance_m:g} m"]
    return [*relation, *targets, *distance]


def ask(scene: str, *texts: str) -> Outcome:
    """The outcome of the last of some texts said one after the other."""
    context = Context()
    for text in texts:
        outcome = understanding()(text, scene_of(scene), context)
        context = outcome.context
    return outcome


def summary(outcome: Outcome, scene: str) -> tuple[str, Any]:
    """``("steps", [...])``, ``("question", [names])`` or ``("refusal", reason)``."""
    if isinstance(outcome, Grounded):
        return "steps", [words(step, scene) for step in outcome.steps]
    if isinstance(outcome, Question):
        called = {number: name for name, number in names(scene).items()}
        return "question", sorted(called[number] for number in outcome.candidates)
    return "refusal", outcome.reason


def wrong(case: dict[str, Any]) -> str:
    """What is wrong with the outcome of a case; empty when it is as expected."""
    kind, value = summary(ask(case["scene"], *case.get("after", ()), case["text"]), case["scene"])
    if kind not in case:
        return f"{case['text']!r}: {kind} {value}"
    expected = case[kind]
    if kind == "refusal":
        fits = str(expected).lower() in value.lower()
    else:
        fits = value == (sorted(expected) if kind == "question" else expected)
    return "" if fits else f"{case['text']!r}: {value}, expected {expected}"


if __name__ == "__main__":
    for part in ("held_out", "second_set", None):
        chosen = [case for case in CASES if (part in case if part else not {"held_out", "second_set"} & set(case))]
        faults = [fault for fault in map(wrong, chosen) if fault]
        print(f"{part or 'others'}: {len(chosen) - len(faults)} of {len(chosen)} as expected")
        print("\n".join(faults))
