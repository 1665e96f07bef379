"""The GPU check where there is no GPU: it says so, its report is whole, and its engines' part is right on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_samples import fake_sample, shipped_rig
from gpu import has_gpu

from autodrive.data.sample import save_sample
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.gpu_check.engines import check_parity, load_all
from autodrive.gpu_check.report import Table, failed, write_report
from autodrive.inference.engine import load_engine
from autodrive_nodes.paths import DEFAULT_ENGINE


@pytest.mark.skipif(has_gpu(), reason="there is a GPU: make gpu-check")
def test_without_a_gpu_nothing_is_claimed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autodrive.gpu_check", "--frames", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no figure is given" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(EnvironmentProblem, match=r"no runtime computes on this GPU.*torch.*tensorrt"):
        load_all(DEFAULT_ENGINE, 1)


def test_two_runtimes_of_one_network_pass_and_another_network_fails(tmp_path: Path) -> None:
    rig = shipped_rig("humanoid")
    for seed in range(2):
        save_sample(tmp_path / rig.name / f"{seed}.npz", fake_sample(rig, seed))
    reference = load_engine(DEFAULT_ENGINE)
    same = check_parity([reference, load_engine(DEFAULT_ENGINE, "torch")], ["Left out: x"], [rig], tmp_path)
    assert same.passed and same.rows[0]["cosine heat"] > 0.99999 and "Left out: x" in same.notes
    int8 = load_engine(DEFAULT_ENGINE.with_name("vision.int8.yaml"))
    assert check_parity([reference, int8], [], [rig], tmp_path).passed is False
    with pytest.raises(InputError, match="make gpu-check"):
        check_parity([reference, int8], [], [rig], tmp_path / "empty")


def test_the_report_has_every_part_also_one_that_broke(tmp_path: Path) -> None:
    good = Table("Good", ({"a": 1.0, "b": "x"}, {"a": 0.999998, "b": "y"}), True, ("A note.",))
    path = write_report(tmp_path, {"card": "none"}, [good, failed("Broken", ValueError("why")), Table("Timed", ())])
    text = path.read_text()
    assert "## Good: PASS" in text and "| 0.999998 | y |" in text and "A note." in text and "- card: none" in text
    assert "## Broken: FAIL" in text and "ValueError: why" in text and "## Timed: measured" in text
    verdicts = [t["verdict"] for t in json.loads((tmp_path / "gpu_report.json").read_text())["tables"]]
    assert verdicts == ["PASS", "FAIL", "measured"]
