"""The targets of `make fuzz` take their own seeds and, without atheris, a few spoilt ones; and what was found once."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autodrive.data.bags import typestore
from autodrive.errors import InputError
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.salvage import MAGIC, read_whole, repair
from autodrive.transport.ring import PREFIX, SHM, Descriptor, RingReader

TOOLS = Path(__file__).parents[1] / "tools"
SLOW = {"salvage", "manifest", "rig"}
KIND = "std_msgs/msg/String"


@pytest.fixture(scope="module")
def targets() -> dict[str, Any]:
    sys.path.insert(0, str(TOOLS))
    try:
        from fuzz_targets import TARGETS
    finally:
        sys.path.remove(str(TOOLS))
    return TARGETS


def spoilt(noise: random.Random, seed: bytes) -> bytes:
    """A seed with a few bits flipped, bytes gone or new, or its end cut off."""
    data = bytearray(seed)
    for _ in range(noise.choice([1, 1, 2, 5])):
        at = noise.randrange(len(data) or 1)
        kind = noise.random()
        if kind < 0.5 and data:
            data[at] ^= 1 << noise.randrange(8)
        elif kind < 0.65:
            data = data[:at]
        elif kind < 0.8:
            del data[at : at + noise.randrange(9)]
        else:
            data[at:at] = noise.randbytes(noise.randrange(9))
    return bytes(data)


NAMES = [
    "salvage",
    "mcap",
    "sqlite",
    "descriptor",
    "segment",
    "manifest",
    "rig",
    "envelope",
    "camera_info",
    "objects",
    "json",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_target_stands_its_seeds_and_spoilt_ones(name: str, targets: dict[str, Any]) -> None:
    assert set(targets) == set(NAMES)
    target, noise = targets[name], random.Random(7)
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        target.run(seed)
    for _ in range(10 if name in SLOW else 40):
        began, data = time.process_time(), spoilt(noise, noise.choice(seeds))
        target.run(data)
        assert time.process_time() - began < 10.0, data.hex()


def test_without_atheris_it_says_what_to_do() -> None:
    code = "import sys; sys.modules['atheris'] = None; import runpy; runpy.run_path('fuzz.py', run_name='__main__')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "make fuzz" in done.stderr and "Traceback" not in done.stderr


# --- found by fuzzing ------------------------------------------------------------------------------------------------


def bag_file(folder: Path) -> bytes:
    store = typestore()
    data = bytes(store.serialize_cdr(store.types[KIND](data="hello"), KIND))
    with BagWriter(folder, [("/a", KIND)], store) as bag:
        for k in range(3):
            bag.write("/a", k, data)
            bag.flush()
    (file,) = folder.glob("*.mcap")
    return file.read_bytes()


def record(code: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack("<BQ", code, len(body) if length is None else length) + body


CHANNEL_OF_NO_SCHEMA = struct.pack("<HHI", 1, 9, 2) + b"/a" + struct.pack("<I", 0) * 2


@pytest.mark.parametrize(
    "rest",
    [
        record(0x05, b"", 2**62),  # was a MemoryError
        record(0x05, b"", 2**64 - 1),  # and this an OverflowError
        record(0x03, b""),  # struct.error
        record(0x04, CHANNEL_OF_NO_SCHEMA),  # KeyError
        record(0x05, struct.pack("<HIQQ", 7, 0, 1, 1)),
        record(0x03, struct.pack("<HI", 1, 2) + b"\xff\xfe"),  # UnicodeDecodeError
        record(0x06, b"short"),
        record(0x06, struct.pack("<QQQI", 0, 0, 2**63, 0) + struct.pack("<I", 0) + struct.pack("<Q", 0)),
    ],
)
def test_salvage_ends_before_a_record_that_is_not_what_its_name_says(tmp_path: Path, rest: bytes) -> None:
    whole = bag_file(tmp_path / "bag")
    path = tmp_path / "bag_0.mcap"
    path.write_bytes(MAGIC + rest + whole[len(MAGIC) :])
    assert list(read_whole(path)) == []
    path.write_bytes(whole)
    assert len(list(read_whole(path))) == 3


def test_a_bag_with_a_damaged_definition_is_left_as_it_was(tmp_path: Path) -> None:
    texts = (b"a/msg/B", b"ros2msg", b"][ 1")
    schema = record(0x03, b"\x01\x00" + b"".join(struct.pack("<I", len(text)) + text for text in texts))
    channel = record(0x04, struct.pack("<HHI", 1, 1, 2) + b"/a" + struct.pack("<I", 0) * 2)
    message = record(0x05, struct.pack("<HIQQ", 1, 0, 5, 5) + b"data")
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bag_0.mcap").write_bytes(MAGIC + schema + channel + message)
    with pytest.raises(InputError, match=r"definition of a/msg/B on /a cannot be read"):
        repair(bag)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag"]
    assert (bag / "bag_0.mcap").read_bytes() == MAGIC + schema + channel + message


@pytest.mark.parametrize("size", [0, 1, 63])
def test_a_segment_without_a_header_is_refused(size: int) -> None:
    name = f"{PREFIX}-{os.getuid()}-{os.getpid()}-short"
    (SHM / name).write_bytes(bytes(size))
    try:
        with pytest.raises(InputError, match="damaged"):
            RingReader().view(Descriptor(name, 0, 2, 1, 4, 8, 3))
    finally:
        (SHM / name).unlink()
