"""JSON from other processes: every value is of its field's kind, or the field is named; nothing else travels on."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import AutodriveError, ConfigError, InputError
from autodrive.sim.hall_tasks import HallTask
from autodrive.tasks.wish import TaskState
from autodrive_nodes.graph import Options
from optimus_nodes import task_json

VALUES: list[Any] = [None, True, 3, -1, 0.5, 1e999, "x", "", [], [1], {}, {"x": 1}, 10**30, [0.0, 0.0, 1e999]]


@given(st.sampled_from([field.name for field in fields(Options)]), st.sampled_from(VALUES))
def test_an_option_has_the_kind_of_its_default_or_is_named(name: str, value: Any) -> None:
    try:
        options = Options.from_json(json.dumps({name: value}))
    except ConfigError as error:
        assert name in str(error)
    else:
        kind = type(getattr(Options(), name))
        assert isinstance(getattr(options, name), (kind, int) if kind is float else kind)


@pytest.mark.parametrize("text", ["", "5", "[]", "{", '{"colour": 1}', "[" * 100_000, '{"seed": 1e999}'])
def test_what_is_no_options_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="options"):
        Options.from_json(text)


TASK = json.loads(task_json.task_to_json(TaskState(1, "walk")))


@given(st.sampled_from(sorted(TASK)), st.sampled_from(VALUES))
def test_a_task_with_a_value_of_another_kind_is_refused(name: str, value: Any) -> None:
    try:
        task = task_json.task_from_json(json.dumps({**TASK, name: value}))
    except InputError as error:
        assert "/optimus/task" in str(error)
    else:
        assert isinstance(task.stamp_ns, int) and isinstance(task.phase, str) and isinstance(task.halt, bool)
        assert task_json.task_from_json(task_json.task_to_json(task)) == task


@pytest.mark.parametrize("near", [[1e999], ["3"], [0.5], [None], 3])
def test_ids_of_tracks_are_integers(near: Any) -> None:
    with pytest.raises(InputError, match="near"):
        task_json.task_from_json(json.dumps({**TASK, "near": near}))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"stamp_ns": 1, "state": "done"}', "[" * 100_000])
def test_a_malformed_grounding_ends_nobody(text: str) -> None:
    """It was a KeyError or ValueError in the humanoid's bridge, which ends the process."""
    with pytest.raises(InputError, match="/optimus/grounding"):
        task_json.grounding_from_json(text)


@given(st.dictionaries(st.sampled_from(["kind", "text", "target", "home", "other"]), st.sampled_from(VALUES)))
def test_a_hall_task_is_one_or_refused(document: dict[str, Any]) -> None:
    try:
        task = HallTask.from_json(document)
    except AutodriveError as error:
        assert "malformed" in str(error)
    else:
        assert HallTask.from_json(task.to_json()) == task
