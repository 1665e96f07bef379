"""Reports: nothing the scorer must say may be missing, tables and means say what the reports say."""

from __future__ import annotations

from typing import Any

import pytest

from autodrive import report_car, report_humanoid
from autodrive.report import build_report

ENGINE = {"file": "vision.onnx", "sha256": "cd" * 32, "runtime": "onnxruntime"}
COMMON = {
    "sim_seconds": 60.0,
    "frames": 600,
    "frames_dropped": 0,
    "latency_ms": {"perception": {"p50": 40.0, "p99": 70.0}},
    "state_sha256": "ab" * 32,
}
KNOWN = {"mode": "lockstep", "wall_seconds": 100.0, "engine": ENGINE}


def drive(seed: int, completion: float, vehicle: int) -> dict[str, Any]:
    result = {
        **COMMON,
        "route_completion": completion,
        "driving_score": completion * 0.6**vehicle,
        "collisions": {"vehicle": vehicle, "pedestrian": 0, "static": 0},
        "infractions": {"off_road_s": 0.5},
        "min_ttc_s": 2.5,
    }
    return build_report(
        body="car", seed=seed, town="summit", result=result, required=report_car.REQUIRED, **KNOWN
    )  # fmt: skip


def walk(seed: int, success: bool, falls: int = 0) -> dict[str, Any]:
    result = {
        **COMMON,
        "instruction": "go to the red box",
        "success": success,
        "why_not": "" if success else "the robot lies on the ground",
        "falls": falls,
        "contacts_with_people": 0,
        "contacts_with_objects": 2,
        "time_s": 20.0,
        "path_length_m": 4.0,
        "min_distance_to_people_m": None if success else 0.8,
        "grounding": {"state": "done", "says": "done", "history": []},
    }
    where = {"robot": "g1", "hall": "12 m x 9 m", "task": "goto"}
    return build_report(
        body="humanoid", seed=seed, result=result, required=report_humanoid.REQUIRED, **where, **KNOWN
    )  # fmt: skip


def test_report_keeps_all_the_scorer_said_and_where_it_was() -> None:
    assert drive(1, 1.0, 0)["min_ttc_s"] == 2.5
    assert drive(1, 1.0, 0)["town"] == "summit"
    assert walk(1, True)["why_not"] == ""
    assert list(walk(1, True))[:5] == ["body", "seed", "robot", "hall", "task"]


@pytest.mark.parametrize("module", [report_car, report_humanoid])
def test_missing_result_is_an_error(module: Any) -> None:
    for missing in (module.REQUIRED[1], "frames"):
        result = dict.fromkeys((*module.REQUIRED, *COMMON), 0)
        del result[missing]
        with pytest.raises(KeyError, match=missing):
            build_report(body="any", seed=1, result=result, required=module.REQUIRED, **KNOWN)


def test_summary_of_drives_counts_runs_free_of_collisions() -> None:
    total = report_car.summarise([drive(1, 1.0, 0), drive(2, 0.5, 2), drive(3, 0.9, 0)])
    assert total["runs_without_collision"] == 2
    assert total["collisions"]["vehicle"] == 2
    assert total["route_completion"] == pytest.approx(0.8)


def test_summary_of_walks_has_the_rate_of_success_and_sums() -> None:
    total = report_humanoid.summarise([walk(1, True), walk(2, False, falls=1), walk(3, True), walk(4, True)])
    assert (total["success_rate"], total["successes"], total["falls"]) == (0.75, 3, 1)
    assert (total["contacts_with_people"], total["contacts_with_objects"]) == (0, 8)


def test_tables_show_the_figures() -> None:
    assert "100.0 %" in report_car.drive_table(drive(1, 1.0, 0))
    assert "2 of 3 runs" in report_car.runs_table([drive(1, 1.0, 0), drive(2, 0.5, 2), drive(3, 0.9, 0)])
    table = report_humanoid.humanoid_table(walk(1, False))
    assert "no (the robot lies on the ground)" in table
    assert "0.80 m" in table
    assert "perception" in table
    runs = report_humanoid.runs_table([walk(1, True), walk(2, False, falls=1)])
    assert "50%" in runs
    assert "go to the red box (the robot lies on the ground)" in runs
