"""What a replay reads out of the text in a bag is checked: a value of another kind is refused by bag, topic and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodrive.data.bags import BagReader, typestore
from autodrive.errors import InputError
from autodrive.recording.bag_writer import BagWriter
from autodrive_nodes import contracts
from autodrive_nodes.bag_json import value_in
from autodrive_nodes.commands.replay import Request, replay
from autodrive_nodes.replay_topics import told

STORE = typestore()
KIND = "std_msgs/msg/String"
GROUNDING, EVENTS, JOINTS = contracts.GROUNDING, contracts.TRUTH_EVENTS, contracts.JOINT_STATES


def texts(path: Path, topic: str, *said: str) -> Path:
    with BagWriter(path, [(topic, KIND), (JOINTS.name, JOINTS.type)], STORE) as bag:
        bag.write(JOINTS.name, 0, b"\0\1\0\0")  # it walks
        for k, text in enumerate(said):
            bag.write(topic, k, bytes(STORE.serialize_cdr(STORE.types[KIND](data=text), KIND)))
    return path


def test_what_was_told_is_the_first_that_is_not_empty(tmp_path: Path) -> None:
    path = texts(tmp_path / "bag", GROUNDING.name, '{"instruction": ""}', '{"instruction": "go on"}', "{}")
    with BagReader(path) as bag:
        assert told(bag) == "go on"


WRONG = [
    ("{", "cannot be read"),
    ("[" * 100_000, "nested too deeply"),
    ("[1]", "must be a mapping"),
    ("{}", "it is missing"),
]


@pytest.mark.parametrize(
    ("text", "why"), [*WRONG, ('{"instruction": 7}', "must be a text"), ('{"instruction": null}', "text")]
)
def test_a_wrong_instruction_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = texts(tmp_path / "bag", GROUNDING.name, text)
    with pytest.raises(InputError, match=why) as refused:
        replay(Request(path, tmp_path / "out"))
    said = str(refused.value)
    assert str(path) in said and GROUNDING.name in said and "'instruction'" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [*WRONG, ('{"wall_ns": "noon"}', "integer"), ('{"wall_ns": NaN}', "integer"), ('{"wall_ns": 1e400}', "integer")],
)
def test_a_wrong_wall_clock_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = texts(tmp_path / "bag", EVENTS.name, '{"wall_ns": 5}', text)
    with pytest.raises(InputError, match=why) as refused:
        replay(Request(path, tmp_path / "out"))
    said = str(refused.value)
    assert str(path) in said and EVENTS.name in said and "'wall_ns'" in said


def test_a_topic_that_holds_no_text_is_refused(tmp_path: Path) -> None:
    """A bag of somebody else may use the name for another type."""
    with BagWriter(tmp_path / "bag", [(EVENTS.name, "std_msgs/msg/Empty")], STORE) as bag:
        bag.write(EVENTS.name, 3, b"\0\1\0\0\0")
    with BagReader(tmp_path / "bag") as bag, pytest.raises(InputError, match="'wall_ns' cannot be read"):
        value_in(bag, next(bag.messages([EVENTS.name])), "wall_ns", int)
