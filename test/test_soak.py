"""The soak: growth is told from noise, and a run of a few seconds samples every process of the graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autodrive.soak import Sample, trends
from autodrive_nodes import cli


def run_of(values: list[float], what: str = "memory_mib") -> list[Sample]:
    return [Sample(30.0 * k, "vision", {what: value}) for k, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "what", "too_much"),
    [
        ([100.0] * 100, "memory_mib", False),
        ([100.0 + 0.2 * k for k in range(100)], "memory_mib", True),
        ([50.0] * 8 + [100.0] * 92, "memory_mib", False),  # warming up
        ([10.0 + 0.01 * k for k in range(100)], "memory_mib", False),  # under four MiB
        ([20.0 + k // 10 for k in range(100)], "descriptors", True),
        ([40.0 + 0.1 * k for k in range(100)], "cpu_ms", False),  # below a quarter
        ([40.0 + 0.2 * k for k in range(100)], "cpu_ms", True),
        ([10.0 + k for k in range(100)], "p50_ms", False),  # shown, not judged
    ],
)
def test_growth_is_judged_from_the_first_part_to_the_last(values: list[float], what: str, too_much: bool) -> None:
    (trend,) = trends(run_of(values, what))
    assert (trend.process, trend.what, trend.too_much) == ("vision", what, too_much)


def test_a_short_run_samples_every_process_and_writes_table_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["soak", "--hours", "0.005", "--every", "4", "--out", str(tmp_path)])
    document = json.loads((tmp_path / "soak.json").read_text())
    processes = {trend["process"] for trend in document["trends"]}
    assert {"safety", "recording", "vision", "driving", "world", "machine", "perception"} <= processes
    assert all(s["cpu_ms"] > 0 for s in document["samples"] if s["process"] == "vision" and "cpu_ms" in s)
    assert {"vision", "world"} <= {t["process"] for t in document["trends"] if t["what"] == "cpu_ms"}
    assert document["frames_dropped"] == 0
    # ten a second, of which the last is under way: in lockstep that is so however slow the machine is
    assert document["frames"] == pytest.approx(10 * (document["sim_seconds"] - 1), abs=1) and document["frames"] >= 10
    said = capsys.readouterr().out
    assert "descriptors" in said and str(tmp_path) in said
    assert status == int(any(trend["too_much"] for trend in document["trends"]))
    assert (tmp_path / "soak.png").stat().st_size > 10_000 and (tmp_path / "bag" / "metadata.yaml").exists()


def test_few_samples_have_a_first_and_a_last_part_too() -> None:
    (trend,) = trends(run_of([100.0, 101.0, 120.0]))
    assert (trend.first, trend.last) == (101.0, 120.0)
