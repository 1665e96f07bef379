"""What the launch files share: a system of ``graph.py`` as a LaunchDescription of launch_ros nodes.

One process per group and the lifecycle manager, as ``autodrive run`` starts them; when a process says DONE, all
end, and also when one ends that is not started again (autodrive_nodes/supervisor.py says which and why). Importable
only where a ROS distribution has ``launch``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from autodrive.errors import ConfigError
from autodrive_nodes.container import MANAGER
from autodrive_nodes.graph import Options, build
from autodrive_nodes.restarts import FIRST_DELAY_S, ends_the_run, starts_again

_FIELDS = {field.name: field for field in fields(Options)}


def describe(system: str, arguments: Mapping[str, str], **defaults: str) -> LaunchDescription:
    """The launch description of ``system``; ``arguments`` maps names of Options that may be set to what they mean.

    ``defaults`` are those of this system where they are not those of Options.
    """
    declared = [
        DeclareLaunchArgument(name, default_value=defaults.get(name, str(_FIELDS[name].default)), description=text)
        for name, text in arguments.items()
    ]
    end = RegisterEventHandler(OnProcessIO(on_stdout=_end_when_done))
    return LaunchDescription(
        [*declared, end, OpaqueFunction(function=lambda context: _processes(context, system, tuple(arguments)))]
    )


def _processes(context: LaunchContext, system: str, names: tuple[str, ...]) -> list[LaunchDescriptionEntity]:
    chosen = {name: _parsed(name, LaunchConfiguration(name).perform(context)) for name in names}
    options = Options(system=system, **chosen)
    nodes = {group: _process(options, group) for group in (*build(options).groups, MANAGER)}
    over = [Shutdown(reason="a process of the graph ended")]
    ends = [
        RegisterEventHandler(OnProcessExit(target_action=node, on_exit=over))
        for group, node in nodes.items()
        if ends_the_run(options, group)
    ]
    return [*ends, *nodes.values()]


def _process(options: Options, group: str) -> Node:
    return Node(
        package="autodrive",
        executable="container",
        arguments=["--group", group, "--options", options.to_json()],
        output="screen",
        additional_env={"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        respawn=starts_again(options, group),
        respawn_delay=FIRST_DELAY_S,
    )


def _parsed(name: str, text: str) -> Any:
    kind: Any = type(_FIELDS[name].default)
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(f"launch argument {name}:={text} must be of type {kind.__name__}") from error


def _end_when_done(event: Any) -> list[LaunchDescriptionEntity] | None:
    if any(line.startswith("DONE ") for line in event.text.decode(errors="replace").splitlines()):
        return [Shutdown(reason="the run is over")]
    return None
