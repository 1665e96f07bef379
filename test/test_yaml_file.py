"""YAML that people write: what PyYAML lets through or answers with a traceback ends in one line that names the file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import ConfigError
from autodrive.yaml_file import MAX_BYTES, read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12)
)


def read(folder: Path, content: str | bytes) -> object:
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path, "rig file")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("speed: 3\nspeed: 14\n", "'speed' stands twice"),
        ("speed: 1" + "0" * 30, "integer is too large"),
        ("speed: " + "9" * 5000, "not valid YAML"),
        ("speed: 0b_", "not valid YAML"),  # a ValueError of int()
        ("when: 2026-99-99", "not valid YAML"),  # of datetime.date()
        ("speed: !!bool fast", "not valid YAML"),  # a KeyError
        ("when: !!timestamp now", "not valid YAML"),  # an AttributeError
        ("? [1, 2]\n: 3", "not valid YAML"),
        ("[" * 3000, "nested too deeply"),
        ("a: &a [*a]", "an alias stands in what it means"),
        (LAUGHS, "more than 200000 values"),
        (b"\xff\xfe\xff", "not valid YAML"),
        (b"a: \x07", "not valid YAML"),
        ("!!python/object/apply:os.system [true]", "not valid YAML"),
        ("#" + "x" * MAX_BYTES, "larger than"),
    ],
)
def test_what_is_no_plain_document_is_refused_quickly(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"rig file {tmp_path / 'mine.yaml'} is not valid YAML: ")
    assert complaint in str(caught.value)
    assert time.process_time() - began < 5.0


def test_merged_mappings_and_aliases_that_stay_small_are_read(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: *base\n"
    assert read(tmp_path, text) == {"base": {"a": 1, "b": 2}, "one": {"a": 1, "b": 3}, "two": {"a": 1, "b": 2}}
    assert read(tmp_path, "") is None


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"rig file {tmp_path}: Is a directory; look elsewhere"):
        read_yaml(tmp_path, "rig file", hint="look elsewhere")
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(tmp_path / "none.yaml", "rig file")


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(plain)
def test_plain_documents_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert read(folder, yaml.safe_dump(document, allow_unicode=True)) == document
