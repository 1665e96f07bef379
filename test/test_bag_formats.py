"""The same drive and the same cameras in every form in which people keep bags: nothing is lost, and all are played."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera_bag import FakeCamera, write_camera_bag
from graph_run import REPOSITORY
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from autodrive.data.bag_rig import rig_from_bag
from autodrive.data.bags import BagBytes, BagReader
from autodrive.errors import InputError
from autodrive.recording.bag_writer import BagWriter, Limits
from autodrive.recording.compare import differences
from autodrive_nodes.contracts import TOPICS
from autodrive_nodes.recorded_topics import make_store

REFERENCE = REPOSITORY / "test" / "references" / "brook-3"
CAMERAS = [FakeCamera("front", 0), FakeCamera("rear", 180, raw=True)]
STORE = make_store(TOPICS)


def read(path: Path) -> list[BagBytes]:
    with BagReader(path) as bag:
        return sorted(bag.serialized(), key=lambda item: (item.stamp_ns, item.topic, item.data))


def decoded(item: BagBytes) -> Any:
    return STORE.deserialize_cdr(item.data, item.type)


def types(items: list[BagBytes]) -> dict[str, str]:
    return {item.topic: item.type for item in items}


def sqlite3(items: list[BagBytes], path: Path, mode: CompressionMode | None = None) -> Path:
    writer = Writer2(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    if mode is not None:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {name: writer.add_connection(name, kind, typestore=STORE) for name, kind in types(items).items()}
        for item in items:
            writer.write(connections[item.topic], item.stamp_ns, item.data)
    return path


def split(items: list[BagBytes], path: Path, *, unordered: bool = False) -> Path:
    """Six files; ``unordered`` ones hold their messages in any order, as several writers leave them."""
    if unordered:
        items = random.Random(3).sample(items, len(items))
    with BagWriter(path, types(items).items(), STORE, limits=Limits(file_bytes=1)) as bag:
        for k, item in enumerate(items, 1):
            bag.write(item.topic, item.stamp_ns, item.data)
            if k % (len(items) // 5) == 0:
                bag.flush()  # a file that is full ends here
    assert len(list(path.glob("*.mcap"))) == 6
    return path


def ros1(items: list[BagBytes], path: Path, compression: Writer1.CompressionFormat | None = None) -> Path:
    """As a ROS 1 robot would have recorded it: headers with a sequence number, CameraInfo with capital letters."""
    store = ros1_store(types(items).values())
    writer = Writer1(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        connections = {name: writer.add_connection(name, kind, typestore=store) for name, kind in types(items).items()}
        for item in items:
            message = to_ros1(store, item.type, STORE.deserialize_cdr(item.data, item.type))
            writer.write(connections[item.topic], item.stamp_ns, store.serialize_ros1(message, item.type))
    return path


def ros1_store(kinds: Any) -> Typestore:
    store = get_typestore(Stores.ROS1_NOETIC)
    for kind in kinds:
        found = get_types_from_msg(STORE.generate_msgdef(kind, ros_version=1)[0], kind)
        store.register({name: d for name, d in found.items() if name not in store.fielddefs})
    return store


def to_ros1(store: Typestore, kind: str, message: Any) -> Any:
    """The same message with the fields that the type has in ROS 1."""
    values = {}
    for name, (node, detail) in store.fielddefs[kind][1]:
        if name == "seq" and not hasattr(message, name):
            values[name] = 77
            continue
        value = getattr(message, name if hasattr(message, name) else name.lower())
        inner = detail[0] if int(node) in (3, 4) else (node, detail)
        if int(inner[0]) == 2:
            value = (
                [to_ros1(store, inner[1], v) for v in value]
                if isinstance(value, list)
                else to_ros1(store, inner[1], value)
            )
        values[name] = value
    return store.types[kind](**values)


FORMS = {
    "sqlite3": sqlite3,
    "sqlite3_messages_zstd": lambda items, path: sqlite3(items, path, CompressionMode.MESSAGE),
    "sqlite3_files_zstd": lambda items, path: sqlite3(items, path, CompressionMode.FILE),
    "split": split,
    "unordered": lambda items, path: split(items, path, unordered=True),
    "ros1": lambda items, path: ros1(items, path.with_suffix(".bag")),
    "ros1_lz4": lambda items, path: ros1(items, path.with_suffix(".bag"), Writer1.CompressionFormat.LZ4),
    "ros1_bz2": lambda items, path: ros1(items, path.with_suffix(".bag"), Writer1.CompressionFormat.BZ2),
}


@pytest.fixture(scope="module")
def drive() -> list[BagBytes]:
    return read(REFERENCE)


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("ros1_lz4", "ros1_bz2")])
def test_a_drive_is_the_same_in_every_form(tmp_path: Path, form: str, drive: list[BagBytes]) -> None:
    path = FORMS[form](drive, tmp_path / "bag")
    again = read(path)
    if form.startswith("ros1"):  # the bytes between fields are others
        assert [(i.topic, i.type, i.stamp_ns) for i in again] == [(i.topic, i.type, i.stamp_ns) for i in drive]
        for one, other in zip(drive, again, strict=True):
            assert not list(differences(decoded(one), decoded(other))), one.topic
    else:
        assert again == drive
    with BagReader(path) as bag:
        stamps = [item.stamp_ns for item in bag.serialized()]
    assert stamps == sorted(stamps), "in order of recording, whatever the order in the files"


@pytest.mark.parametrize("form", FORMS)
def test_cameras_are_found_in_every_form(tmp_path: Path, form: str) -> None:
    items = read(write_camera_bag(tmp_path / "original", CAMERAS, 0.5, odometry=True))
    path = FORMS[form](items, tmp_path / "bag")
    found, expected = (rig_from_bag(p, "base_link", [-16.0, 16.0, -16.0, 16.0]) for p in (path, tmp_path / "original"))
    assert {**found.document, "name": ""} == {**expected.document, "name": ""}
    with BagReader(path) as bag:
        (image, *_) = bag.messages(["/rear/image_raw"])
        assert image.message.encoding == "bgr8" and np.ptp(image.message.data) == 0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autodrive_nodes.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("form", ["unordered", "ros1_lz4"])
def test_a_drive_replays_to_the_byte_from_odd_forms(tmp_path: Path, form: str, drive: list[BagBytes]) -> None:
    path = FORMS[form](drive, tmp_path / "bag")
    done = run("replay", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0 and "identical" in done.stdout, done.stdout + done.stderr


def test_a_ros1_robot_is_perceived(tmp_path: Path) -> None:
    items = read(write_camera_bag(tmp_path / "original", CAMERAS, 0.4, odometry=True))
    done = run("perceive", str(ros1(items, tmp_path / "robot.bag")), "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["frames"] == 4 and set(report["cameras"]) == {"front", "rear"} and report["odometry"] == "/odom"


def test_a_damaged_ros1_bag_is_named(tmp_path: Path) -> None:
    items = read(write_camera_bag(tmp_path / "original", CAMERAS, 0.5))
    path = ros1(items, tmp_path / "robot.bag")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"robot\.bag"), BagReader(path) as bag:
        list(bag.serialized())
