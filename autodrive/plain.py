"""Dataclasses from what JSON holds, every value checked: one of another kind must not travel on and fail elsewhere."""

from __future__ import annotations

import json
import math
import types
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

PROBLEMS = (KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError)  # of values of other kinds
INT64 = 2**63


def from_json(text: str) -> Any:
    """What a JSON text holds; raises ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def from_plain(kind: Any, value: Any, name: str = "value") -> Any:
    """``value`` as ``kind``: str, bool, int, finite float, None, tuples, frozensets and dataclasses of those.

    Raises ValueError that names the field.
    """
    if is_dataclass(kind):
        return _dataclass(kind, value, name)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None and type(None) in inner else from_plain(inner[0], value, name)
    if origin in (tuple, frozenset):
        return _collection(origin, inner, value, name)
    if kind is float and _is_number(value) and math.isfinite(value):
        return value
    if kind is int and _is_number(value) and isinstance(value, int):
        return value
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise ValueError(f"{name} must be {_WORDS.get(kind, kind)}, got {value!r:.60}")


_WORDS = {float: "a finite number", int: "an integer", str: "a text", bool: "true or false"}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -INT64 <= value < INT64


def _collection(origin: Any, inner: tuple[Any, ...], value: Any, name: str) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r:.60}")
    if origin is frozenset or inner[-1] is Ellipsis:
        return origin(from_plain(inner[0], item, name) for item in value)
    if len(value) != len(inner):
        raise ValueError(f"{name} must have {len(inner)} values, got {value!r:.60}")
    return tuple(from_plain(one, item, name) for one, item in zip(inner, value, strict=True))


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping, got {value!r:.60}")
    if unknown := sorted(value.keys() - hints.keys()):
        raise ValueError(f"{name} has no {unknown[0]!r}")
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(needed - value.keys()):
        raise ValueError(f"{name} lacks {missing[0]!r}")
    return kind(**{key: from_plain(hints[key], item, key) for key, item in value.items()})


@lru_cache(maxsize=32)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
