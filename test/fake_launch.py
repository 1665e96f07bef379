"""The part of ``launch`` and ``launch_ros`` that our launch files use, for machines without a ROS distribution.

Signatures and behaviour as in launch 3.8 (Kilted): keyword-only where they are, unknown keywords are TypeErrors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any


class LaunchDescriptionEntity:
    pass


class LaunchContext:
    def __init__(self) -> None:
        self.launch_configurations: dict[str, str] = {}


class LaunchDescription(LaunchDescriptionEntity):
    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self.entities = list(initial_entities or [])


class DeclareLaunchArgument(LaunchDescriptionEntity):
    def __init__(self, name: str, *, default_value: str | None = None, description: str | None = None) -> None:
        assert isinstance(default_value, str), "launch takes text only"
        self.name, self.default_value, self.description = name, default_value, description


class OpaqueFunction(LaunchDescriptionEntity):
    def __init__(self, *, function: Callable[[LaunchContext], list[LaunchDescriptionEntity] | None]) -> None:
        self.function = function


class Shutdown(LaunchDescriptionEntity):
    def __init__(self, *, reason: str = "reason not given") -> None:
        self.reason = reason


class RegisterEventHandler(LaunchDescriptionEntity):
    def __init__(self, event_handler: Any) -> None:
        self.event_handler = event_handler


class OnProcessExit:
    def __init__(self, *, target_action: Any = None, on_exit: Any = None) -> None:
        self.target_action, self.on_exit = target_action, on_exit


class OnProcessIO:
    def __init__(self, *, target_action: Any = None, on_stdout: Any = None, on_stderr: Any = None) -> None:
        self.target_action, self.on_stdout, self.on_stderr = target_action, on_stdout, on_stderr


class LaunchConfiguration:
    def __init__(self, variable_name: str) -> None:
        self._name = variable_name

    def perform(self, context: LaunchContext) -> str:
        return context.launch_configurations[self._name]


class Node(LaunchDescriptionEntity):
    def __init__(
        self,
        *,
        executable: str,
        package: str | None = None,
        name: str | None = None,
        arguments: Iterable[str] | None = None,
        output: str = "log",
        additional_env: dict[str, str] | None = None,
        respawn: bool = False,
        respawn_delay: float | None = None,
    ) -> None:
        self.respawn, self.respawn_delay = respawn, respawn_delay
        self.package, self.executable, self.name, self.output = package, executable, name, output
        self.arguments, self.additional_env = list(arguments or []), dict(additional_env or {})


def modules() -> dict[str, ModuleType]:
    """What to put into ``sys.modules``."""
    contents: dict[str, tuple[Any, ...]] = {
        "launch": (LaunchContext, LaunchDescription, LaunchDescriptionEntity),
        "launch.actions": (DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown),
        "launch.event_handlers": (OnProcessExit, OnProcessIO),
        "launch.substitutions": (LaunchConfiguration,),
        "launch_ros": (),
        "launch_ros.actions": (Node,),
    }
    made = {}
    for name, items in contents.items():
        made[name] = ModuleType(name)
        for item in items:
            setattr(made[name], item.__name__, item)
    return made
