"""When a stage fails under a moving car: one frame is bridged, a lasting fault brakes it and ends the drive."""

from __future__ import annotations

import json
from pathlib import Path

from graph_run import REPOSITORY, Run

from autodrive_nodes.graph import Options

PATHS = f"{REPOSITORY}:{REPOSITORY / 'test'}"


def options(fault: str, out: Path, duration_s: float) -> Options:
    return Options(world="toy_world:ToyWorld", town=fault, seed=1, duration_s=duration_s, out=str(out), record=False)


def test_one_spoilt_frame_is_bridged(tmp_path: Path) -> None:
    with Run(options("gyro hiccup", tmp_path, 3.0), PYTHONPATH=PATHS) as run:
        result = run.result()
    assert result["end"] == "time is over"
    assert result["frames"] == 29
    assert result["frames_dropped"] == 1


def test_a_lasting_fault_brakes_the_car_and_ends_the_drive_with_its_reason(tmp_path: Path) -> None:
    with Run(options("gyro broken", tmp_path, 20.0), PYTHONPATH=PATHS) as run:
        output, errors = run.process.communicate(timeout=120)
    assert run.process.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith("localization: odometry: yaw_rate [rad/s] is nan")
    assert "the car was braked" in errors
    speeds = [json.loads(line)["progress"]["speed"] for line in output.splitlines()]
    assert speeds[0] > 1.0  # after a second
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] == 0.0
