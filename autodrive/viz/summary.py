"""summary.png: one page that says how a drive went, made from its report and its bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from autodrive.data.bags import BagReader
from autodrive.report import hertz
from autodrive.viz.summary_page import ACCENT, INK, PALE, WARN, latency, numbers, series

ODOMETRY = "/localization/kinematic_state"
TRUTH = "/simulation/ground_truth/kinematic_state"
ROUTE = "/planning/mission_planning/route"
TRACKS = "/perception/object_recognition/tracking/objects"
COMMAND = "/control/command/control_cmd"


@dataclass(frozen=True)
class Drive:
    """Time series of a drive: columns are t [s] and the values named."""

    route: NDArray[np.float64]  # x, y
    driven: NDArray[np.float64]  # t, x, y, speed (ground truth)
    believed: NDArray[np.float64]  # t, x, y, speed (what the graph knew)
    command: NDArray[np.float64]  # t, acceleration, steering
    tracks: NDArray[np.float64]  # t, count


def read_drive(bag: Path) -> Drive:
    """Collect what the page shows from a recorded bag."""
    rows: dict[str, list[list[float]]] = {ROUTE: [], TRUTH: [], ODOMETRY: [], COMMAND: [], TRACKS: []}
    with BagReader(bag) as reader:
        for item in reader.messages(rows):
            message = item.message
            if item.topic == ROUTE:
                rows[ROUTE] = [[p.pose.position.x, p.pose.position.y] for p in message.poses]
                continue
            stamp = message.stamp if item.topic == COMMAND else message.header.stamp
            t = stamp.sec + stamp.nanosec * 1e-9
            if item.topic in (TRUTH, ODOMETRY):
                position = message.pose.pose.position
                rows[item.topic].append([t, position.x, position.y, message.twist.twist.linear.x])
            elif item.topic == COMMAND:
                rows[COMMAND].append(
                    [t, message.longitudinal.acceleration, np.degrees(message.lateral.steering_tire_angle)]
                )
            else:
                rows[TRACKS].append([t, float(len(message.objects))])
    return Drive(
        *(
            np.array(rows[k], dtype=float).reshape(-1, n)
            for k, n in ((ROUTE, 2), (TRUTH, 4), (ODOMETRY, 4), (COMMAND, 3), (TRACKS, 2))
        )
    )


def write_summary(path: Path, report: Mapping[str, Any], drive: Drive) -> None:
    """Draw the page; ``report`` is the content of report.json."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    grid = figure.add_gridspec(4, 3, width_ratios=[1.5, 1.1, 0.9])
    _map(figure.add_subplot(grid[:, 0]), drive)
    series(figure.add_subplot(grid[0, 1]), "speed [km/h]", drive.driven[:, 0], drive.driven[:, 3] * 3.6)
    series(figure.add_subplot(grid[1, 1]), "acceleration [m/s²]", drive.command[:, 0], drive.command[:, 1])
    series(figure.add_subplot(grid[2, 1]), "road-wheel angle [deg]", drive.command[:, 0], drive.command[:, 2])
    series(figure.add_subplot(grid[3, 1]), "objects tracked", drive.tracks[:, 0], drive.tracks[:, 1])
    numbers(figure.add_subplot(grid[:2, 2]), _figures(report))
    latency(figure.add_subplot(grid[2:, 2]), report["latency_ms"])
    figure.suptitle(f"autodrive {report['body']} · town {report['town']} · seed {report['seed']} · {report['mode']}")
    figure.savefig(path, dpi=90)


def _map(axes: Axes, drive: Drive) -> None:
    axes.plot(*drive.route.T, color=PALE, lw=6, alpha=0.5, solid_capstyle="round", label="route")
    axes.plot(drive.believed[:, 1], drive.believed[:, 2], color=WARN, lw=1, ls="--", label="odometry")
    axes.plot(drive.driven[:, 1], drive.driven[:, 2], color=ACCENT, lw=2, label="driven")
    if len(drive.route):
        axes.plot(*drive.route[0], "o", color=INK, ms=7)
        axes.plot(*drive.route[-1], "s", color=INK, ms=7)
    axes.set_aspect("equal", "datalim")
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    axes.legend(loc="best", frameon=False)


def _figures(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    collisions = report["collisions"]
    return [
        ("route completion", f"{report['route_completion'] * 100:.1f} %"),
        ("driving score", f"{report['driving_score']:.3f}"),
        *((f"collisions: {kind}", str(count)) for kind, count in collisions.items()),
        ("simulated", f"{report['sim_seconds']:.1f} s"),
        ("frames / dropped", f"{report['frames']} / {report['frames_dropped']}"),
        ("wall clock", f"{hertz(report):.1f} Hz"),
        ("engine", report["engine"]["file"]),
    ]
