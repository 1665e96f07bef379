"""Which topics are recorded: those of our table, or those that the user's patterns name, whoever publishes them."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rosbags.typesys.store import Typestore

from autodrive.data.bags import register_messages, typestore
from autodrive.errors import ConfigError, EnvironmentProblem
from autodrive.recording.bag_writer import BagWriter
from autodrive.rig import Rig
from autodrive_nodes import contracts
from autodrive_nodes.contracts import Topic
from autodrive_nodes.stage_node import message_type

SHM_SUFFIX = "/shm"  # descriptors of shared memory mean nothing in a bag


@dataclass(frozen=True, slots=True)
class Found:
    """A topic that is published by somebody, and what all its publishers offer."""

    topic: Topic
    reliable: bool


def preview_camera(rig: Rig) -> str:
    """The first camera with "front" in its name, else the first."""
    names = [c.name for c in rig.cameras]
    return next((n for n in names if "front" in n), names[0])


def recorded_topics(rig: Rig, patterns: Collection[str] = ()) -> dict[str, Topic]:
    """Topics of our table that are recorded, by full name: all that the table marks, or those that a pattern names.

    ``patterns`` are as of a shell, "/perception/*". Images are no matter of this: see ``image_topics``.
    """
    return {
        name: topic
        for topic in contracts.TOPICS
        for camera in rig.cameras
        if topic.recorded and matches(name := topic.name.format(camera=camera.name), patterns)
    }


def image_topics(rig: Rig, kind: str) -> dict[str, Topic]:
    """The image topic of every camera by its full name: ``kind`` is "raw", "jpeg", or "" for none."""
    kinds = {"": None, "raw": contracts.IMAGE, "jpeg": contracts.IMAGE_COMPRESSED}
    if kind not in kinds:
        raise ConfigError(f"images to record must be raw or jpeg, or empty for none; got {kind!r}")
    topic = kinds[kind]
    return {} if topic is None else {topic.name.format(camera=c.name): topic for c in rig.cameras}


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether one of the patterns names the topic; none at all names every topic."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def discover(node: Node, patterns: Collection[str], known: Collection[str]) -> Iterator[Found]:
    """Published topics outside ``known`` that a pattern names; those of unknown types are passed over."""
    for name, kinds in node.get_topic_names_and_types() if patterns else ():
        if name in known or name.endswith(SHM_SUFFIX) or not matches(name, patterns) or len(kinds) != 1:
            continue
        if (found := find(node, name, kinds[0])) is not None:
            yield found


def find(node: Node, name: str, kind: str) -> Found | None:
    """What the publishers of a topic offer; None where there is none, or its type is not installed."""
    offers = [p.qos_profile for p in node.get_publishers_info_by_topic(name) if p.node_name != node.get_name()]
    try:
        message_type(kind)
    except (ImportError, AttributeError, ValueError):
        return None
    if not offers:
        return None
    latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
    reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
    return Found(Topic(name, kind, "any", latched=latched), reliable)


def open_bag(
    path: Path, topics: dict[str, Topic], store: Typestore | None = None, custom: Mapping[str, str] | None = None
) -> BagWriter:
    """A new bag for ``topics``; an older one of that name is removed, as it is not of this run."""
    store = store or make_store(topics.values())
    try:
        latched = {name for name, topic in topics.items() if topic.latched}
        return BagWriter(
            path, [(name, topic.type) for name, topic in topics.items()], store, latched=latched, custom=custom
        )
    except OSError as error:
        raise EnvironmentProblem(f"cannot record to {path}: {error.strerror}") from error


def make_store(topics: Iterable[Topic]) -> Typestore:
    """The definitions of the types of ``topics``."""
    return typestore(_share(package) for package in sorted({topic.type.split("/")[0] for topic in topics}))


def add_types(store: Typestore, topic: Topic) -> None:
    """Add the definitions of a topic's package to ``store``; raises EnvironmentProblem where they are not installed."""
    if topic.type not in store.fielddefs:
        register_messages(store, _share(topic.type.split("/")[0]))


def _share(package: str) -> Path:
    """The share directory in which an installed message package keeps its .msg files.

    It is found from the Python module, since the ament index needs an environment variable that pip does not set.
    """
    module = importlib.import_module(package)
    for prefix in Path(str(module.__file__)).resolve().parents:
        if (prefix / "share" / package / "msg").is_dir():
            return prefix / "share" / package
    raise EnvironmentProblem(f"message package {package} is installed without its definitions; run `make setup`")
