"""Engines are timed in turns, each alike, and what cannot run is named instead of left out."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from autodrive.errors import EngineError
from autodrive.inference.manifest import Manifest, load_manifest
from autodrive.inference.timing import time_in_turns
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE


class Sleeper:
    """Takes a stated time, and longer when it runs for the first time; notes when it ran."""

    def __init__(self, name: str, seconds: float, order: list[str], manifest: Manifest) -> None:
        self.runtime, self.manifest = name, manifest
        self._seconds, self._order = seconds, order

    def run(self, inputs):
        first = self.runtime not in self._order
        self._order.append(self.runtime)
        time.sleep(self._seconds + 0.2 * first)
        return dict(inputs)


def test_engines_take_turns_and_the_first_run_does_not_count() -> None:
    order: list[str] = []
    manifest = load_manifest(DEFAULT_ENGINE)
    slow, fast = Sleeper("slow", 0.04, order, manifest), Sleeper("fast", 0.01, order, manifest)
    timings = time_in_turns([slow, fast], {}, 3)
    assert order == ["slow", "fast"] * 4
    assert [timing.runtime for timing in timings] == ["slow", "fast"]
    assert timings[0].wall_ms > timings[1].wall_ms and timings[0].wall_ms < 200
    assert all(timing.cpu_ms < timing.wall_ms for timing in timings), "who sleeps uses no CPU"


def test_nothing_to_time_is_an_error() -> None:
    with pytest.raises(EngineError, match="nothing to time"):
        time_in_turns([], {}, 3)


def test_the_command_times_what_can_run_and_names_what_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.yaml"
    common = ["engine", "bench", str(DEFAULT_ENGINE), str(absent), "--rounds", "1", "--runtime", "onnxruntime"]
    assert main([*common, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (timing,) = result["timings"]
    assert timing["file"] == "vision.onnx" and timing["wall_ms"] > 0 and "absent.yaml" in result["refused"][0]
    assert main(common) == 0
    said = capsys.readouterr().out
    assert "1.00x" in said and "not timed: absent.yaml in onnxruntime" in said


@pytest.mark.parametrize("arguments", [["--cameras", "1"], ["--rounds", "0"]])
def test_what_cannot_be_timed_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "bench", str(DEFAULT_ENGINE), "--runtime", "onnxruntime", *arguments]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_when_nothing_can_run_that_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "bench", str(tmp_path / "absent.yaml"), "--runtime", "onnxruntime"]) == 1
    assert "no network can run here" in capsys.readouterr().err
