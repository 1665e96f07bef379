"""The page of the benchmarks: each section is a command that exists, and its JSON becomes a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autodrive_nodes import bench_report
from autodrive_nodes.cli import make_parser

STAGE = {"p50": 54.321, "p99": 70.0}
DRIVE = {"frames": 200, "wall_seconds": 50.0, "latency_ms": {"perception": STAGE}}
RESULTS: dict[tuple[str, str], Any] = {
    ("bench", "preprocess"): {"autodrive": 6.7, "undistort_resize": 67.0, "stored_maps_resize": 13.4},
    ("bench", "transport"): {"ring": {"lost": 0, "latency_p50_ms": 1.0}, "plain": {"lost": 9, "latency_p50_ms": 4.0}},
    ("bench", "record"): {"load": {"images sent": 1600, "lost": 3}, "drive": {"slower by, %, median": 2.5}},
    ("bench", "kill"): {"times killed": 6, "lost at most, s": 0.4},
    ("engine", "bench"): [{"file": "vision.onnx", "runtime": "onnxruntime", "ms": 48.8, "times_torch": 1.3}],
    ("run", "car"): DRIVE,
    ("run", "humanoid"): DRIVE,
}


def test_the_page_has_a_table_of_every_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def result(arguments: Sequence[str]) -> Any:
        asked.append(tuple(arguments))
        return RESULTS[(arguments[0], arguments[1])]

    monkeypatch.setattr(bench_report, "_run", result)
    page = bench_report.write_performance(tmp_path / "performance.md").read_text()
    assert {arguments[:2] for arguments in asked} == RESULTS.keys()
    for row in (
        "| cv2.undistort, resize, normalise | 67.0 | 10.0 |",
        "| latency p50 ms | 1 | 4 |",
        "| load: lost | 3 |",
        "| drive: slower by, %, median | 2.5 |",
        "| lost at most, s | 0.4 |",
        "| frames per second of wall clock | 4.0 Hz |  |",
        "| perception | 54.3 | 70.0 |",
    ):
        assert row in page
    assert str(tmp_path) not in page and "/tmp/" not in page, "commands are to be typed on any machine"
    for arguments in asked:
        assert callable(make_parser().parse_args(arguments).run)
