"""Engines are timed in turns, each alike, on a clock that is given; the command prints ratios to eager torch."""

from __future__ import annotations

import json

import pytest

from autodrive.inference.manifest import load_manifest
from autodrive.inference.timing import time_in_turns
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE


class Ticking:
    """An engine that moves a clock on by a stated time, by more in its first run; notes when it ran."""

    manifest = load_manifest(DEFAULT_ENGINE)

    def __init__(self, name: str, seconds: float, now: list[float], order: list[str]) -> None:
        self.runtime, self._seconds, self._now, self._order = name, seconds, now, order

    def run(self, inputs):
        self._now[0] += self._seconds + 100.0 * (self.runtime not in self._order)
        self._order.append(self.runtime)
        return dict(inputs)


def test_engines_take_turns_and_the_first_run_does_not_count() -> None:
    now, order = [0.0], []
    engines = [Ticking("slow", 4.0, now, order), Ticking("fast", 1.0, now, order)]
    assert time_in_turns(engines, {}, 3, lambda: now[0]) == [[4.0] * 3, [1.0] * 3]
    assert order == ["slow", "fast"] * 4


def test_the_command_puts_int8_and_float32_beside_torch(capsys: pytest.CaptureFixture[str]) -> None:
    beside = DEFAULT_ENGINE.with_name("vision.int8.yaml")
    assert main(["engine", "bench", "--beside", str(beside), "--rounds", "1", "--cameras", "4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in rows][-1] == "vision.int8.onnx"
    assert rows[0]["runtime"].startswith("torch") and rows[0]["times_torch"] == 1.0
    assert all(row["ms"] > 0 for row in rows)


@pytest.mark.parametrize("arguments", [["--cameras", "1"], ["--rounds", "0"]])
def test_what_cannot_be_timed_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "bench", *arguments]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
