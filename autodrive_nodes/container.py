"""``container``: one process that hosts the nodes of one group, as rclcpp_components does, or brings a system up."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from autodrive.errors import AutodriveError
from autodrive.transport.ring import remove_stale_segments
from autodrive_nodes.graph import RECORDING, NodeSpec, Options, System, build, parameter_files
from autodrive_nodes.lifecycle_manager import LifecycleManager
from autodrive_nodes.restarts import forgiving
from autodrive_nodes.stage_node import FATAL_PREFIX, StageNode

MANAGER = "manager"
ALIVE = "ALIVE"  # a line of a process that is supervised, once a second
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IDLE_S = 0.3
_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8
_ARENAS = 2  # the main thread's, and one for all others; threads that imports start have theirs before


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """``group``, ``options`` and ``parent``; what launch_ros adds (``--ros-args ...``) is kept in ``ros_args``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", required=True, help=f"a process group of the system, or {MANAGER!r}")
    parser.add_argument("--options", default="{}", help="JSON of autodrive_nodes.graph.Options")
    parser.add_argument("--parent", type=int, help="process id of the supervisor: end when it is gone")
    args, ros_args = parser.parse_known_args(argv)
    args.ros_args = ros_args
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Host a group until SIGINT or SIGTERM."""
    args = parse_arguments(argv)
    if args.parent is not None:
        die_with(args.parent)
    if args.group == RECORDING:
        limit_arenas()
    try:
        options = Options.from_json(args.options)
        system, files = build(options), parameter_files(options)
        if args.group != MANAGER and args.group not in system.groups:
            raise AutodriveError(f"system {system.name!r} has no group {args.group!r}; it has {list(system.groups)}")
    except AutodriveError as error:
        sys.stderr.write(f"{FATAL_PREFIX}{error}\n")
        return 1
    remove_stale_segments()
    # every thread inherits the mask: signals reach only the one that waits for them, between two callbacks
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    parameters = [word for path in files for word in ("--params-file", str(path))]
    remappings = [
        word
        for node in system.groups.get(args.group, ())
        for name, other in node.remappings
        for word in ("-r", f"{node.name}:{name}:={other}")
    ]
    ros_args = ["--ros-args", *parameters, *remappings, "--", *args.ros_args]
    rclpy.init(args=ros_args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        supervised = args.parent is not None
        if args.group == MANAGER:
            return _manage(system, supervised, forgiving(options))
        return _host(system.groups[args.group], args.group == RECORDING, supervised)
    except AutodriveError as error:
        sys.stderr.write(f"{FATAL_PREFIX}{error}\n")
        return 1
    finally:
        rclpy.try_shutdown()


class Spinner:
    """Runs callbacks of nodes one after the other, in the order of arrival, until a signal comes.

    One that is ``supervised`` says once a second that it is alive.
    """

    def __init__(self, nodes: Sequence[Any], supervised: bool) -> None:
        self._supervised, self._alive_s = supervised, 0.0
        self._executor = make_executor()
        for node in nodes:
            self._executor.add_node(node)
        self._stop = threading.Event()
        threading.Thread(target=self._wait_for_signal, daemon=True).start()

    def spin_once(self, timeout_s: float = 1.0) -> bool:
        """Run what is ready; False when the process was told to end."""
        self._executor.spin_once(timeout_sec=timeout_s)
        if self._supervised and time.monotonic() - self._alive_s >= 1.0:
            self._alive_s = time.monotonic()
            sys.stdout.write(ALIVE + "\n")
            sys.stdout.flush()
        return not self._stop.is_set()

    def _wait_for_signal(self) -> None:
        signal.sigwait(_SIGNALS)
        self._stop.set()
        self._executor.wake()


def make_executor() -> Any:
    """The events executor costs a quarter of the wait-set one per message; ROS 2 before Jazzy has none."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def _host(specs: Sequence[NodeSpec], drain: bool, supervised: bool) -> int:
    nodes = [_create(spec) for spec in specs]
    spinner = Spinner(nodes, supervised)
    while spinner.spin_once():
        pass
    while drain and _handles_more(spinner, nodes):
        pass
    for node in nodes:
        node.shutdown()
    return 0


def _handles_more(spinner: Spinner, nodes: Sequence[StageNode]) -> bool:
    """Whether messages still wait: a listener that was slow must not lose the end of a drive."""
    before = sum(node.handled for node in nodes)
    spinner.spin_once(_IDLE_S)
    return sum(node.handled for node in nodes) > before


def _manage(system: System, supervised: bool, revive: bool) -> int:
    manager = LifecycleManager(system.order)
    return manager.run(Spinner([manager], supervised).spin_once, revive=revive)


def _create(spec: NodeSpec) -> StageNode:
    module, _, name = spec.factory.partition(":")
    node: StageNode = getattr(importlib.import_module(module), name)(spec.name, spec.parameters)
    return node


def limit_arenas() -> None:
    """Have threads that come and go, as those that write moments, allocate where the ones before them did.

    glibc makes eight arenas for each core, gives them to threads in turns, and keeps in each what was freed there: some
    4 MiB of every moment, until all arenas have had one.
    """
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def die_with(parent: int) -> None:
    """Linux kills this process when the thread that started it ends, so that a killed supervisor leaves no orphan."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
