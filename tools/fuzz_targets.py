"""What `make fuzz` feeds with bytes: every parser of what comes from outside, and the files that it starts from.

A target returns, or raises the project's own error, for any bytes at all; whatever else it raises is a finding.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from autodrive.camera.camera_info import read_camera_info
from autodrive.data.bags import BagReader, typestore
from autodrive.errors import AutodriveError
from autodrive.inference.manifest import load_manifest
from autodrive.recording.bag_writer import BagWriter
from autodrive.recording.salvage import repair
from autodrive.rig import load_rig
from autodrive.safety.envelope import load_envelope
from autodrive.scene import Forecast, ForecastMode, ObjectClass, TrackedObject, Trajectory
from autodrive.tasks.wish import TaskState
from autodrive.transport.ring import PREFIX, SHM, Descriptor, RingReader, RingWriter
from autodrive_nodes.graph import Options
from autodrive_nodes.object_bytes import forecasts_from_bytes, forecasts_to_bytes, tracks_from_bytes, tracks_to_bytes
from autodrive_nodes.paths import DEFAULT_ENGINE, ENVELOPES, RIGS
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes, trajectory_to_bytes
from optimus_nodes import task_json

FOLDER = Path(tempfile.mkdtemp(prefix="autodrive-fuzz-"))
KIND = "std_msgs/msg/String"
TRACK = TrackedObject(3, ObjectClass.BOX, 0.9, 1.0, 2.0, 0.7, 0.1, 4.0, 1.8, 1.5, 1.0, 0.5, 0.2, 0.0)


@dataclass(frozen=True)
class Target:
    """``run`` takes any bytes; ``seeds`` makes those to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def allowed(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """``read`` where only the project's own error may come out."""

    def run(data: bytes) -> None:
        try:
            read(data)
        except AutodriveError as error:
            assert str(error), "an error without words"

    return run


def of_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    """``read`` of a file that holds the bytes."""
    path = FOLDER / f"{len(list(FOLDER.iterdir()))}{suffix}"
    path.touch()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return allowed(run)


def read_bag(path: Path) -> None:
    """Every message of a bag."""
    with BagReader(path) as reader:
        reader.topics()
        for item in reader.serialized():
            try:
                reader.decode(item)
            except AutodriveError:
                continue


def repair_bag(data: bytes) -> None:
    """A bag folder whose one file holds the bytes is repaired to one that can be read, or left as it was."""
    bag = FOLDER / "repair" / "bag"
    shutil.rmtree(bag.parent, ignore_errors=True)
    bag.mkdir(parents=True)
    (bag / "bag_0.mcap").write_bytes(data)
    try:
        kept = repair(bag)
    except AutodriveError:
        assert (bag / "bag_0.mcap").read_bytes() == data, "what cannot be repaired is left as it was"
        return
    with BagReader(bag) as reader:
        assert sum(topic.count for topic in reader.topics()) == kept.messages > 0


def read_descriptor(data: bytes) -> None:
    """A descriptor, and the image that it means."""
    descriptor = Descriptor.unpack(data)
    assert descriptor.pack() == data
    _view(descriptor)


def read_segment(data: bytes) -> None:
    """A segment that holds the bytes, and the image of a descriptor that means its first slot."""
    name = f"{PREFIX}-{os.getuid()}-{os.getpid()}-fuzz"
    with (SHM / name).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # or runs that start beside this one take it for a dead writer's
        file.write(data)
        file.flush()
        try:
            generation = int.from_bytes(data[16:24].ljust(8, b"\0"), "little")
            _view(Descriptor(name, 0, 2, generation, 4, 8, 3))
        finally:
            (SHM / name).unlink()


def _view(descriptor: Descriptor) -> None:
    reader = RingReader()
    image = reader.view(descriptor)
    assert image.shape == (descriptor.height, descriptor.width, descriptor.channels)
    int(image.sum())  # touches every byte


def read_json(data: bytes) -> None:
    """All that travels as JSON."""
    text = data.decode(errors="replace")
    for read in (
        task_json.task_from_json,
        task_json.status_from_json,
        task_json.colours_from_json,
        task_json.grounding_from_json,
        Options.from_json,
    ):
        allowed(lambda _, read=read: read(text))(data)  # type: ignore[misc]


def read_objects(data: bytes) -> None:
    """Tracks, forecasts and plans as CDR; what is read is finite."""
    for read in (tracks_from_bytes, forecasts_from_bytes, trajectory_from_bytes):
        allowed(lambda data, read=read: _check(read(data)))(data)  # type: ignore[misc]


def _check(found: object) -> None:
    if isinstance(found, Trajectory):
        assert np.isfinite([found.x, found.y, found.yaw, found.speed, found.curvature]).all()
        return
    for item in found:  # type: ignore[attr-defined]
        track = item if isinstance(item, TrackedObject) else item.track
        numbers = [getattr(track, name) for name in TrackedObject.__slots__ if name != "label"]
        assert np.isfinite(numbers).all()


def _bags() -> list[bytes]:
    store = typestore()
    data = [bytes(store.serialize_cdr(store.types[KIND](data="x" * n), KIND)) for n in (0, 5, 90)]
    with BagWriter(FOLDER / "seed", [("/a", KIND), ("/b", KIND)], store) as bag:
        for k, item in enumerate(data):
            bag.write(("/a", "/b")[k % 2], k, item)
            bag.flush()
    found = [file.read_bytes() for file in sorted((FOLDER / "seed").glob("*.mcap"))]
    shutil.rmtree(FOLDER / "seed")
    return found


def _sqlite() -> list[bytes]:
    store = typestore()
    folder = FOLDER / "seed3"
    with Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        connection = bag.add_connection("/a", KIND, typestore=store)
        bag.write(connection, 1, store.serialize_cdr(store.types[KIND](data="hello"), KIND))
    found = [file.read_bytes() for file in folder.glob("*.db3")]
    shutil.rmtree(folder)
    return found


def _descriptors() -> list[bytes]:
    writer = RingWriter("seed", 4 * 8 * 3, slots=2)
    try:
        descriptor = writer.write(np.ones((4, 8, 3), np.uint8))
        return [descriptor.pack(), (SHM / writer.segment).read_bytes()]
    finally:
        writer.close()


def _objects() -> list[bytes]:
    forecast = Forecast(TRACK, 0.5, (ForecastMode(1.0, np.zeros((2, 3))),))
    plan = Trajectory(1, *np.linspace(0.1, 4.0, 7 * 3).reshape(7, 3))
    return [tracks_to_bytes(1, [TRACK]), forecasts_to_bytes(1, [forecast]), trajectory_to_bytes(plan)]


def _texts() -> list[bytes]:
    grounding = '{"stamp_ns": 1, "instruction": "go", "state": "done", "says": ""}'
    colours = '{"stamp_ns": 1, "colours": {"3": ["red", 0.9, [1.0, 2.0, 3.0, 0.0, 0.0, 1.0]]}}'
    words = [task_json.task_to_json(TaskState(1, "walk")), Options().to_json(), grounding, colours]
    return [word.encode() for word in words]


def _of(*paths: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in paths]


LENS = b"image_width: 64\nimage_height: 40\ncamera_matrix: {data: [40.0, 0, 32, 0, 40, 20, 0, 0, 1]}\n" + (
    b"distortion_model: plumb_bob\ndistortion_coefficients: {data: [0.1, -0.2, 0.0, 0.0, 0.05]}\n"
)
TARGETS = {
    "salvage": Target(allowed(repair_bag), _bags),
    "mcap": Target(of_file(".mcap", read_bag), _bags),
    "sqlite": Target(of_file(".db3", read_bag), _sqlite),
    "descriptor": Target(allowed(read_descriptor), lambda: _descriptors()[:1]),
    "segment": Target(allowed(read_segment), lambda: _descriptors()[1:]),
    "manifest": Target(of_file(".yaml", load_manifest), _of(DEFAULT_ENGINE)),
    "rig": Target(of_file(".yaml", load_rig), _of(*sorted(RIGS.glob("*.yaml")))),
    "envelope": Target(of_file(".yaml", load_envelope), _of(ENVELOPES / "car.yaml")),
    "camera_info": Target(of_file(".yaml", read_camera_info), lambda: [LENS]),
    "objects": Target(read_objects, _objects),
    "json": Target(read_json, _texts),
}
