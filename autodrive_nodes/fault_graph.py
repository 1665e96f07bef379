"""A system in which a fault injector stands between some topics and those who hear them.

No product node knows of it: the owner of such a topic is told, by a remapping for it alone, to publish on another name,
and the injector passes on what it hears there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from autodrive.errors import ConfigError
from autodrive.rig import load_rig
from autodrive_nodes.contracts import TOPICS, WALKING_OWNERS, Topic
from autodrive_nodes.graph import NodeSpec, Options, System

UNFAULTED = "/unfaulted"  # in front of a topic's name
INJECTOR, GROUP = "fault_injector", "faults"


@cache
def topics_by_name(cameras: tuple[str, ...]) -> dict[str, Topic]:
    """Every topic of the graph by its name; those of cameras once for each."""
    named = [(topic.name.format(camera=camera), topic) for topic in TOPICS for camera in cameras]
    return {name: replace(topic, name=name) for name, topic in named}


def owner_of(topic: Topic, system: System) -> str:
    """The node of ``system`` that publishes a topic, "" if it has none."""
    names = (topic.owner, WALKING_OWNERS.get(topic.owner, ""))
    return next((name for name in names if name in system.order), "")


def faulted(system: System, options: Options) -> System:
    """``system`` with an injector in front of the topics that ``options.faults`` lists as JSON; raises ConfigError."""
    try:
        wanted = [str(name) for name in json.loads(options.faults)]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"faults must be a JSON list of topics, got {options.faults!r}") from error
    known = topics_by_name(tuple(camera.name for camera in load_rig(Path(options.rig)).cameras))
    remappings: dict[str, tuple[tuple[str, str], ...]] = {}
    for name in wanted:
        owner = owner_of(known[name], system) if name in known else ""
        if not owner:
            raise ConfigError(f"faults: nobody in the system {system.name!r} publishes {name}")
        remappings[owner] = (*remappings.get(owner, ()), (name, UNFAULTED + name))
    injector = NodeSpec(
        INJECTOR,
        "autodrive_nodes.fault_injector_node:FaultInjectorNode",
        {"mode": options.mode, "rig": options.rig, "topics": wanted, "seed": options.seed, "pace": float(options.pace)},
    )
    groups = {
        group: tuple(replace(node, remappings=remappings.get(node.name, ())) for node in nodes)
        for group, nodes in system.groups.items()
    }
    return System(system.name, {GROUP: (injector,), **groups})
