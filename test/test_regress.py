"""Reference recordings: they replay to the byte, a changed constant of the planner is caught, named and drawn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from graph_run import REPOSITORY

from autodrive.data.bags import BagReader
from autodrive.errors import ConfigError, InputError
from autodrive.recording.compare import Change, Comparison
from autodrive.recording.references import find_references, load_tolerances, stages_of
from autodrive.recording.regression_page import Result, lines, page

CONFIG = Path("autodrive") / "planning" / "config.py"


def regress(code: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autodrive_nodes.cli", "regress", "--out", str(out), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    return subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=300)


def count(path: Path) -> dict[str, int]:
    with BagReader(path) as bag:
        return {t.name: t.count for t in bag.topics()}


def test_the_references_of_car_humanoid_and_cameras_hold() -> None:
    done = regress(REPOSITORY, REPOSITORY / "out" / "test_regress")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nmeant so? autodrive regress --update"
    for name in ("brook-3", "humanoid-111", "cameras-101"):
        assert f"{name}: same" in done.stdout


def test_a_reference_says_which_stages_act_on_it(tmp_path: Path) -> None:
    references = REPOSITORY / "test" / "references"
    assert stages_of(references / "cameras-101") == "camera_ingestion,perception"
    assert stages_of(references / "humanoid-111") == ""
    with pytest.raises(InputError, match=r"metadata\.yaml"):
        stages_of(tmp_path)


def test_a_changed_constant_of_the_planner_is_caught_named_drawn_and_taken_only_when_asked(tmp_path: Path) -> None:
    code = tmp_path / "code"
    for name in ("autodrive", "autodrive_nodes", "optimus_nodes", "config", "engines", "test/references"):
        shutil.copytree(REPOSITORY / name, code / name)
    shutil.copy(REPOSITORY / "package.xml", code)
    before = (code / CONFIG).read_text()
    (code / CONFIG).write_text(before.replace("lateral_acceleration: float = ", "lateral_acceleration: float = 0.5 * "))
    assert (code / CONFIG).read_text() != before
    reference = code / "test" / "references" / "brook-3"
    counts = count(reference)
    moved = regress(code, tmp_path / "moved", str(reference))
    assert moved.returncode == 1, moved.stdout + moved.stderr
    assert "/planning/trajectory points[" in moved.stdout and "/localization/" not in moved.stdout
    html = (tmp_path / "moved" / "report.html").read_text()
    assert "1 of 1 references moved" in html and "/planning/trajectory points[" in html
    assert "data:image/png;base64," in html and "http" not in html, "complete in itself"
    updated = regress(code, tmp_path / "updated", "--update", str(reference))
    assert updated.returncode == 0 and "updated" in updated.stdout, updated.stdout + updated.stderr
    assert count(reference) == counts
    again = regress(code, tmp_path / "again", str(reference))
    assert again.returncode == 0 and "same" in again.stdout, again.stdout + again.stderr


def test_the_page_escapes_and_tells_the_greatest_of_each_field() -> None:
    change = Change("/a", "<b>", 2, 10**9, 2 * 10**9, 0.5, 1.0, 1.5, {10**9: 0.1, 2 * 10**9: 0.5})
    text = Change("/a", "name", 1, 10**9, 10**9, float("inf"), "x", "<y>", {10**9: float("inf")})
    found = Comparison({"/a": 3}, {"/gone": 4}, {}, (change, text))
    result = Result("drive", 7, 1.0, found)
    html = page([result, Result("good", 1, 1.0, Comparison({"/a": 3}, {}, {}, ()))], "abc")
    assert "1 of 2 references moved" in html and "&lt;b&gt;" in html and "<b>" not in html and "&lt;y&gt;" in html
    told = "\n".join(lines(result))
    assert "by 0.5 at 2.000 s, first at 1.000 s" in told and "missing" in told and "/gone" in told


@pytest.mark.parametrize("text", ["- a", "a: 1", '"a:b": -1', '"a:b": .nan', '"a:b": true', '"a:b": x', "1: 1", "{"])
def test_tolerances_that_say_nothing_clear_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"t\.yaml"):
        load_tolerances(tmp_path / "t.yaml")


def test_a_folder_without_bags_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds none"):
        find_references([tmp_path])
