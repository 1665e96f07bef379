"""summary.png of a humanoid's run: the hall with everybody's ways, speeds, phases and figures, from report and bag."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from autodrive.data.bags import BagReader
from autodrive.geometry import box_corners
from autodrive.report import hertz
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall import Block, Hall
from autodrive.sim.hall_tasks import surface_distance
from autodrive.viz import colors
from autodrive.viz.summary_page import ACCENT, INK, PALE, WARN, latency, numbers, series

ODOMETRY = "/localization/kinematic_state"
TRUTH = "/simulation/ground_truth/kinematic_state"
EVENTS = "/simulation/ground_truth/events"
COMMAND = "/cmd_vel"
TASK = "/optimus/task"

_PAINTS = {
    **{"brown": "#80572e", "blue": "#1f47b3", "red": "#c21a17", "yellow": "#e6c71f", "green": "#218533"},
    **{"white": "#f4f4f0", "grey": "#8a8c90", "orange": "#ed7312", "purple": "#732e94"},
}


@dataclass(frozen=True)
class Walk:
    """Time series of a run: columns are t [s] and the values named."""

    walked: NDArray[np.float64]  # t, x, y, speed (ground truth)
    believed: NDArray[np.float64]  # t, x, y, speed (what the graph knew)
    command: NDArray[np.float64]  # t, vx, vy, yaw rate
    phases: tuple[tuple[float, str], ...]  # since when, what
    objects: tuple[DetectedObject, ...]  # at the end; people and things
    ids: tuple[str, ...]
    paints: tuple[str, ...]
    people: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # t, x, y, distance to the robot
    carried: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # t, x, y of things that moved


def read_walk(bag: Path) -> Walk:
    """Collect what the page shows from a recorded bag."""
    rows: dict[str, list[list[float]]] = {TRUTH: [], ODOMETRY: [], COMMAND: []}
    phases: list[tuple[float, str]] = []
    truths: list[dict[str, Any]] = []
    with BagReader(bag) as reader:
        for item in reader.messages([*rows, TASK, EVENTS]):
            message = item.message
            if item.topic == TASK:
                task = json.loads(message.data)
                if not phases or phases[-1][1] != task["phase"]:
                    phases.append((task["stamp_ns"] / 1e9, task["phase"]))
            elif item.topic == EVENTS:
                truths.append(json.loads(message.data)["truth"])
            else:
                rows[item.topic].append(_row(item.topic, message))
    last = truths[-1] if truths else {"objects": [], "object_ids": [], "colours": []}
    objects = tuple(DetectedObject(ObjectClass(label), *rest) for label, *rest in last["objects"])
    walked, believed, command = (np.array(rows[k], dtype=float).reshape(-1, 4) for k in (TRUTH, ODOMETRY, COMMAND))
    ids, paints = tuple(last["object_ids"]), tuple(last["colours"] or [""] * len(objects))
    ways = _ways(truths, ids)
    people = {k: v for k, v in ways.items() if objects[ids.index(k)].label == ObjectClass.PEDESTRIAN}
    carried = {k: v for k, v in ways.items() if k not in people and np.ptp(v[:, 1:3], axis=0).max() > 0.1}
    return Walk(walked, believed, command, tuple(phases), objects, ids, paints, people, carried)


def _row(topic: str, message: Any) -> list[float]:
    t = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
    if topic == COMMAND:
        return [t, message.twist.linear.x, message.twist.linear.y, message.twist.angular.z]
    position = message.pose.pose.position
    return [t, position.x, position.y, message.twist.twist.linear.x]


def _ways(truths: list[dict[str, Any]], ids: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """t, x, y and the distance from the robot of every object."""
    ways: dict[str, list[list[float]]] = {name: [] for name in ids}
    for truth in truths:
        x, y, _ = truth["ego"]
        for name, (label, *rest) in zip(truth["object_ids"], truth["objects"], strict=True):
            item = DetectedObject(ObjectClass(label), *rest)
            ways[name].append([truth["stamp_ns"] / 1e9, item.x, item.y, surface_distance(item, x, y)])
    return {name: np.array(way).reshape(-1, 4) for name, way in ways.items()}


def write_summary(path: Path, report: Mapping[str, Any], walk: Walk, hall: Hall) -> None:
    """Draw the page; ``report`` is the content of report.json."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    names = list(dict.fromkeys(name for _, name in walk.phases))
    grid = figure.add_gridspec(4, 3, width_ratios=[1.5, 1.1, 0.9], height_ratios=[1, 1, 1, max(1.0, len(names) / 6)])
    _map(figure.add_subplot(grid[:, 0]), walk, hall, report.get("target") or {})
    speed = figure.add_subplot(grid[0, 1])
    series(speed, "speed [m/s]", walk.command[:, 0], np.hypot(walk.command[:, 1], walk.command[:, 2]), PALE, "asked")
    series(speed, "speed [m/s]", walk.walked[:, 0], walk.walked[:, 3], ACCENT, "walked")
    speed.legend(frameon=False, fontsize="small")
    series(figure.add_subplot(grid[1, 1]), "turn asked [rad/s]", walk.command[:, 0], walk.command[:, 3])
    _people(figure.add_subplot(grid[2, 1]), walk)
    _phases(figure.add_subplot(grid[3, 1]), walk, names, float(report["sim_seconds"]))
    numbers(figure.add_subplot(grid[:2, 2]), _figures(report))
    latency(figure.add_subplot(grid[2:, 2]), report["latency_ms"])
    outcome = "success" if report["success"] else f"no success: {report['why_not']}"
    shorten = partial(textwrap.shorten, width=140, placeholder=" ...")
    head = f"autodrive {report['body']} {report['robot']} · seed {report['seed']} · {report['mode']}"
    figure.suptitle(f'{head}\n"{shorten(report["instruction"])}"\n{shorten(outcome)}')
    figure.savefig(path, dpi=90)


def _map(axes: Axes, walk: Walk, hall: Hall, target: Mapping[str, Any]) -> None:
    """x of the map points up, y to the left: the page is high and a hall is long."""
    for wall in hall.walls:
        axes.add_patch(_patch(wall, INK, INK))
    for step in hall.steps:
        axes.add_patch(_patch(step, "#e4e6ea", PALE))
    for name, item, paint in zip(walk.ids, walk.objects, walk.paints, strict=True):
        red, green, blue = (v / 255 for v in colors.OBJECT[item.label])
        axes.add_patch(_patch(item, _PAINTS.get(paint, (red, green, blue, 0.7)), INK))
        if name in (target.get("target"), target.get("place")):
            what = "target" if name == target.get("target") else "place"
            axes.plot(item.y, item.x, "o", ms=26, mfc="none", mec=WARN, mew=2)
            axes.annotate(what, (item.y, item.x), (14, 14), textcoords="offset points", color=WARN, weight="bold")
    for k, way in enumerate(walk.people.values()):
        axes.plot(way[:, 2], way[:, 1], color="#ff8c00", lw=1, label="people" if k == 0 else None)
    for way in walk.carried.values():
        axes.plot(way[:, 2], way[:, 1], color="#6b4f2a", lw=1, ls=":", label="carried")
    axes.plot(walk.believed[:, 2], walk.believed[:, 1], color=WARN, lw=1, ls="--", label="odometry", zorder=3)
    axes.plot(walk.walked[:, 2], walk.walked[:, 1], color=ACCENT, lw=2, label="walked")
    if len(walk.walked):
        axes.plot(*walk.walked[0, 2:0:-1], "o", color=INK, ms=7)
        axes.plot(*walk.walked[-1, 2:0:-1], "s", color=INK, ms=7)
    axes.set_xlim(hall.width / 2 + 0.6, -hall.width / 2 - 0.6)
    axes.set_ylim(-hall.length / 2 - 0.6, hall.length / 2 + 0.6)
    axes.set_aspect("equal", "box")
    axes.set_xlabel("y [m]")
    axes.set_ylabel("x [m]")
    # a distance in text heights: halls differ in length, and so does this map in height
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=3.5, ncols=4, frameon=False)


def _patch(item: DetectedObject | Block, face: Any, edge: Any) -> Polygon:
    corners = box_corners(item.x, item.y, item.yaw, item.length, item.width)
    return Polygon(corners[:, ::-1].tolist(), closed=True, facecolor=face, edgecolor=edge, lw=0.6)


def _people(axes: Axes, walk: Walk) -> None:
    for way in walk.people.values():
        series(axes, "to people [m]", way[:, 0], way[:, 3], "#ff8c00")
    if not walk.people:
        series(axes, "to people [m]", np.zeros(0), np.zeros(0))
    axes.set_ylim(bottom=0)


def _phases(axes: Axes, walk: Walk, names: list[str], end_s: float) -> None:
    """A bar per phase, in the order in which phases first came."""
    ends = [t for t, _ in walk.phases[1:]] + [end_s]
    for (start, name), end in zip(walk.phases, ends, strict=bool(walk.phases)):
        axes.barh(names.index(name), max(end - start, 0.05), left=start, color=ACCENT, height=0.7)
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.invert_yaxis()
    axes.set_xlim(0, max(end_s, 0.1))
    axes.set_xlabel("t [s]")
    axes.grid(visible=True, axis="x", alpha=0.3)


def _figures(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    nearest = report["min_distance_to_people_m"]
    return [
        ("success", "yes" if report["success"] else "no"),
        ("falls", str(report["falls"])),
        ("contacts: people", str(report["contacts_with_people"])),
        ("contacts: objects", str(report["contacts_with_objects"])),
        ("time", f"{report['time_s']:.1f} s"),
        ("path", f"{report['path_length_m']:.1f} m"),
        ("nearest to people", "nobody there" if nearest is None else f"{nearest:.2f} m"),
        ("frames / dropped", f"{report['frames']} / {report['frames_dropped']}"),
        ("wall clock", f"{hertz(report):.1f} Hz"),
        ("engine", report["engine"]["file"]),
    ]
