"""The launch files start exactly the processes that ``autodrive run`` starts, and end when the run is over.

Where a ROS distribution has ``launch`` and ``launch_ros`` these run; elsewhere a faithful stand-in of the part in use.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_launch
import pytest

from autodrive.errors import ConfigError
from autodrive_nodes.container import MANAGER
from autodrive_nodes.graph import Options, build
from autodrive_nodes.paths import RIGS

REAL = importlib.util.find_spec("launch_ros") is not None
LAUNCH = Path(__file__).resolve().parents[1] / "launch"


@pytest.fixture(autouse=True)
def launch_api(monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL:
        for name, module in fake_launch.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "autodrive_nodes.launch_description", raising=False)


def describe(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def entities(description: Any, kind: str) -> list[Any]:
    return [entity for entity in description.entities if type(entity).__name__ == kind]


def defaults(description: Any) -> dict[str, str]:
    found = {}
    for argument in entities(description, "DeclareLaunchArgument"):
        value = argument.default_value
        found[argument.name] = value if isinstance(value, str) else "".join(part.text for part in value)
    return found


def processes(description: Any, **chosen: str) -> list[Any]:
    return [entity for entity in started(description, **chosen) if type(entity).__name__ == "Node"]


def started(description: Any, **chosen: str) -> list[Any]:
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update({**defaults(description), **chosen})
    (function,) = entities(description, "OpaqueFunction")
    if isinstance(function, fake_launch.OpaqueFunction):
        return list(function.function(context) or [])
    return list(function.execute(context) or [])


def arguments(node: Any) -> list[str]:
    given = node.arguments if hasattr(node, "arguments") else node._Node__arguments
    return [str(item) for item in given]


def given(node: Any) -> tuple[str, Options]:
    """Group and options that a node tells the container."""
    words = arguments(node)
    assert words[::2] == ["--group", "--options"]
    return words[1], Options.from_json(words[3])


CASES = {
    "cameras.launch.py": {"rig": "/tmp/rig.yaml", "cameras": "/tmp/cameras.yaml"},
    "car.launch.py": {"out": "/tmp/x", "seed": "7", "duration_s": "12.5", "mode": "realtime", "town": "brook"},
    "humanoid.launch.py": {"out": "/tmp/x", "seed": "7", "say": "go to the red box", "robot": "t1"},
    "perceive.launch.py": {"out": "/tmp/x", "bag": "/tmp/drive.mcap"},
    "replay.launch.py": {"out": "/tmp/x", "bag": "/tmp/drive.mcap", "only": "planning,control", "from_s": "2.5"},
}


DEFAULTS = {"humanoid.launch.py": {"rig": str(RIGS / "humanoid.yaml")}}


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_starts_the_groups_of_the_graph_and_the_manager(name: str) -> None:
    nodes = processes(describe(name), **CASES[name])
    groups, (options, *others) = zip(*map(given, nodes), strict=True)
    assert options.system == name.partition(".")[0]
    assert {str(getattr(options, key)) for key in CASES[name]} == set(CASES[name].values())
    assert {options, *others} == {options}
    assert groups == (*build(options).groups, MANAGER)


@pytest.mark.parametrize("name", sorted(CASES))
def test_no_argument_is_needed_and_the_defaults_are_those_of_the_command(name: str) -> None:
    nodes = processes(describe(name))
    assert given(nodes[0])[1] == Options(system=name.partition(".")[0], **DEFAULTS.get(name, {}))


def test_a_node_name_would_rename_every_node_of_a_container_so_none_is_given() -> None:
    for node in processes(describe("car.launch.py")):
        assert (node._Node__node_name if REAL else node.name) is None


def test_an_argument_of_the_wrong_type_is_named() -> None:
    with pytest.raises(ConfigError, match="seed:=seven must be of type int"):
        processes(describe("car.launch.py"), seed="seven")


@pytest.mark.skipif(REAL, reason="event handlers of the real launch need a running launch service")
def test_the_launch_ends_when_the_run_is_over_or_a_process_ends() -> None:
    handlers = [item.event_handler for item in entities(describe("car.launch.py"), "RegisterEventHandler")]
    (output,) = [item for item in handlers if isinstance(item, fake_launch.OnProcessIO)]
    assert output.on_stdout(SimpleNamespace(text=b"PROGRESS {}\n")) is None
    assert isinstance(output.on_stdout(SimpleNamespace(text=b"PROGRESS {}\nDONE {}\n"))[0], fake_launch.Shutdown)


ALL = {"safety", "scoring", "driving", "vision", "world", "manager"}


@pytest.mark.skipif(REAL, reason="event handlers of the real launch need a running launch service")
@pytest.mark.parametrize(
    ("mode", "ending", "again"),
    [("lockstep", ALL, set()), ("realtime", {"scoring", "world"}, {"driving", "vision", "manager"})],
)
def test_a_process_that_dies_ends_the_launch_or_is_started_again(mode: str, ending: set[str], again: set[str]) -> None:
    found = started(describe("car.launch.py"), mode=mode)
    nodes = [item for item in found if isinstance(item, fake_launch.Node)]
    handlers = [item.event_handler for item in found if isinstance(item, fake_launch.RegisterEventHandler)]
    assert all(isinstance(handler.on_exit[0], fake_launch.Shutdown) for handler in handlers)
    assert {given(handler.target_action)[0] for handler in handlers} == ending
    assert {given(node)[0] for node in nodes if node.respawn} == again
