"""``container``: one process that hosts the nodes of one group, as rclcpp_components does, or brings a system up."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from autodrive.errors import AutodriveError
from autodrive.transport.ring import remove_stale_segments
from autodrive_nodes.graph import NodeSpec, Options, build
from autodrive_nodes.lifecycle_manager import LifecycleManager
from autodrive_nodes.stage_node import FATAL_PREFIX, StageNode

MANAGER = "manager"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """``group`` and ``options``; what launch_ros adds (``--ros-args ...``) is kept in ``ros_args``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", required=True, help=f"a process group of the system, or {MANAGER!r}")
    parser.add_argument("--options", default="{}", help="JSON of autodrive_nodes.graph.Options")
    args, ros_args = parser.parse_known_args(argv)
    args.ros_args = ros_args
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Host a group until SIGINT or SIGTERM."""
    args = parse_arguments(argv)
    try:
        system = build(Options.from_json(args.options))
        if args.group != MANAGER and args.group not in system.groups:
            raise AutodriveError(f"system {system.name!r} has no group {args.group!r}; it has {list(system.groups)}")
    except AutodriveError as error:
        sys.stderr.write(f"{FATAL_PREFIX}{error}\n")
        return 1
    remove_stale_segments()
    rclpy.init(args=args.ros_args, signal_handler_options=SignalHandlerOptions.ALL)
    if args.group == MANAGER:
        return LifecycleManager(system.order).run()
    nodes = [_create(spec) for spec in system.groups[args.group]]
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        for node in nodes:
            node.shutdown()
        rclpy.try_shutdown()
    return 0


def _create(spec: NodeSpec) -> StageNode:
    module, _, name = spec.factory.partition(":")
    node: StageNode = getattr(importlib.import_module(module), name)(spec.name, spec.parameters)
    return node


if __name__ == "__main__":
    sys.exit(main())
