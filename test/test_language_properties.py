"""What holds for any text in any scene: an outcome, stop stops, order and mirroring, questions can be answered."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instruction_suite import CASES, ask, names, scene_of, understanding

from autodrive.geometry import Pose2
from autodrive.language import lexicon
from autodrive.language.encoder import Encoder, read_safetensors
from autodrive.language.model import Context, Grounded, Outcome, Question, Refusal, Scene, SceneObject, Step, StepKind
from autodrive.language.tokens import tokenize
from autodrive.language.unknown import KNOWN
from autodrive.scene import ObjectClass

SLOWLY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
WORDS = sorted(
    KNOWN | {"please", "do", "not", "zorblax", "pylon", "is", "who", "closest", "pick up", "to the left of", "don't"}
)
TEXTS = sorted({case["text"] for case in CASES})
STOPS = (
    "stop",
    "halt",
    "freeze",
    "STOP!",
    "wait!",
    "stop now please",
    "no stop",
    "robot, halt!",
    "hold it",
    "don't move",
)

coordinates = st.floats(-8.0, 8.0).map(lambda v: round(v, 2))


@st.composite
def objects(draw: st.DrawFn, number: int) -> SceneObject:
    label = draw(st.sampled_from(list(ObjectClass)))
    edge = draw(st.floats(0.1, 0.6))
    colour = draw(st.sampled_from([None, "red", "blue", "green"]))
    confidence = draw(st.sampled_from([0.2, 0.45, 0.9])) if colour else 0.0
    x, y = draw(coordinates), draw(coordinates)
    z = draw(st.sampled_from([edge / 2, 0.84]))
    return SceneObject(number, label, x, y, z, draw(st.floats(-3, 3)), edge, edge, edge, 0, 0, colour, confidence)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    items = tuple(draw(objects(number)) for number in range(1, draw(st.integers(0, 7)) + 1))
    held = draw(st.sampled_from([None, *[item.track_id for item in items]]))
    return Scene(Pose2(draw(coordinates), draw(coordinates), draw(st.floats(-3, 3))), items, Pose2(0, 0, 0), held)


def check(outcome: Outcome, scene: Scene) -> None:
    """What every outcome keeps to."""
    known = {item.track_id for item in scene.objects}
    if isinstance(outcome, Grounded):
        assert outcome.steps
        for step in outcome.steps:
            assert set(step.track_ids) <= known
            assert step.seconds is None or math.isfinite(step.seconds)
            assert step.as_dict()["kind"] == step.kind.value
    elif isinstance(outcome, Question):
        assert outcome.candidates and set(outcome.candidates) <= known
        assert len(outcome.options) == len(outcome.candidates)
        assert outcome.context.pending is not None
    else:
        assert isinstance(outcome, Refusal)
        assert outcome.reason


@SLOWLY
@given(st.text(max_size=120), st.sampled_from(["hall", "row", "empty", "holding"]))
def test_any_text_has_an_outcome(text: str, scene: str) -> None:
    check(ask(scene, text), scene_of(scene))


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS), max_size=25), scenes())
def test_any_words_in_any_scene_have_an_outcome(words: list[str], scene: Scene) -> None:
    check(understanding()(" ".join(words).replace("_", " "), scene, Context()), scene)


@SLOWLY
@given(st.sampled_from(TEXTS), st.sampled_from(STOPS), scenes())
def test_stop_stops_whatever_was_said_before(text: str, stop: str, scene: Scene) -> None:
    before = understanding()(text, scene, Context())
    outcome = understanding()(stop, scene, before.context)
    assert isinstance(outcome, Grounded)
    assert [step.kind for step in outcome.steps] == [StepKind.STOP]
    assert outcome.context.pending is None


@SLOWLY
@given(st.sampled_from(TEXTS), scenes(), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_matter(text: str, scene: Scene, random) -> None:
    shuffled = list(scene.objects)
    random.shuffle(shuffled)
    first = understanding()(text, scene, Context())
    assert understanding()(text, replace(scene, objects=tuple(shuffled)), Context()) == first
    assert understanding()(text, scene, Context()) == first


def mirrored(scene: Scene) -> Scene:
    """The scene as seen in a mirror along the robot's line of sight."""
    robot = scene.robot

    def flip(item: SceneObject) -> SceneObject:
        local = robot.inverse() @ Pose2(item.x, item.y, item.yaw)
        pose = robot @ Pose2(local.x, -local.y, -local.yaw)
        return replace(item, x=pose.x, y=pose.y, yaw=pose.yaw)

    return replace(scene, objects=tuple(map(flip, scene.objects)))


def swapped(text: str) -> str:
    words = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
    return " ".join(words.get(word, word) for word in text.split())


SIDED = (
    "go to the left cone",
    "go to the leftmost cone",
    "go to the second cone from the left",
    "go to the orange cone right of the yellow cone",
    "touch the orange box left of the cone",
    "touch the red box on the right",
    "go to the person on your left",
    "go to the third cone from the right",
    "bring the left orange box to the right table",
)


@pytest.mark.parametrize("text", SIDED)
@pytest.mark.parametrize("scene", ["hall", "two_tables", "row"])
def test_left_and_right_swap_in_a_mirrored_scene(text: str, scene: str) -> None:
    plain = understanding()(text, scene_of(scene), Context())
    other = understanding()(swapped(text), mirrored(scene_of(scene)), Context())
    assert type(plain) is type(other)
    if isinstance(plain, Grounded) and isinstance(other, Grounded):
        assert [step.track_ids for step in plain.steps] == [step.track_ids for step in other.steps]
    if isinstance(plain, Question) and isinstance(other, Question):
        assert plain.candidates == other.candidates


@SLOWLY
@given(
    st.sampled_from(["touch the box", "go to the red box", "look at the person", "go to the thing", "touch the cone"]),
    scenes(),
)
def test_every_option_of_a_question_is_understood_as_its_answer(text: str, scene: Scene) -> None:
    outcome = understanding()(text, replace(scene, held=None), Context())
    if not isinstance(outcome, Question):
        return
    for candidate, option in zip(outcome.candidates, outcome.options, strict=True):
        answered = understanding()(option, replace(scene, held=None), outcome.context)
        if isinstance(answered, Refusal):  # a person is not touched, say
            assert answered.context.pending is None
        else:
            assert isinstance(answered, Grounded), option
            assert answered.steps[0].track_ids == (candidate,), option


def test_an_answer_that_fits_several_asks_again_and_nonsense_keeps_the_question() -> None:
    first = ask("hall", "touch the box")
    assert isinstance(first, Question) and len(first.candidates) == 3
    again = understanding()("the red ones", scene_of("hall"), first.context)
    assert isinstance(again, Question) and len(again.candidates) == 2
    nonsense = understanding()("colourless green ideas", scene_of("hall"), again.context)
    assert isinstance(nonsense, Refusal) and nonsense.context.pending is not None
    settled = understanding()("the nearer", scene_of("hall"), nonsense.context)
    assert isinstance(settled, Grounded) and settled.steps == (Step(StepKind.TOUCH, names("hall")["red_table"]),)


def test_a_thing_that_vanished_since_the_question_is_refused() -> None:
    asked = ask("hall", "touch the red box")
    gone = names("hall")["red_shelf"]
    scene = scene_of("hall")
    scene = replace(scene, objects=tuple(item for item in scene.objects if item.track_id != gone))
    outcome = understanding()("the second", scene, asked.context)
    assert not isinstance(outcome, Grounded)


def test_a_known_speaker_is_me() -> None:
    scene = replace(scene_of("hall"), speaker=names("hall")["ann"])
    come = understanding()("come to me", scene, Context())
    assert isinstance(come, Grounded) and come.steps[0].track_ids == (names("hall")["ann"],)
    follow = understanding()("follow me", scene, Context())
    assert isinstance(follow, Grounded) and follow.steps == (Step(StepKind.FOLLOW, names("hall")["ann"]),)


def test_words_that_the_grammar_knows_never_reach_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(understanding()._meanings, "meaning", fail)
    outcome = ask("hall", "please pick up the red crate on the rack and bring it to the lady")
    assert isinstance(outcome, Grounded)


def test_the_encoder_gives_what_sentence_transformers_gives() -> None:
    """The first numbers as sentence-transformers 6.2.0 printed them, and the order of likeness."""
    encoder = Encoder.load()
    vectors = encoder.encode(["hand me the crate", "scoot toward the pylon", "give me the box"])
    assert vectors[0, :4] == pytest.approx([-0.0319596, 0.03047515, -0.05342392, 0.0789918], abs=1e-6)
    assert vectors[1, :4] == pytest.approx([-0.02894749, 0.01859915, -0.08663616, 0.04204794], abs=1e-6)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]
    assert encoder.encode(["hand me the crate"])[0] == pytest.approx(vectors[0], abs=1e-6)


def test_words_are_cut_as_the_model_was_trained() -> None:
    words = Encoder.load()._words
    assert words.encode(["scoot", "toward", "the", "pylon"]) == [101, 8040, 17206, 2646, 1996, 1052, 8516, 2239, 102]
    assert words.encode(["x" * 100, "é"]) == [101, 100, 100, 102]


def test_tensors_are_mapped_and_not_unpickled(tmp_path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\x80?\0\0\0@")
    assert read_safetensors(path)["a"].tolist() == [[1.0], [2.0]]


def test_an_instruction_takes_little_time() -> None:
    """CPU time, since the machine is shared; docs/language.md has the figures."""
    scene = scene_of("two_tables")
    start = time.process_time()
    for text in TEXTS:
        understanding()(text, scene, Context())
    assert (time.process_time() - start) / len(TEXTS) < 0.02


def test_every_phrase_of_the_lexicon_leads_to_known_tokens() -> None:
    for phrase, token in lexicon.PHRASES.items():
        unknown = [word for word in token.split() if word not in KNOWN | lexicon.FILLERS]
        assert not unknown, (phrase, token)
        assert set(tokenize(" ".join(phrase))) <= KNOWN, phrase


@pytest.mark.parametrize(
    ("colours", "unsure"), [((("white", 0.9), ("white", 0.9)), False), (((None, 0.0), ("grey", 0.2)), True)]
)
def test_a_question_says_whether_colours_are_uncertain(
    colours: tuple[tuple[str | None, float], ...], unsure: bool
) -> None:
    boxes = [
        SceneObject(k, ObjectClass.BOX, 3.0, y, 0.1, 0.0, 0.4, 0.4, 0.2, 0.0, 0.0, *colour)
        for k, (y, colour) in enumerate(zip((-0.5, 0.5), colours, strict=True))
    ]
    scene = Scene(Pose2(0.0, 0.0, 0.0), tuple(boxes), Pose2(0.0, 0.0, 0.0))
    outcome = understanding()("go to the white box", scene, Context())
    assert isinstance(outcome, Question)
    assert outcome.unsure == unsure
