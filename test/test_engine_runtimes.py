"""Every runtime that works here computes what the float32 network in onnxruntime does, and refuses the same things."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autodrive.data.export import example_inputs
from autodrive.errors import EngineError
from autodrive.inference.engine import AUTO, GPU_RUNTIMES, RUNTIMES, Engine, load_best, load_engine
from autodrive.inference.timing import time_in_turns
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE


@pytest.fixture(scope="module", params=RUNTIMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param not in GPU_RUNTIMES:
        return load_engine(DEFAULT_ENGINE, request.param)
    try:
        return load_engine(DEFAULT_ENGINE, request.param)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reference() -> Engine:
    return load_engine(DEFAULT_ENGINE)


@pytest.mark.parametrize("cameras", [2, 4, 8])
def test_outputs_are_those_of_the_reference_for_any_number_of_cameras(
    engine: Engine, reference: Engine, cameras: int
) -> None:
    inputs = example_inputs(cameras, seed=cameras)
    expected, got = reference.run(inputs), engine.run(inputs)
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype and got[name].shape == value.shape
        np.testing.assert_allclose(got[name], value, atol=2e-3, rtol=2e-3, err_msg=name)


def test_a_run_leaves_no_trace(engine: Engine) -> None:
    first, other = example_inputs(4, seed=1), example_inputs(6, seed=2)
    before = engine.run(first)
    kept = {name: value.copy() for name, value in before.items()}
    engine.run(other)
    again = engine.run(first)
    for name, value in kept.items():
        np.testing.assert_array_equal(before[name], value, err_msg="an output was overwritten by the next run")
        np.testing.assert_array_equal(again[name], value)


def test_wrong_inputs_are_refused(engine: Engine) -> None:
    good = example_inputs(4)
    with pytest.raises(EngineError, match="takes inputs"):
        engine.run({name: value for name, value in good.items() if name != "extent"})
    with pytest.raises(EngineError, match=r"'intrinsics' is float32 \[3, 4\]"):
        engine.run({**good, "intrinsics": good["intrinsics"][:3]})


def test_the_runtime_says_what_it_is(engine: Engine) -> None:
    assert engine.manifest.name == "vision" and engine.runtime.split()[0] in RUNTIMES


def test_no_threads_are_refused_and_a_tampered_file_never_reaches_a_runtime(engine: Engine, tmp_path: Path) -> None:
    runtime = engine.runtime.split()[0]
    with pytest.raises(EngineError, match="threads must be at least 1"):
        load_engine(DEFAULT_ENGINE, runtime, threads=0)
    (tmp_path / "vision.yaml").write_bytes(DEFAULT_ENGINE.read_bytes())
    (tmp_path / "vision.onnx").write_bytes(DEFAULT_ENGINE.with_suffix(".onnx").read_bytes()[:-1])
    with pytest.raises(EngineError, match="corrupted"):
        load_engine(tmp_path / "vision.yaml", runtime)


def test_auto_takes_what_works_and_says_why_not_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("autodrive.inference.cuda_driver.LIBRARY", "libabsent.so.1")
    chosen, reasons = load_best(DEFAULT_ENGINE)
    assert chosen.runtime.startswith("onnxruntime")
    assert load_engine(DEFAULT_ENGINE, AUTO).runtime == chosen.runtime
    assert [reason.split(":")[0] for reason in reasons] == [f"not {runtime}" for runtime in GPU_RUNTIMES]
    assert all("needs an NVIDIA GPU: no NVIDIA driver" in reason for reason in reasons)
    with pytest.raises(EngineError, match="No such file"):
        load_best(tmp_path / "absent.yaml")


def test_runs_are_timed_in_turns_and_the_first_is_not_counted() -> None:
    order: list[str] = []

    class Counting:
        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, inputs) -> dict[str, np.ndarray]:
            order.append(self.name)
            return {}

    ticks = iter(range(100))
    seconds = time_in_turns([Counting("a"), Counting("b")], {}, 2, lambda: float(next(ticks)))
    assert order == ["a", "b"] * 3 and seconds == [[1.0, 1.0], [1.0, 1.0]]


def test_bench_prints_every_runtime_beside_torch(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autodrive.inference.cuda_driver.LIBRARY", "libabsent.so.1")
    assert main(["engine", "bench", "--rounds", "1", "--cameras", "2", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["runtime"].split()[0] for row in rows] == ["torch", "onnxruntime"]
    assert rows[0]["times_torch"] == 1.0 and all(row["ms"] > 0 for row in rows)
    assert "left out: tensorrt needs" in captured.err
    assert main(["engine", "bench", "--cameras", "1"]) == 1
