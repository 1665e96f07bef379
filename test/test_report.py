"""Reports: nothing the scorer must say may be missing, tables and means say what the reports say."""

from __future__ import annotations

import pytest

from autodrive.report import build_report, drive_table, runs_table, summarise


def report(seed: int, completion: float, vehicle: int) -> dict:
    result = {
        "route_completion": completion,
        "driving_score": completion * 0.6**vehicle,
        "collisions": {"vehicle": vehicle, "pedestrian": 0, "static": 0},
        "infractions": {"off_road_s": 0.5},
        "sim_seconds": 60.0,
        "frames": 600,
        "frames_dropped": 0,
        "latency_ms": {"perception": {"p50": 40.0, "p99": 70.0}},
        "state_sha256": "ab" * 32,
        "min_ttc_s": 2.5,
    }
    engine = {"file": "vision.onnx", "sha256": "cd" * 32, "runtime": "onnxruntime"}
    return build_report(
        body="car", seed=seed, town="summit", mode="lockstep", wall_seconds=100.0, engine=engine, result=result
    )


def test_report_keeps_all_the_scorer_said() -> None:
    assert report(1, 1.0, 0)["min_ttc_s"] == 2.5


def test_missing_result_is_an_error() -> None:
    with pytest.raises(KeyError, match="driving_score"):
        build_report(
            body="car", seed=1, town="t", mode="lockstep", wall_seconds=1.0, engine={}, result={"route_completion": 1.0}
        )


def test_summary_counts_runs_free_of_collisions() -> None:
    total = summarise([report(1, 1.0, 0), report(2, 0.5, 2), report(3, 0.9, 0)])
    assert total["runs_without_collision"] == 2
    assert total["collisions"]["vehicle"] == 2
    assert total["route_completion"] == pytest.approx(0.8)


def test_tables_show_the_figures() -> None:
    assert "100.0 %" in drive_table(report(1, 1.0, 0))
    assert "2 of 3 runs" in runs_table([report(1, 1.0, 0), report(2, 0.5, 2), report(3, 0.9, 0)])
