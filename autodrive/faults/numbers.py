"""Puts a value into every floating-point number of a message, whatever its type: it is walked through by its fields.

Works on any object with ``get_fields_and_field_types()`` as rosidl makes them, without importing ROS. Integers (stamps,
counts, labels) stay: they cannot be NaN.
"""

from __future__ import annotations

import array
import json
import re
from typing import Any

import numpy as np

_SCALAR = ("float", "double")
_SEQUENCE = re.compile(r"sequence<(?P<item>[^,>]+)(, \d+)?>|(?P<fixed>[^\[]+)\[\d+\]")
_FLOAT32 = 7  # sensor_msgs/PointField


def spoil(message: Any, value: float) -> int:
    """Set every float in ``message`` to ``value``; returns how many there were.

    The points of a PointCloud2 and the numbers in the JSON of a String count too.
    """
    types: dict[str, str] = message.get_fields_and_field_types()
    if {"point_step", "fields", "data"} <= types.keys():
        return _spoil_cloud(message, value)
    if types == {"data": "string"}:
        return _spoil_json(message, value)
    return sum(_spoil_field(message, name, kind, value) for name, kind in types.items())


def _spoil_field(message: Any, name: str, kind: str, value: float) -> int:
    if kind in _SCALAR:
        setattr(message, name, value)
        return 1
    found = _SEQUENCE.fullmatch(kind)
    item = kind if found is None else found["item"] or found["fixed"]
    content = getattr(message, name)
    if item in _SCALAR:
        return _spoil_array(message, name, content, value)
    if "/" not in item:
        return 0
    return spoil(content, value) if found is None else sum(spoil(part, value) for part in content)


def _spoil_array(message: Any, name: str, content: Any, value: float) -> int:
    if isinstance(content, np.ndarray):
        content[:] = value
    else:
        setattr(message, name, array.array(content.typecode, [value] * len(content)))
    return len(content)


def _spoil_cloud(message: Any, value: float) -> int:
    if message.point_step % 4 or any(field.datatype != _FLOAT32 for field in message.fields):
        return 0
    numbers = np.frombuffer(message.data, np.float32).copy()
    numbers[:] = value
    message.data = array.array("B", numbers.tobytes())
    return len(numbers)


def _spoil_json(message: Any, value: float) -> int:
    try:
        document = json.loads(message.data)
    except ValueError:
        return 0
    document, count = _spoil_document(document, value)
    message.data = json.dumps(document)
    return count


def _spoil_document(document: Any, value: float) -> tuple[Any, int]:
    if isinstance(document, float):
        return value, 1
    if isinstance(document, dict):
        parts = {key: _spoil_document(part, value) for key, part in document.items()}
        return {key: part for key, (part, _) in parts.items()}, sum(count for _, count in parts.values())
    if isinstance(document, list):
        items = [_spoil_document(part, value) for part in document]
        return [part for part, _ in items], sum(count for _, count in items)
    return document, 0
