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

from autodrive.errors import InputError


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

    def topics(self) -> tuple[BagTopic, ...]:
        """All topics with their types and message counts, sorted by name."""
        found = ((c.topic, c.msgtype, c.msgcount) for c in self._reader.connections)
        return tuple(BagTopic(*item) for item in sorted(found))

    def serialized(self, topics: Iterable[str] | None = None) -> Iterator[BagBytes]:
        """Yield messages as CDR bytes in order of recording, of the given topics or of all."""
        for connection, stamp_ns, raw in self._raw(self._connections(topics)):
            data = raw if self._reader.is2 else self._reader.typestore.ros1_to_cdr(raw, connection.msgtype)
            yield BagBytes(connection.topic, stamp_ns, connection.msgtype, bytes(data))

    def decode(self, item: BagBytes) -> Any:
        """The message in the bytes of ``serialized``; raises InputError for bytes of another type."""
        try:
            return self._reader.typestore.deserialize_cdr(item.data, item.type)
        except Exception as error:  # whatever a malformed CDR buffer makes the decoder raise
            raise InputError(f"{self.path}: {item.topic} at {item.stamp_ns} ns cannot be decoded: {error}") from error

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """Yield messages in order of recording, of the given topics or of all."""
        for connection, stamp_ns, raw in self._raw(self._connections(topics)):
            try:
                message = self._reader.deserialize(raw, connection.msgtype)
            except Exception as error:  # whatever a malformed CDR buffer makes the decoder raise
                raise InputError(
                    f"{self.path}: {connection.topic} at {stamp_ns} ns cannot be decoded: {error}"
                ) from error
            yield BagMessage(connection.topic, stamp_ns, connection.msgtype, message)

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
    """The files behind a bag folder; rosbags yields no message of a folder whose metadata is of version 4 or older."""
    if not path.is_dir():
        return [path]
    return sorted([*path.glob("*.mcap"), *path.glob("*.db3")]) or [path]
