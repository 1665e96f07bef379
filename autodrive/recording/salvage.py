"""Recovers a bag whose recorder was killed: reads MCAP files from the front as far as they are whole.

rosbags reads only finished files, whose index stands at the end.
"""

from __future__ import annotations

import shutil
import struct
from binascii import crc32
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backports import zstd
from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from autodrive.errors import InputError
from autodrive.recording.bag_writer import BagWriter, describe, offered_qos

MAX_CHUNK_BYTES = 2**30  # unpacked: far above what anybody writes, far below what a damaged size may ask for
MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_LENGTH, _MESSAGE_HEAD, _CHUNK_HEAD = struct.Struct("<BQ"), struct.Struct("<HIQQ"), struct.Struct("<QQQI")


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic with the definition of its type."""

    topic: str
    type: str
    definition: str
    latched: bool


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair has kept."""

    messages: int
    topics: int
    first_ns: int
    last_ns: int


def read_whole(path: Path) -> Iterator[tuple[Channel, int, bytes]]:
    """Channel, time of recording and bytes of every message up to the first damage; raises InputError for no MCAP."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise InputError(f"{path} is no MCAP file")
        try:
            yield from _messages(_records(file, path.stat().st_size))
        except (
            struct.error,
            KeyError,
            UnicodeDecodeError,
        ):  # a record that is not what its name says: no more is whole
            return


def _messages(records: Iterable[tuple[int, bytes]]) -> Iterator[tuple[Channel, int, bytes]]:
    schemas: dict[int, tuple[str, str]] = {}
    channels: dict[int, Channel] = {}
    for code, body in records:
        if code == _SCHEMA:
            (number,) = struct.unpack_from("<H", body)
            name, encoding, text = _strings(body, 2, 3)
            schemas[number] = (name, text if encoding == "ros2msg" else "")
        elif code == _CHANNEL:
            number, schema = struct.unpack_from("<HH", body)
            (topic,) = _strings(body, 4, 1)
            latched = b"transient_local" in body or b"durability: 1\n" in body
            channels[number] = Channel(topic, *schemas[schema], latched)
        elif code == _MESSAGE:
            number, _, stamp_ns, _ = _MESSAGE_HEAD.unpack_from(body)
            yield channels[number], stamp_ns, body[_MESSAGE_HEAD.size :]


def repair(bag: Path) -> Repaired:
    """Rewrite a bag folder from all that is whole in its MCAP files, in place; needs room for a second copy.

    Raises InputError where nothing can be read; the bag is then as it was.
    """
    files = sorted(bag.glob("*.mcap"), key=_file_number)
    if not files:
        raise InputError(f"bag {bag} has no .mcap file; only MCAP bags are repaired")
    channels = {c.topic: c for file in files for c, _, _ in read_whole(file)}
    if not channels:
        raise InputError(f"bag {bag} has no message that is whole; it was left as it is")
    topics = [(c.topic, c.type) for c in channels.values()]
    latched = {c.topic for c in channels.values() if c.latched}
    fresh = bag.with_name(f".{bag.name}.repaired") / bag.name
    stamps: list[int] = []
    store = _typestore(bag, channels.values())
    try:
        with BagWriter(fresh, topics, store, latched=latched) as writer:
            for file in files:
                for channel, stamp_ns, data in read_whole(file):
                    writer.write(channel.topic, stamp_ns, data)
                    stamps.append(stamp_ns)
        shutil.rmtree(bag)
        fresh.rename(bag)
    finally:
        shutil.rmtree(fresh.parent, ignore_errors=True)
    return Repaired(len(stamps), len(topics), min(stamps), max(stamps))


def _file_number(path: Path) -> tuple[int, str]:
    number = path.stem.rpartition("_")[2]
    return (int(number) if number.isdigit() else 0, path.name)


def _typestore(bag: Path, channels: Iterable[Channel]) -> Typestore:
    store = get_typestore(Stores.ROS2_KILTED)
    for channel in channels:
        try:
            if channel.definition:
                found = get_types_from_msg(channel.definition, channel.type)
                store.register({name: d for name, d in found.items() if name not in store.fielddefs})
            describe(channel.topic, channel.type, store, offered_qos(channel.latched))
        except Exception as error:  # of a damaged definition whatever rosbags raises
            where = f"bag {bag}: the definition of {channel.type} on {channel.topic}"
            raise InputError(f"{where} cannot be read ({error!r}); it was left as it is") from error
    return store


def _records(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Records in and outside of chunks, until the data ends or something is not whole."""
    while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
        code, length = _LENGTH.unpack(head)
        if code == _DATA_END:
            return
        if length > size - file.tell():  # before memory is asked for a length that is damaged
            return
        body = file.read(length)
        if code != _CHUNK:
            yield code, body
            continue
        if (data := _unpacked(body)) is None:
            return
        at = 0
        while at < len(data):
            code, length = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            yield code, data[at : at + length]
            at += length


def _unpacked(body: bytes) -> bytes | None:
    """The records of a chunk; None for one that is damaged."""
    _, _, size, checksum = _CHUNK_HEAD.unpack_from(body)
    (compression,) = _strings(body, _CHUNK_HEAD.size, 1)
    packed = body[_CHUNK_HEAD.size + 4 + len(compression.encode()) + 8 :]
    if size > MAX_CHUNK_BYTES or compression not in ("", "zstd", "lz4"):
        return None
    try:
        if compression == "zstd":
            data = zstd.ZstdDecompressor().decompress(packed, size + 1)
        else:
            data = LZ4FrameDecompressor().decompress(packed, size + 1) if compression == "lz4" else packed
    except (zstd.ZstdError, RuntimeError):
        return None
    whole = len(data) == size and (not checksum or crc32(data) == checksum)
    return data if whole else None


def _strings(body: bytes, at: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, at)
        found.append(body[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found
