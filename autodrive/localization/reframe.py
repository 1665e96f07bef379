"""Moves forecasts and plans between two map frames that differ by a planar transform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autodrive.geometry import Pose2
from autodrive.scene import Forecast, ForecastMode, Trajectory


def reframe_forecast(forecast: Forecast, to_from: Pose2) -> Forecast:
    """The same forecast seen in another frame; ``to_from`` is the pose of the present frame in the wanted one."""
    track = forecast.track
    pose = to_from @ Pose2(track.x, track.y, track.yaw)
    vx, vy = to_from.rotate(np.array([track.vx, track.vy]))
    moved = replace(track, x=pose.x, y=pose.y, yaw=pose.yaw, vx=float(vx), vy=float(vy))
    modes = tuple(
        ForecastMode(m.probability, np.column_stack([to_from.apply(m.poses[:, :2]), m.poses[:, 2] + to_from.yaw]))
        for m in forecast.modes
    )
    return Forecast(moved, forecast.dt, modes)


def reframe_trajectory(trajectory: Trajectory, to_from: Pose2) -> Trajectory:
    """The same plan seen in another frame."""
    x, y = to_from.apply(np.stack([trajectory.x, trajectory.y], axis=1)).T
    return replace(trajectory, x=x, y=y, yaw=trajectory.yaw + to_from.yaw)
