"""Reading the YAML files that people write: out comes a document of plain values, or one clear error.

PyYAML's safe loader makes no objects, but it lets much else through: a key that stands twice (the last silently wins),
aliases that unfold to billions of values, and scalars whose conversion raises whatever int(), float() or date() raise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from autodrive.errors import AutodriveError, ConfigError

MAX_BYTES = 4_000_000
MAX_VALUES = 200_000  # of a document whose aliases are written out
MAX_INTEGER = 2**63
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, what: str, error: type[AutodriveError] = ConfigError, hint: str = "") -> Any:
    """The document in a file; raises ``error`` that begins with ``what`` and the path.

    ``hint`` is added where the file cannot be opened at all.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise error(f"{what} {path}: {problem.strerror}{hint and '; ' + hint}") from problem
    if len(data) > MAX_BYTES:
        raise error(f"{what} {path} is not valid YAML: it is larger than {MAX_BYTES} bytes")
    try:
        return parse_yaml(data.decode())
    except RecursionError as problem:
        raise error(f"{what} {path} is not valid YAML: it is nested too deeply") from problem
    except Exception as problem:  # of a scalar that is no number or date, whatever its conversion raises
        raise error(f"{what} {path} is not valid YAML: {problem or repr(problem)}") from problem


def parse_yaml(text: str) -> Any:
    """The document in a text; raises what PyYAML raises, and a YAMLError for what ``read_yaml`` refuses besides."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _values(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Refuses integers of more than eight bytes: most of them overflow a float, none is meant."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """An integer; raises ConstructorError."""
        value = super().construct_yaml_int(node)
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise yaml.constructor.ConstructorError(None, None, "the integer is too large", node.start_mark)
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node holds with all aliases written out; raises MarkedYAMLError for too many and for loops."""
    if id(node) in known:
        count = known[id(node)]
        if not count:
            raise yaml.MarkedYAMLError(problem="an alias stands in what it means", problem_mark=node.start_mark)
        return count
    known[id(node)] = 0  # until it is counted
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        _check_keys(node)
        children = [part for pair in node.value for part in pair]
    count = 1 + sum(_values(child, known) for child in children)
    if count > MAX_VALUES:
        raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} values", problem_mark=node.start_mark)
    known[id(node)] = count
    return count


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
        seen.add((key.tag, key.value))
