"""A campaign: which faults are made on purpose, on what, for how long, and what the body is expected to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError
from autodrive.yaml_file import read_yaml

CAMERA, TOPIC, NODE, MACHINE = "camera", "topic", "node", "machine"
# kind of fault -> what it is done to
KINDS: dict[str, str] = {
    "camera_dead": CAMERA,
    "camera_frozen": CAMERA,
    "camera_black": CAMERA,
    "camera_noisy": CAMERA,
    "camera_swapped": CAMERA,
    "camera_mistimed": CAMERA,
    "camera_wrong_size": CAMERA,
    "nan": TOPIC,
    "infinite": TOPIC,
    "silent": TOPIC,
    "duplicated": TOPIC,
    "reordered": TOPIC,
    "delayed": TOPIC,
    "flood": TOPIC,
    "clock_forward": TOPIC,
    "clock_back": TOPIC,
    "intruder": TOPIC,
    "killed": NODE,
    "hung": NODE,
    "engine_deleted": NODE,
    "engine_corrupted": NODE,
    "memory_pressure": NODE,
    "disk_full": NODE,
    "cpu_load": MACHINE,
    "shm_gone": MACHINE,
}
# what is done to messages by the injector that stands in their way; the rest is done from outside
INJECTED = tuple(kind for kind, on in KINDS.items() if on in (CAMERA, TOPIC) and kind != "intruder")
STOP, CONTINUE, END = "stop", "continue", "end"
EVERY = "every"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``expect``: the body is to "stop", may "continue", or the run is to "end" with a word.

    ``seconds`` is how long it lasts at most. ``noticed``: somebody must say so; a fault that is absorbed needs no word.
    ``says``: a regular expression that something that is said must match ("": anything will do).
    ``final``: the body is not expected to move again, so the run ends with it; ``alone``: a run of its own besides.
    """

    kind: str
    target: str
    expect: str = STOP
    seconds: float = 3.0
    noticed: bool = True
    says: str = ""
    final: bool = False
    alone: bool = False

    @property
    def name(self) -> str:
        """Unique within a campaign."""
        return f"{self.kind} {self.target}".strip()


@dataclass(frozen=True, slots=True)
class Targets:
    """What a body has that can be broken: names of cameras, topics and nodes."""

    cameras: tuple[str, ...]
    topics: tuple[str, ...]
    nodes: tuple[str, ...]

    def of(self, kind: str) -> tuple[str, ...]:
        """What a kind of fault can be done to."""
        return {CAMERA: self.cameras, TOPIC: self.topics, NODE: self.nodes, MACHINE: ("",)}[KINDS[kind]]


@dataclass(frozen=True, slots=True)
class Campaign:
    """Faults in the order in which they are made."""

    body: str
    faults: tuple[Fault, ...] = field(default_factory=tuple)


def load_campaign(path: Path, body: str, targets: Targets) -> Campaign:
    """Read and check a campaign; raises ConfigError that names the file and the entry."""
    document = read_yaml(path, "campaign")
    if not isinstance(document, dict) or set(document) != {"body", "faults"}:
        raise ConfigError(f"campaign {path}: expected the keys body and faults")
    if document["body"] != body:
        raise ConfigError(f"campaign {path}: it is for the body {document['body']!r}, not for {body!r}")
    if not isinstance(document["faults"], list) or not document["faults"]:
        raise ConfigError(f"campaign {path}: faults must be a list that is not empty")
    faults = []
    for number, entry in enumerate(document["faults"], start=1):
        try:
            faults += list(_expand(entry, targets))
        except ConfigError as error:
            raise ConfigError(f"campaign {path}: entry {number}: {error}") from error
    names = [fault.name for fault in faults]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"campaign {path}: {sorted(twice)} come twice")
    return Campaign(body, tuple(faults))


def chosen(campaign: Campaign, only: str) -> Campaign:
    """The faults whose name matches the regular expression ``only`` somewhere; raises ConfigError where none does."""
    try:
        wanted = re.compile(only)
    except re.error as error:
        raise ConfigError(f"--only {only!r} is no regular expression: {error}") from error
    faults = tuple(fault for fault in campaign.faults if wanted.search(fault.name))
    if not faults:
        raise ConfigError(f"--only {only!r}: no fault of the campaign has such a name")
    return Campaign(campaign.body, faults)


def _expand(entry: Any, targets: Targets) -> Iterator[Fault]:
    if not isinstance(entry, Mapping) or entry.get("kind") not in list(KINDS):  # which asks for no hash
        raise ConfigError(f"kind must be one of {sorted(KINDS)}, got {entry!r}")
    known = {f.name for f in fields(Fault)} - {"target"} | {"targets"}
    if unknown := {str(key) for key in entry} - known:
        raise ConfigError(f"unknown keys {sorted(unknown)}; known are {sorted(known)}")
    rest = {key: value for key, value in entry.items() if key != "targets"}
    for target in _targets(entry, targets):
        yield _checked(Fault(target=target, **rest))


def _targets(entry: Mapping[str, Any], targets: Targets) -> tuple[str, ...]:
    possible = targets.of(entry["kind"])
    wanted = entry.get("targets", EVERY if possible == ("",) else None)
    if wanted == EVERY:
        return possible
    if not isinstance(wanted, list) or not wanted:
        raise ConfigError(f"targets must be {EVERY!r} or a list of {list(possible)}")
    if unknown := [name for name in wanted if name not in possible]:
        raise ConfigError(f"{entry['kind']} cannot be done to {unknown}; it can to {list(possible)}")
    return tuple(wanted)


def _checked(fault: Fault) -> Fault:
    if fault.expect not in (STOP, CONTINUE, END):
        raise ConfigError(f"expect must be {STOP}, {CONTINUE} or {END}, got {fault.expect!r}")
    seconds = fault.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 60:
        raise ConfigError(f"seconds must be a number in 0..60, got {seconds!r}")
    try:
        re.compile(fault.says)
    except (re.error, TypeError) as error:
        raise ConfigError(f"says must be a regular expression, got {fault.says!r}: {error}") from error
    if not all(isinstance(flag, bool) for flag in (fault.noticed, fault.final, fault.alone)):
        raise ConfigError("noticed, final and alone must be true or false")
    return fault
