"""Each system once: its nodes, their process groups and parameters, and the order in which they come up.

``autodrive run`` and the launch files both start what stands here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError
from autodrive_nodes.paths import DEFAULT_ENGINE, ENVELOPES, RIGS


@dataclass(frozen=True)
class NodeSpec:
    """One node: ``factory`` is "module:Class" of a StageNode."""

    name: str
    factory: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """``groups``: nodes by process; ``order``: the groups in the order in which their nodes are activated."""

    name: str
    groups: dict[str, tuple[NodeSpec, ...]]

    @property
    def order(self) -> tuple[str, ...]:
        """Node names in the order of activation: groups as listed, nodes as listed."""
        return tuple(node.name for nodes in self.groups.values() for node in nodes)


@dataclass(frozen=True)
class Options:
    """What a user may choose when starting a system."""

    system: str = "car"
    town: str = "summit"
    seed: int = 1
    duration_s: float = 60.0
    mode: str = "lockstep"
    engine: str = str(DEFAULT_ENGINE)
    rig: str = str(RIGS / "car.yaml")
    out: str = ""
    bag: str = ""

    def to_json(self) -> str:
        """The form in which options travel on a command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Options:
        """Parse; raises ConfigError for unknown options."""
        try:
            return Options(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"options {text!r}: {error}") from error


def build(options: Options) -> System:
    """The system that ``options`` name; raises ConfigError for an unknown one."""
    systems = {"car": _car, "perceive": _perceive}
    if options.system not in systems:
        raise ConfigError(f"system {options.system!r} is unknown; choose one of {sorted(systems)}")
    return systems[options.system](options)


def _vision(o: Options, *, images: str) -> tuple[NodeSpec, ...]:
    ingestion = {"rig": o.rig, "mode": o.mode, "source": images}
    return (
        NodeSpec("camera_ingestion", "autodrive_nodes.camera_ingestion_node:CameraIngestionNode", ingestion),
        NodeSpec("perception", "autodrive_nodes.perception_node:PerceptionNode", {"rig": o.rig, "engine": o.engine}),
    )


def _recording(o: Options, *, video: bool) -> tuple[NodeSpec, ...]:
    if not o.out:
        return ()
    common = {"rig": o.rig, "out": o.out}
    title = f"{o.system} | {o.town} | seed {o.seed}" if o.system == "car" else Path(o.bag).name
    return (
        NodeSpec("recorder", "autodrive_nodes.recorder_node:RecorderNode", common),
        NodeSpec("video", "autodrive_nodes.video_node:VideoNode", {**common, "title": title}),
    )[: 2 if video else 1]


def _car(o: Options) -> System:
    mode = {"mode": o.mode}
    world = {"rig": o.rig, "town": o.town, "seed": o.seed, "duration_s": float(o.duration_s), **mode}
    groups = {
        "recording": _recording(o, video=True),
        "scoring": (NodeSpec("scorer", "autodrive_nodes.scorer_node:ScorerNode", {"out": o.out}),),
        "safety": (
            NodeSpec(
                "safety_gate",
                "autodrive_nodes.safety_gate_node:SafetyGateNode",
                {"envelope": str(ENVELOPES / "car.yaml"), **mode},
            ),
        ),
        "driving": (
            NodeSpec("localization", "autodrive_nodes.localization_node:LocalizationNode"),
            NodeSpec("prediction", "autodrive_nodes.prediction_node:PredictionNode"),
            NodeSpec("planning", "autodrive_nodes.planning_node:PlanningNode"),
            NodeSpec("control", "autodrive_nodes.control_node:ControlNode", mode),
        ),
        "vision": _vision(o, images="shm"),
        "world": (NodeSpec("world_bridge", "autodrive_nodes.world_bridge_node:WorldBridgeNode", world),),
    }
    return System("car", {name: nodes for name, nodes in groups.items() if nodes})


def _perceive(o: Options) -> System:
    player = NodeSpec("bag_player", "autodrive_nodes.bag_player_node:BagPlayerNode", {"bag": o.bag, "rig": o.rig})
    groups = {
        "recording": _recording(o, video=True),
        "vision": _vision(o, images="auto"),
        "world": (player,),
    }
    return System("perceive", {name: nodes for name, nodes in groups.items() if nodes})
