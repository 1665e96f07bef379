"""Values out of the JSON that text messages of a bag hold: a bag may be anybody's, so each is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autodrive.errors import InputError
from autodrive.plain import PROBLEMS, from_json, from_plain

if TYPE_CHECKING:
    from autodrive.data.bags import BagMessage, BagReader


def value_in(bag: BagReader, item: BagMessage, key: str, kind: type) -> Any:
    """What the JSON of a text message says of ``key``, as ``kind``; raises InputError."""
    try:
        document = from_json(item.message.data)
        if not isinstance(document, dict):
            raise ValueError(f"the text must be a mapping, got {document!r:.60}")
        if key not in document:
            raise ValueError("it is missing")
        return from_plain(kind, document[key], "it")
    except PROBLEMS as error:
        where = f"{bag.path}: {item.topic} at {item.stamp_ns} ns"
        raise InputError(f"{where}: {key!r} cannot be read: {error}") from error
