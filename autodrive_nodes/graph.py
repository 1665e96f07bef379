"""Each system once: its nodes, their process groups and parameters, and the order in which they come up.

``autodrive run`` and the launch files both start what stands here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError
from autodrive.plain import PROBLEMS, from_json, from_plain
from autodrive.yaml_file import read_yaml
from autodrive_nodes.paths import DEFAULT_ENGINE, ENVELOPES, NODE_PARAMETERS, RIGS
from autodrive_nodes.replay_topics import STAGES, with_ingestion

TOWN_WORLD = "autodrive.sim.town_world:TownWorld"
HALL_WORLD = "autodrive.sim.hall_world:HallWorld"
SAY_AT_S = 1.0  # by then the tracker has confirmed what it sees
# groups with a part of their own in how a system begins and ends: the gate is there before those that it watches and
# after them, the recording ends last, and only when it has heard everything
SAFETY, RECORDING, SCORING, WORLD = "safety", "recording", "scoring", "world"


@dataclass(frozen=True)
class NodeSpec:
    """One node: ``factory`` is "module:Class" of a StageNode; ``remappings`` are topics that it calls otherwise."""

    name: str
    factory: str
    parameters: dict[str, Any] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()


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
    """What a user may choose when starting a system.

    ``world`` is "module:Class" of an autodrive.sim.world.World ("": the body's own); ``parameters`` a ROS parameter
    file that goes before ``config/nodes.yaml``; ``runtime`` is what runs the engine ("": as the parameter files say).
    The humanoid has ``robot``, a name in config/robots, ``say``, what it
    is told, and ``task``, the JSON of a HallTask that its run is judged by ("" where its own word counts). A replay has
    ``body``, whose stages act, ``only``, which of them, separated by commas, the part of the bag in seconds from its
    begin, and ``rate``, how many times faster than it was (0: as fast as the stages answer).
    ``cameras`` is the setup file of real cameras, for the system of that name. ``isolated`` gives every stage a process
    of its own, so that one that dies takes no other with it; ``faults`` is a JSON list of topics in which a fault
    injector stands (``autodrive faults``). ``record_topics`` are patterns, separated by commas, of what is recorded
    ("": all of ours), ``record_images`` is "raw" or "jpeg" to record every camera too; ``video`` makes drive.mp4.
    ``pace``: how fast the world runs in realtime, 1 at wall speed; below that a slow or busy machine keeps up.
    """

    system: str = "car"
    town: str = "summit"
    seed: int = 1
    duration_s: float = 60.0
    mode: str = "lockstep"
    engine: str = str(DEFAULT_ENGINE)
    runtime: str = ""
    rig: str = str(RIGS / "car.yaml")
    out: str = ""
    record: bool = True
    record_topics: str = ""
    record_images: str = ""
    video: bool = True
    bag: str = ""
    base_frame: str = "base_link"
    world: str = ""
    parameters: str = ""
    robot: str = "g1"
    say: str = ""
    task: str = ""
    cameras: str = ""
    body: str = "car"
    only: str = ""
    from_s: float = 0.0
    to_s: float = 1e9
    rate: float = 0.0
    isolated: bool = False
    faults: str = ""
    pace: float = 1.0

    def to_json(self) -> str:
        """The form in which options travel on a command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Options:
        """Parse; raises ConfigError for unknown options."""
        try:
            options: Options = from_plain(Options, from_json(text), "options")
            return options
        except PROBLEMS as error:
            raise ConfigError(f"options {text!r}: {error}") from error


def parameter_files(options: Options) -> tuple[Path, ...]:
    """The parameter files of the nodes, the last of which wins; raises ConfigError for one that is none."""
    if not options.parameters:
        return (NODE_PARAMETERS,)
    own = Path(options.parameters)
    shipped = _read_parameters(NODE_PARAMETERS)
    for node, parameters in _read_parameters(own).items():
        for name, value in parameters.items():
            known = shipped.get(node, {}).get(name, value)
            if type(value) is not type(known):  # rcl would silently keep ours
                raise ConfigError(f"parameter file {own}: {name} of {node} must be like {known!r}, got {value!r}")
    return (NODE_PARAMETERS, own)


def _read_parameters(path: Path) -> dict[str, dict[str, Any]]:
    document = read_yaml(path, "parameter file")
    expected = "expected NODE: {ros__parameters: {NAME: VALUE}}"
    if not isinstance(document, dict):
        raise ConfigError(f"parameter file {path}: {expected}")
    for node, content in document.items():
        inner = content.get("ros__parameters") if isinstance(content, dict) else None
        if not isinstance(inner, dict) or len(content) > 1 or not all(isinstance(name, str) for name in inner):
            raise ConfigError(f"parameter file {path}: {node}: {expected}")
    return {str(node): content["ros__parameters"] for node, content in document.items()}


def build(options: Options) -> System:
    """The system that ``options`` name; raises ConfigError for an unknown one."""
    systems = {"car": _car, "humanoid": _humanoid, "perceive": _perceive, "replay": _replay, "cameras": _cameras}
    if options.system not in systems:
        raise ConfigError(f"system {options.system!r} is unknown; choose one of {sorted(systems)}")
    system = systems[options.system](options)
    system = _isolated(system) if options.isolated else system
    if options.faults:
        from autodrive_nodes.fault_graph import faulted  # which knows this module

        return faulted(system, options)
    return system


def _isolated(system: System) -> System:
    own = {SAFETY, RECORDING, SCORING, WORLD}
    groups: dict[str, tuple[NodeSpec, ...]] = {}
    for name, nodes in system.groups.items():
        groups |= {name: nodes} if name in own else {node.name: (node,) for node in nodes}
    return System(system.name, groups)


def _node(o: Options, name: str, factory: str, **parameters: Any) -> NodeSpec:
    return NodeSpec(name, f"autodrive_nodes.{factory}", {"mode": o.mode, **parameters})


def _vision(o: Options, *, images: str) -> tuple[NodeSpec, ...]:
    runtime = {"runtime": o.runtime} if o.runtime else {}
    return (
        _node(o, "camera_ingestion", "camera_ingestion_node:CameraIngestionNode", rig=o.rig, source=images),
        _node(o, "perception", "perception_node:PerceptionNode", rig=o.rig, engine=o.engine, **runtime),
    )


def _images(o: Options) -> str:
    """Where images come from: a world shares its memory, a bag has plain or compressed ones."""
    return "auto" if o.system == "replay" else "shm"


def _recording(o: Options) -> tuple[NodeSpec, ...]:
    if not (o.out and o.record):
        return ()
    where = {"car": f"car | {o.town} | seed {o.seed}", "humanoid": f"humanoid | {o.robot} | seed {o.seed}"}
    title = where.get(o.system, Path(o.bag).name)
    body = {"car": "car", "humanoid": "humanoid", "perceive": "bag"}[o.system]
    chosen = {"topics": o.record_topics.split(","), "images": o.record_images}
    recorder = _node(o, "recorder", "recorder_node:RecorderNode", rig=o.rig, out=o.out, **chosen)
    video = _node(o, "video", "video_node:VideoNode", rig=o.rig, out=o.out, title=title, body=body)
    return (recorder, video) if o.video else (recorder,)


def _world(o: Options) -> tuple[NodeSpec, ...]:
    world = {"world": o.world or TOWN_WORLD, "town": o.town, "seed": o.seed, "duration_s": float(o.duration_s)}
    world["pace"] = float(o.pace)
    return (_node(o, "world_bridge", "world_bridge_node:WorldBridgeNode", rig=o.rig, **world),)


def _optimus(o: Options, name: str, factory: str, **parameters: Any) -> NodeSpec:
    return NodeSpec(name, f"optimus_nodes.{factory}", {"mode": o.mode, **parameters})


def _humanoid(o: Options) -> System:
    """The car's perception and prediction; a body with legs, arms and an ear for instructions."""
    vision = (
        *_vision(o, images=_images(o)),
        _optimus(o, "appearance", "appearance_node:AppearanceNode", rig=o.rig),
    )
    script = json.dumps([[SAY_AT_S, o.say]] if o.say else [])
    thinking = (
        _node(o, "prediction", "prediction_node:PredictionNode", routed=False),
        _optimus(o, "instruction", "instruction_node:InstructionNode", robot=o.robot, script=script),
        _optimus(o, "walk_planning", "planning_node:WalkPlanningNode"),
        _optimus(o, "walking_control", "walking_control_node:WalkingControlNode"),
    )
    limbs = (
        _optimus(o, "leg_odometry", "leg_odometry_node:LegOdometryNode", robot=o.robot),
        _optimus(
            o,
            "manipulation",
            "manipulation_node:ManipulationNode",
            robot=o.robot,
            stages=[node.name for node in (*vision, *thinking)],
        ),
        _optimus(o, "locomotion", "locomotion_node:LocomotionNode", robot=o.robot),
    )
    stages = [node.name for node in (*vision, *thinking, *limbs)]
    envelope = str(ENVELOPES / "humanoid.yaml")
    world = {"world": o.world or HALL_WORLD, "seed": o.seed, "duration_s": float(o.duration_s), "robot": o.robot}
    world |= {"ends_with_task": bool(o.say), "pace": float(o.pace)}
    groups = {
        SAFETY: (_optimus(o, "safety_gate", "walk_gate_node:WalkGateNode", envelope=envelope, stages=stages),),
        RECORDING: _recording(o),
        SCORING: (_node(o, "scorer", "scorer_node:ScorerNode", out=o.out, body="humanoid", task=o.task),),
        "thinking": thinking,
        "vision": vision,
        "limbs": limbs,
        WORLD: (_optimus(o, "body_bridge", "body_bridge_node:BodyBridgeNode", rig=o.rig, **world),),
    }
    return System("humanoid", {name: nodes for name, nodes in groups.items() if nodes})


def _car(o: Options) -> System:
    driving = (
        _node(o, "localization", "localization_node:LocalizationNode"),
        _node(o, "prediction", "prediction_node:PredictionNode"),
        _node(o, "planning", "planning_node:PlanningNode"),
        _node(o, "control", "control_node:ControlNode"),
    )
    vision = _vision(o, images=_images(o))
    stages = [node.name for node in (*vision, *driving)]
    gate = _node(
        o,
        "safety_gate",
        "safety_gate_node:SafetyGateNode",
        envelope=str(ENVELOPES / "car.yaml"),
        stages=stages,
    )
    groups = {
        SAFETY: (gate,),
        RECORDING: _recording(o),
        SCORING: (_node(o, "scorer", "scorer_node:ScorerNode", out=o.out),),
        "driving": driving,
        "vision": vision,
        WORLD: _world(o),
    }
    return System("car", {name: nodes for name, nodes in groups.items() if nodes})


def _perceive(o: Options) -> System:
    player = _node(o, "bag_player", "bag_player_node:BagPlayerNode", bag=o.bag, rig=o.rig, base_frame=o.base_frame)
    groups = {
        RECORDING: _recording(o),
        "vision": _vision(o, images="auto"),
        WORLD: (player,),
    }
    return System("perceive", {name: nodes for name, nodes in groups.items() if nodes})


def _replay(o: Options) -> System:
    """Those stages of the body that ``only`` names, fed by what was recorded of all others."""
    bodies = {"car": _car, "humanoid": _humanoid}
    if o.body not in bodies:
        raise ConfigError(f"replay: body {o.body!r} is unknown; choose one of {sorted(bodies)}")
    acting = bodies[o.body](replace(o, record=False)).groups
    stages = {name: nodes for name, nodes in acting.items() if name not in (SCORING, WORLD)}
    names = [node.name for nodes in stages.values() for node in nodes]
    chosen = with_ingestion(o.only.split(",") if o.only else STAGES[o.body])
    if unknown := [name for name in chosen if name not in names]:
        raise ConfigError(f"replay: the {o.body} has no stage {unknown[0]!r}; choose of {names}")
    part = {"from_s": float(o.from_s), "to_s": float(o.to_s), "rate": float(o.rate)}
    player = _node(o, "replay", "replay_node:ReplayNode", bag=o.bag, out=o.out, stages=list(chosen), **part)
    groups = {name: tuple(n for n in nodes if n.name in chosen) for name, nodes in stages.items()}
    return System("replay", {**{name: nodes for name, nodes in groups.items() if nodes}, WORLD: (player,)})


def _cameras(o: Options) -> System:
    """The way in of real cameras: what the world is for in the other systems, and ingestion that judges them."""
    cameras = {"rig": o.rig, "cameras": o.cameras, "mode": "realtime"}  # no camera waits
    groups: dict[str, tuple[NodeSpec, ...]] = {
        "vision": (_node(o, "camera_ingestion", "camera_ingestion_node:CameraIngestionNode", source="shm", **cameras),),
        WORLD: (_node(o, "cameras", "cameras_node:CamerasNode", **cameras),),
    }
    return System("cameras", groups)
