"""Writes rosbag2 MCAP bags: zstd chunks, split by size and time, readable up to the last flush whatever kills us.

The bytes of MCAP are rosbags' business; ours is when a chunk ends, when a file ends, and what the metadata says. A bag
without ``metadata.yaml`` was interrupted: ``autodrive bag repair`` finishes it.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from backports import zstd
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2.enums import CompressionMode
from rosbags.rosbag2.metadata import dump_qos_v9
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys.store import Typestore
from ruamel.yaml import YAML

from autodrive.errors import EnvironmentProblem
from autodrive.files import write_atomic

BAG_VERSION = 9  # of the metadata that ROS 2 Kilted writes
# raw images: level 3 costs much more time for a few percent; rosbags stores no checksum of a chunk, so zstd does
ZSTD: dict[int, int] = {zstd.CompressionParameter.compression_level: 1, zstd.CompressionParameter.checksum_flag: 1}
METADATA = "metadata.yaml"
_NEVER = QosTime(9223372036, 854775807)  # how rmw says infinite


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a file ends and the next begins, and how much of the disk stays free [bytes, s].

    The writer remembers every chunk until its file ends, 400 bytes each. Chunks are made by the wall clock and
    ``file_s`` is recorded time: where that is slow or stands still, the count ends the file.
    """

    file_bytes: int = 2 * 1024**3
    file_s: float = 600.0
    file_chunks: int = 4096
    spare_bytes: int = 64 * 1024**2


@dataclass
class _File:
    """One file of a bag, as its metadata tells it."""

    name: str
    first_ns: int = 2**63 - 1
    last_ns: int = 0
    count: int = 0

    def note(self, stamp_ns: int) -> None:
        self.first_ns, self.last_ns = min(self.first_ns, stamp_ns), max(self.last_ns, stamp_ns)
        self.count += 1


@dataclass
class _Tally:
    files: list[_File] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class BagWriter:
    """Appends serialised messages to a new bag; an older bag of that name is removed.

    One that was interrupted is kept as NAME_interrupted_N: a recorder that died is started again on the way.

    ``topics`` are names with their types, ``latched`` the names of those that also reach late subscribers, ``custom``
    is the metadata's ``custom_data``. Raises EnvironmentProblem when the disk is full or fails: what was flushed before
    stays readable.
    """

    def __init__(
        self,
        path: Path,
        topics: Iterable[tuple[str, str]],
        store: Typestore,
        *,
        latched: Collection[str] = (),
        limits: Limits | None = None,
        custom: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self._limits, self._custom = path, limits or Limits(), dict(custom or {})
        _clear(path)
        path.mkdir(parents=True)
        self._connections = {
            name: describe(name, kind, store, offered_qos(name in latched))._replace(id=number)
            for number, (name, kind) in enumerate(topics, 1)
        }
        self._tally = _Tally(counts=dict.fromkeys(self._connections, 0))
        self.unsafe: Counter[str] = Counter()  # messages by topic that a failing disk would take with it
        self._storage: McapWriter | None = None
        self._safe_bytes = 0
        self._open()

    def declare(self, connection: Connection) -> None:
        """Take messages of one more topic from now on, as ``describe`` makes it; a known one stays as it is."""
        if connection.topic not in self._connections:
            added = connection._replace(id=len(self._connections) + 1)
            known = {c.msgtype for c in self._connections.values()}
            self._connections[added.topic] = added
            self._tally.counts[added.topic] = 0
            _write_connection(self._writable(), added, described=known)

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Append one CDR message."""
        file = self._tally.files[-1]
        if file.count and stamp_ns - file.first_ns > self._limits.file_s * 1e9:
            self._next_file()
        storage = self._writable()
        self._guarded(lambda: storage.write(self._connections[topic], max(stamp_ns, 0), data))
        self._tally.files[-1].note(max(stamp_ns, 0))
        self._tally.counts[topic] += 1
        self.unsafe[topic] += 1

    def flush(self) -> None:
        """End the chunk and hand it to the disk: what was written until now survives a killed process and a power cut.

        Raises EnvironmentProblem when less than the spare room is left; the bag is finished then.
        """
        storage = self._writable()
        self._guarded(lambda: _flush(storage))
        self._safe_bytes = storage.bio.tell()
        self.unsafe.clear()
        if _free_bytes(self.path) < self._limits.spare_bytes:
            self.close()
            spare = self._limits.spare_bytes / 1024**2
            raise EnvironmentProblem(f"bag {self.path} was ended: less than {spare:.0f} MiB of the disk are free")
        if self._safe_bytes > self._limits.file_bytes or len(storage.chunks) >= self._limits.file_chunks:
            self._next_file()

    def close(self) -> None:
        """Finish the bag; a second call does nothing."""
        if self._storage is not None:
            self._finish_file()
            self._guarded(lambda: write_atomic(self.path / METADATA, self._metadata().encode()))

    def _writable(self) -> McapWriter:
        if self._storage is None:
            raise EnvironmentProblem(f"bag {self.path} is closed")
        return self._storage

    def _open(self) -> None:
        name = f"{self.path.name}_{len(self._tally.files)}"
        folder = self.path / name
        folder.mkdir()
        storage = McapWriter(folder, CompressionMode.STORAGE)
        storage.compressor = partial(zstd.compress, options=ZSTD)
        storage.path.rename(self.path / f"{name}.mcap")  # rosbags names a file after its folder; rosbag2 does not
        folder.rmdir()
        described: set[str] = set()
        for connection in self._connections.values():
            _write_connection(storage, connection, described)
            described.add(connection.msgtype)
        self._storage = storage
        self._tally.files.append(_File(f"{name}.mcap"))
        self._guarded(lambda: _flush(storage))
        self._safe_bytes = storage.bio.tell()

    def _next_file(self) -> None:
        self._finish_file()
        self._open()

    def _finish_file(self) -> None:
        storage = self._writable()
        counts = {c.topic: storage.channel_stats[c.id] for c in self._connections.values()}
        info = _yaml(_information(self._connections, _Tally(self._tally.files[-1:], counts), self._custom))
        self._guarded(lambda: storage.close(BAG_VERSION, info))
        self._storage = None
        self._safe_bytes = (self.path / self._tally.files[-1].name).stat().st_size
        self.unsafe.clear()

    def _metadata(self) -> str:
        document = {"rosbag2_bagfile_information": _information(self._connections, self._tally, self._custom)}
        return _yaml(document) + "\n"

    def _guarded(self, action: Any) -> None:
        """Do what writes; after a failure the file ends with its last whole chunk."""
        try:
            action()
        except OSError as error:
            self._storage = None
            file = self.path / self._tally.files[-1].name
            os.truncate(file, min(self._safe_bytes, file.stat().st_size))
            raise EnvironmentProblem(
                f"bag {self.path} ends early: {error.strerror}; free some space, then "
                f"`autodrive bag repair {self.path}`"
            ) from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _flush(storage: McapWriter) -> None:
    if storage.chunk.bio.tell():
        storage.close_chunk()
    storage.bio.flush()
    os.fdatasync(storage.bio.fileno())


def _free_bytes(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _write_connection(storage: McapWriter, connection: Connection, described: Collection[str]) -> None:
    """Into the pending chunk, before the first message that needs it."""
    if connection.msgtype not in described:
        storage.add_msgtype(connection)
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    storage.add_connection(connection, _yaml(dump_qos_v9(connection.ext.offered_qos_profiles)))


def describe(topic: str, kind: str, store: Typestore, qos: Qos) -> Connection:
    """A topic with the definition and the hash of its type, and the profile that its publisher offers."""
    text, _ = store.generate_msgdef(kind, ros_version=2)
    return Connection(
        id=0,  # each bag counts its own
        topic=topic,
        msgtype=kind,
        msgdef=MessageDefinition(MessageDefinitionFormat.MSG, text),
        digest=store.hash_rihs01(kind),
        msgcount=0,
        ext=ConnectionExtRosbag2(serialization_format="cdr", offered_qos_profiles=[qos]),
        owner=None,
    )


def offered_qos(latched: bool, *, reliable: bool = True) -> Qos:
    """Keep last; what our own publishers offer is reliable."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    reliability = QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT
    history, liveliness = QosHistory.KEEP_LAST, QosLiveliness.AUTOMATIC
    return Qos(history, 20, reliability, durability, _NEVER, _NEVER, liveliness, _NEVER, False)


def _information(connections: dict[str, Connection], tally: _Tally, custom: dict[str, str]) -> dict[str, Any]:
    """The document of ``metadata.yaml``, version 9."""
    used = [f for f in tally.files if f.count]
    first = min((f.first_ns for f in used), default=0)
    last = max((f.last_ns for f in used), default=0)
    return {
        "version": BAG_VERSION,
        "storage_identifier": "mcap",
        "relative_file_paths": [f.name for f in tally.files],
        "duration": {"nanoseconds": last - first},
        "starting_time": {"nanoseconds_since_epoch": first},
        "message_count": sum(f.count for f in tally.files),
        "topics_with_message_count": [_topic(c, tally.counts[name]) for name, c in connections.items()],
        "compression_format": "",
        "compression_mode": "",
        "files": [
            {
                "path": f.name,
                "starting_time": {"nanoseconds_since_epoch": f.first_ns if f.count else first},
                "duration": {"nanoseconds": f.last_ns - f.first_ns if f.count else 0},
                "message_count": f.count,
            }
            for f in tally.files
        ],
        "custom_data": custom or None,
        "ros_distro": "kilted",
    }


def _topic(connection: Connection, count: int) -> dict[str, Any]:
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    return {
        "topic_metadata": {
            "name": connection.topic,
            "type": connection.msgtype,
            "serialization_format": "cdr",
            "offered_qos_profiles": dump_qos_v9(connection.ext.offered_qos_profiles),
            "type_description_hash": connection.digest,
        },
        "message_count": count,
    }


def _yaml(document: Any) -> str:
    stream, yaml = StringIO(), YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.dump(document, stream)
    return stream.getvalue().strip()


def _clear(path: Path) -> None:
    if any(path.glob("*.mcap")) and not (path / "metadata.yaml").exists():
        names = (path.with_name(f"{path.name}_interrupted_{number}") for number in count(1))
        path.rename(next(name for name in names if not name.exists()))
    shutil.rmtree(path, ignore_errors=True)
