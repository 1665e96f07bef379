"""What the launch files share: a system of ``graph.py`` as a LaunchDescription of launch_ros nodes.

One process per group and the lifecycle manager, as ``autodrive run`` starts them; when a process says DONE or ends, all
end. Importable only where a ROS distribution has ``launch``.
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

_FIELDS = {field.name: field for field in fields(Options)}


def describe(system: str, arguments: Mapping[str, str], **defaults: str) -> LaunchDescription:
    """The launch description of ``system``; ``arguments`` maps names of Options that may be set to what they mean.

    ``defaults`` are those of this system where they are not those of Options.
    """
    declared = [
        DeclareLaunchArgument(name, default_value=defaults.get(name, str(_FIELDS[name].default)), description=text)
        for name, text in arguments.items()
    ]
    end = [
        RegisterEventHandler(OnProcessIO(on_stdout=_end_when_done)),
        RegisterEventHandler(OnProcessExit(on_exit=[Shutdown(reason="a process of the graph ended")])),
    ]
    return LaunchDescription(
        [*declared, *end, OpaqueFunction(function=lambda context: _processes(context, system, tuple(arguments)))]
    )


def _processes(context: LaunchContext, system: str, names: tuple[str, ...]) -> list[LaunchDescriptionEntity]:
    chosen = {name: _parsed(name, LaunchConfiguration(name).perform(context)) for name in names}
    options = Options(system=system, **chosen)
    return [
        Node(
            package="autodrive",
            executable="container",
            arguments=["--group", group, "--options", options.to_json()],
            output="screen",
            additional_env={"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )
        for group in (*build(options).groups, MANAGER)
    ]


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
