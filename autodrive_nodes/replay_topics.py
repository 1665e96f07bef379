"""What of a recording is played to the stages that act again, and what they are expected to answer."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from autodrive_nodes import contracts
from autodrive_nodes.bag_json import value_in
from autodrive_nodes.contracts import Topic

if TYPE_CHECKING:
    from autodrive.data.bags import BagReader

CAR, HUMANOID = "car", "humanoid"
VISION = ("camera_ingestion", "perception")
STAGES: dict[str, tuple[str, ...]] = {  # that act again where nothing else is said: all that need no images
    CAR: ("localization", "prediction", "planning", "control", "safety_gate"),
    HUMANOID: (
        *("leg_odometry", "prediction", "instruction", "walk_planning", "walking_control"),
        *("manipulation", "locomotion", "safety_gate"),
    ),
}
_NOT_PLAYED = "/simulation/"


def body_of(topics: Collection[str]) -> str:
    """Whose recording it is, by the topics that have messages."""
    return HUMANOID if contracts.JOINT_STATES.name in topics else CAR


def topics_of(stages: Collection[str], recorded: Collection[str]) -> tuple[dict[str, Topic], dict[str, Topic]]:
    """Of the recorded topics those that ``stages`` say, and those that are played to them; without images."""
    body = body_of(recorded)
    known = {topic.name: topic for topic in contracts.TOPICS if topic.name in recorded}
    outputs = {name: topic for name, topic in known.items() if _owner(topic, body) in stages}
    unplayed = (_NOT_PLAYED, contracts.FRONT_PREVIEW.name)
    inputs = {name: topic for name, topic in known.items() if name not in outputs and not name.startswith(unplayed)}
    return outputs, inputs


def images_of(stages: Collection[str], recorded: Collection[str]) -> dict[str, Topic]:
    """The image topics that are played where ingestion acts again: the raw ones, else compressed ones of all cameras.

    One compressed topic among several cameras is the recorder's own preview and no camera's.
    """
    if VISION[0] not in stages:
        return {}
    raw, compressed, infos = (
        _of_cameras(topic, recorded) for topic in (contracts.IMAGE, contracts.IMAGE_COMPRESSED, contracts.CAMERA_INFO)
    )
    preview = compressed.keys() == {contracts.FRONT_PREVIEW.name} and len(infos) != 1
    return raw or (compressed if len(compressed) >= len(infos) and not preview else {})


def with_ingestion(stages: Collection[str]) -> tuple[str, ...]:
    """Perception looks into memory that only a living ingestion fills."""
    chosen = tuple(dict.fromkeys(stages))
    return (VISION[0], *chosen) if VISION[1] in chosen and VISION[0] not in chosen else chosen


def told(bag: BagReader) -> str:
    """What a humanoid was told by the script of its run, "" for nothing; what people published is in the bag itself.

    Raises InputError where the recording does not say it as our nodes do.
    """
    counts = {t.name: t.count for t in bag.topics()}
    if counts.get(contracts.INSTRUCTION.name) or not counts.get(contracts.GROUNDING.name):
        return ""
    for item in bag.messages([contracts.GROUNDING.name]):
        if text := value_in(bag, item, "instruction", str):
            return str(text)
    return ""


def _owner(topic: Topic, body: str) -> str:
    return contracts.WALKING_OWNERS.get(topic.owner, topic.owner) if body == HUMANOID else topic.owner


def _of_cameras(topic: Topic, recorded: Collection[str]) -> dict[str, Topic]:
    pattern = re.compile(re.escape(topic.name).replace(r"\{camera\}", "[^/]+"))
    return {name: replace(topic, name=name) for name in sorted(recorded) if pattern.fullmatch(name)}
