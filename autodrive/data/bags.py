"""Reading bags (rosbag2 MCAP and sqlite3, ROS 1) without a ROS installation, through the rosbags library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from autodrive.data.ros1 import Ros1Messages
from autodrive.errors import InputError
from autodrive.yaml_file import read_yaml


def typestore(message_directories: Iterable[Path] = ()) -> Typestore:
    """The standard message types plus every ``PACKAGE/msg/NAME.msg`` below the given package directories."""
    store = get_typestore(Stores.ROS2_KILTED)
    for package in message_directories:
        register_messages(store, package)
    return store


def register_messages(store: Typestore, package: Path) -> None:
    """Add every ``PACKAGE/msg/NAME.msg`` of a package directory to the store."""
    found: dict[str, Any] = {}
    for file in sorted((package / "msg").glob("*.msg")):
        found.update(get_types_from_msg(file.read_text(), f"{package.name}/msg/{file.stem}"))
    store.register({name: definition for name, definition in found.items() if name not in store.fielddefs})


@dataclass(frozen=True, slots=True)
class BagMessage:
    """One message: ``stamp_ns`` is when it was recorded; ``message`` a rosbags dataclass named like its ROS type."""

    topic: str
    stamp_ns: int
    type: str
    message: Any


@dataclass(frozen=True, slots=True)
class BagBytes:
    """One message as it travels: ``data`` is its CDR."""

    topic: str
    stamp_ns: int
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BagTopic:
    """One topic of a bag."""

    name: str
    type: str
    count: int


class BagReader:
    """Reads a rosbag2 folder, a bare ``.mcap`` or ``.db3`` file, or a ROS 1 ``.bag``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise InputError(f"bag {path} does not exist")
        try:
            self._reader = AnyReader(_storage_files(path), default_typestore=get_typestore(Stores.ROS2_KILTED))
            self._reader.open()
        except Exception as error:  # rosbags raises its own, sqlite3's, yaml's and struct's errors here
            raise InputError(
                f"bag {path} cannot be read ({error}); give a rosbag2 folder, .mcap, .db3 or .bag"
            ) from error
        # what leaves here is always as in ROS 2
        self._ros1 = None if self._reader.is2 else Ros1Messages(self._reader.typestore)
        self._types = self._reader.typestore if self._ros1 is None else self._ros1.store

    def topics(self) -> tuple[BagTopic, ...]:
        """All topics with their types and message counts, sorted by name."""
        found = ((c.topic, self._kind(c.msgtype), c.msgcount) for c in self._reader.connections)
        return tuple(BagTopic(*item) for item in sorted(found))

    def serialized(self, topics: Iterable[str] | None = None) -> Iterator[BagBytes]:
        """Yield messages as CDR bytes in order of recording, of the given topics or of all."""
        for connection, stamp_ns, raw in self._raw(self._connections(topics)):
            data = self._cdr(connection, stamp_ns, raw)
            yield BagBytes(connection.topic, stamp_ns, self._kind(connection.msgtype), bytes(data))

    def decode(self, item: BagBytes) -> Any:
        """The message in the bytes of ``serialized``; raises InputError for bytes of another type."""
        try:
            return self._types.deserialize_cdr(item.data, item.type)
        except Exception as error:  # whatever a malformed CDR buffer makes the decoder raise
            raise InputError(f"{self.path}: {item.topic} at {item.stamp_ns} ns cannot be decoded: {error}") from error

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """Yield messages in order of recording, of the given topics or of all."""
        for connection, stamp_ns, raw in self._raw(self._connections(topics)):
            kind, data = self._kind(connection.msgtype), self._cdr(connection, stamp_ns, raw)
            message = self.decode(BagBytes(connection.topic, stamp_ns, kind, data))
            yield BagMessage(connection.topic, stamp_ns, kind, message)

    def _kind(self, kind: str) -> str:
        return kind if self._ros1 is None else self._ros1.name(kind)

    def _cdr(self, connection: Any, stamp_ns: int, raw: Any) -> Any:
        if self._ros1 is None:
            return raw
        try:
            return self._ros1.to_cdr(raw, connection.msgtype)
        except Exception as error:  # whatever malformed bytes make the decoder raise
            raise InputError(f"{self.path}: {connection.topic} at {stamp_ns} ns cannot be decoded: {error}") from error

    def _connections(self, topics: Iterable[str] | None) -> list[Any]:
        wanted = None if topics is None else set(topics)
        return [c for c in self._reader.connections if wanted is None or c.topic in wanted]

    def _raw(self, connections: list[Any]) -> Iterator[tuple[Any, int, Any]]:
        if not connections:  # which rosbags takes for all
            return
        try:
            yield from self._reader.messages(connections=connections)
        except Exception as error:  # whatever damaged chunks make rosbags, struct and the decompressors raise
            raise InputError(f"bag {self.path} is damaged: {error!r}") from error

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _storage_files(path: Path) -> list[Path]:
    """The files behind a bag folder, unless its metadata says that they, or single messages, are compressed.

    rosbags yields no message of a folder whose metadata is of version 4 or older, but all of its files.
    """
    if not path.is_dir() or _is_compressed(path / "metadata.yaml"):
        return [path]
    return sorted([*path.glob("*.mcap"), *path.glob("*.db3")]) or [path]


def _is_compressed(metadata: Path) -> bool:
    if not metadata.is_file():
        return False
    document = read_yaml(metadata, "metadata", InputError)
    found = document.get("rosbag2_bagfile_information") if isinstance(document, dict) else None
    return isinstance(found, dict) and str(found.get("compression_mode") or "").lower() in ("file", "message")
