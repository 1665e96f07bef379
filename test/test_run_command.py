"""``autodrive run`` and ``autodrive evaluate``: what they start, what they write, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autodrive.errors import EnvironmentProblem
from autodrive.viz import summary, summary_humanoid
from autodrive_nodes import cli, supervisor
from autodrive_nodes.graph import Options, build
from autodrive_nodes.video_bodies import BODIES

RESULT: dict[str, Any] = {
    **{"sim_seconds": 3.0, "frames": 30, "frames_dropped": 0, "state_sha256": "ab" * 32},
    "latency_ms": {"perception": {"p50": 1.0, "p99": 2.0}},
}
DROVE = {
    **{"route_completion": 0.5, "driving_score": 0.5, "infractions": {}},
    "collisions": {"vehicle": 0, "pedestrian": 0, "static": 0},
}
WALKED = {
    **{"instruction": "go to it", "success": True, "why_not": "", "falls": 0, "contacts_with_people": 0},
    **{"contacts_with_objects": 0, "time_s": 2.0, "path_length_m": 1.0, "min_distance_to_people_m": 1.0},
    "grounding": {"instruction": "go to it", "state": "done", "says": "done", "history": []},
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Options of the systems that would have been started; each ends at once with a made-up result."""
    begun: list[Options] = []

    def run_system(options: Options, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        begun.append(options)
        said = {"state": "running", "says": "I go there", "falls": 0, "speed": 0.4, "route_completion": 0.1}
        on_progress({"sim_seconds": 1.0, **said})
        return {**RESULT, **(DROVE if options.system == "car" else WALKED)}

    monkeypatch.setattr(supervisor, "run_system", run_system)
    for module, read in ((summary, "read_drive"), (summary_humanoid, "read_walk")):
        monkeypatch.setattr(module, read, lambda bag: None)  # there is no bag
        monkeypatch.setattr(module, "write_summary", lambda *page: None)
    return begun


def test_the_humanoid_is_told_what_a_task_says(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "humanoid", "--seed", "103", "--task", "bring", "--out", str(tmp_path), "--json"]
    assert cli.main(arguments) == 0
    (options,) = started
    task = json.loads(options.task)
    assert (options.system, options.seed, options.robot, options.duration_s) == ("humanoid", 103, "g1", 180.0)
    assert options.say == task["text"]
    assert task["kind"] == "bring"
    parameters = {node.name: node.parameters for nodes in build(options).groups.values() for node in nodes}
    assert json.loads(parameters["instruction"]["script"])[0][1] == task["text"]
    assert parameters["scorer"]["task"] == options.task
    assert parameters["scorer"]["body"] == parameters["video"]["body"] == "humanoid"
    assert {body.planner for body in BODIES.values()} == {"planning", "walk_planning", None}
    assert BODIES["humanoid"].planner in parameters
    report = json.loads((tmp_path / "report.json").read_text())
    assert json.loads(capsys.readouterr().out) == report
    assert report["task"] == "bring"
    assert report["target"] == task
    assert report["engine"].keys() == {"file", "sha256", "runtime"}


def test_the_humanoid_is_told_anything_and_judges_itself(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "go to the red box, then wait"
    assert cli.main(["run", "humanoid", "--say", said, "--robot", "t1", "--out", str(tmp_path)]) == 0
    (options,) = started
    assert (options.say, options.task, options.robot) == (said, "", "t1")
    assert Path(options.rig).name == "t1.yaml"
    assert "your own words" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--say", " "], "--say is empty"),
        (["--say", "go", "--task", "goto"], "exclude each other"),
        (["--robot", "r2d2"], "r2d2"),
        (["--duration", "nan"], "--duration"),
    ],
)
def test_what_cannot_be_run_is_refused(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert cli.main(["run", "humanoid", "--out", str(tmp_path), *arguments]) == 1
    assert reason in capsys.readouterr().err
    assert not started


def test_the_car_needs_no_words(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert cli.main(["run", "car", "--town", "brook", "--out", str(tmp_path)]) == 0
    assert (started[0].system, started[0].town, started[0].duration_s) == ("car", "brook", 60.0)
    assert "50.0 %" in capsys.readouterr().out


@pytest.mark.parametrize(("body", "words"), [("car", "2 of 2 runs"), ("humanoid", "100%")])
def test_an_evaluation_is_a_run_per_seed(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    assert cli.main(["evaluate", body, "--seeds", "103-104", "--out", str(tmp_path)]) == 0
    assert [options.seed for options in started] == [103, 104]
    assert words in capsys.readouterr().out
    means = json.loads((tmp_path / "evaluation.json").read_text())
    assert means["runs"] == len(means["drives"]) == 2
    assert (tmp_path / "seed_104" / "report.json").exists()


def test_a_run_that_breaks_is_told_and_does_not_end_the_evaluation(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    works = supervisor.run_system

    def run_system(options: Options, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        if options.seed != 104:
            raise EnvironmentProblem("prediction: nobody publishes /localization/kinematic_state")
        return works(options, on_progress)

    monkeypatch.setattr(supervisor, "run_system", run_system)
    assert cli.main(["evaluate", "car", "--seeds", "103-105", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "seed 103: prediction: nobody publishes" in said.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert (found["runs"], list(found["broken"])) == (1, ["103", "105"])
    assert cli.main(["evaluate", "car", "--seeds", "105", "--out", str(tmp_path)]) == 1
    assert "every run broke" in capsys.readouterr().err
