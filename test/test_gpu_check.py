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
from autodrive.gpu_check import memory
from autodrive.gpu_check.engines import Loaded, check_parity, load_all
from autodrive.gpu_check.frames import ensure_frames
from autodrive.gpu_check.report import Table, failed, write_report
from autodrive.inference.cuda_driver import Device
from autodrive.inference.engine import load_engine
from autodrive_nodes.paths import DEFAULT_ENGINE


@pytest.mark.skipif(has_gpu(), reason="there is a GPU: make gpu-check")
def test_without_a_gpu_nothing_is_claimed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autodrive.gpu_check", "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no figure is given" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(
        EnvironmentProblem,
        match=r"no runtime computes on this GPU.*torch.*tensorrt is not installed.*tensorrt_rtx is for .* has 9\.0",
    ):
        load_all(DEFAULT_ENGINE, Device("none", "9.0"), 1, tmp_path)


def test_two_runtimes_of_one_network_pass_and_another_network_fails(tmp_path: Path) -> None:
    rig = shipped_rig("humanoid")
    for seed in range(2):
        save_sample(tmp_path / rig.name / f"{seed}.npz", fake_sample(rig, seed))
    reference = load_engine(DEFAULT_ENGINE)
    torch = load_engine(DEFAULT_ENGINE, "torch")
    same = check_parity(Loaded((reference, torch), ("Left out: x",)), [rig], tmp_path)
    assert same.passed and same.rows[0]["cosine heat"] > 0.99999 and "Left out: x" in same.notes
    int8 = load_engine(DEFAULT_ENGINE.with_name("vision.int8.yaml"))
    assert check_parity(Loaded((reference, int8)), [rig], tmp_path).passed is False
    broken = check_parity(Loaded((reference, torch), broken=("Broken: y",)), [rig], tmp_path)
    assert broken.passed is False and "Broken: y" in broken.notes
    with pytest.raises(InputError, match="holds no frames"):
        check_parity(Loaded((reference, int8)), [rig], tmp_path / "empty")


def test_the_report_has_every_part_also_one_that_broke(tmp_path: Path) -> None:
    good = Table("Good", ({"a": 1.0, "b": "x"}, {"a": 0.999998, "b": "y"}), True, ("A note.",))
    path = write_report(
        tmp_path,
        {"card": "none"},
        [good, failed("Broken", ValueError("why")), Table("Timed", ({"us": 1.0},)), Table("Absent", ())],
    )
    text = path.read_text()
    assert "## Good: PASS" in text and "| 0.999998 | y |" in text and "A note." in text and "- card: none" in text
    assert (
        "## Broken: FAIL" in text
        and "ValueError: why" in text
        and "## Timed: measured" in text
        and "## Absent: not done" in text
    )
    verdicts = [t["verdict"] for t in json.loads((tmp_path / "gpu_report.json").read_text())["tables"]]
    assert verdicts == ["PASS", "FAIL", "measured", "not done"]


@pytest.mark.parametrize(("status", "passed"), [(0, True), (9, False)])
def test_what_the_memory_checker_says_decides(
    status: int, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.check_memory(Path("rig"), Path("source")).verdict() == "not done"
    tool = tmp_path / memory.TOOL
    tool.write_text(f"#!/bin/sh\necho '========= ERROR SUMMARY: '\"$*\"\nexit {status}\n")
    tool.chmod(0o755)
    table = memory.check_memory(Path("rig"), Path("source"))
    assert table.passed is passed
    assert "ERROR SUMMARY: --tool memcheck" in table.rows[0]["what"] and "memory rig source" in table.rows[0]["what"]


def test_frames_that_are_there_are_kept(tmp_path: Path) -> None:
    rig = shipped_rig("humanoid")
    save_sample(tmp_path / rig.name / "0.npz", fake_sample(rig, 0))
    assert ensure_frames(tmp_path, (rig.name,)) == tmp_path
    assert [file.name for file in (tmp_path / rig.name).iterdir()] == ["0.npz"]
