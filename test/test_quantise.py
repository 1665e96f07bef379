"""The int8 network is the shipped one but for rounding, in both schemes; commands make it, sign it and judge it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_samples import ROOT, fake_sample, shipped_rig
from onnx import numpy_helper

from autodrive.data.calibration import calibration_inputs, spread
from autodrive.data.compare_engines import cosine_similarity
from autodrive.data.sample import save_sample
from autodrive.errors import EngineError, InputError
from autodrive.inference.engine import Engine, load_engine
from autodrive.inference.manifest import load_manifest
from autodrive.inference.quantise import quantise, quantised_convolutions
from autodrive_nodes.cli import main

SHIPPED = ROOT / "engines" / "vision.yaml"
RIG = shipped_rig("humanoid")
QUANTISE = ["engine", "quantise", "--frames", "1", "--data"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a few drawn samples of both rigs, for calibration and for validation."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("car", "humanoid"):
        for kind, seeds in (("train", range(2)), ("val", range(10, 20))):
            (folder / f"{name}_{kind}").mkdir()
            for seed in seeds:
                sample = fake_sample(shipped_rig(name), seed)
                save_sample(folder / f"{name}_{kind}" / f"sample_{seed:06d}.npz", sample)
    return folder


@pytest.fixture(scope="module")
def reference() -> Engine:
    return load_engine(SHIPPED, threads=2)


def frames(engine: Engine, data: Path, count: int = 1) -> Iterator[dict[str, np.ndarray]]:
    return calibration_inputs(engine.run, [(data / "humanoid_train", RIG)], count)


@pytest.fixture(scope="module")
def symmetric(reference: Engine, data: Path) -> onnx.ModelProto:
    """The shipped network quantised for TensorRT."""
    file = SHIPPED.with_name(reference.manifest.file)
    return onnx.load_from_string(quantise(file.read_bytes(), frames(reference, data), "tensorrt"))


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of the shipped network quantised for onnxruntime by the command."""
    out = tmp_path_factory.mktemp("int8")
    assert main([*QUANTISE, str(data), "--out", str(out), "--points", "10"]) == 0  # drawn frames are strange to it
    return out / "vision.int8.yaml"


def test_only_convolutions_between_images_and_heads_are_quantised(symmetric: onnx.ModelProto) -> None:
    plain = onnx.load(SHIPPED.with_suffix(".onnx"))
    chosen = set(quantised_convolutions(plain))
    weights = {node.input[1] for node in plain.graph.node if node.name in chosen}
    assert {"network.backbone.stem.0.weight", "network.birds_eye.enter.0.weight"} <= weights
    assert not {name for name in weights if "token_embed" in name or "query" in name}, "geometry stays exact"
    assert not weights & {f"network.heads.{head}.1.weight" for head in ("heat", "box", "ground")}
    makers = {name: node for node in symmetric.graph.node for name in node.output}
    from_bytes = [
        node
        for node in symmetric.graph.node
        if node.op_type == "Conv" and makers.get(node.input[1]) and makers[node.input[1]].op_type == "DequantizeLinear"
    ]
    assert len(from_bytes) == len(chosen) > 20


def test_for_tensorrt_no_zero_point_is_other_than_zero_and_no_bias_an_integer(symmetric: onnx.ModelProto) -> None:
    values = {item.name: numpy_helper.to_array(item) for item in symmetric.graph.initializer}
    nodes = [node for node in symmetric.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(nodes) > 40
    for node in nodes:
        zero = values[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any(), node.name


def test_the_command_makes_a_signed_network_that_sees_alike(made: Path, reference: Engine, data: Path) -> None:
    candidate = load_engine(made)
    described = candidate.manifest.training["quantisation"]
    assert described["from_sha256"] == reference.manifest.sha256
    scores = candidate.manifest.metrics["humanoid"]
    assert scores["frames"] == 10 and max(scores["float32"]["map_percent"].values()) > 1
    assert scores["int8"] != scores["float32"] and abs(scores["ap_points_lost"]) < 10
    sizes = [path.stat().st_size for path in (made.with_suffix(".onnx"), SHIPPED.with_suffix(".onnx"))]
    assert sizes[0] < 0.6 * sizes[1]
    for inputs in calibration_inputs(reference.run, [(data / "car_val", shipped_rig("car"))], 2):
        stated, found = reference.run(inputs), candidate.run(inputs)
        for name in stated:
            assert 0.9 < cosine_similarity(stated[name], found[name]) < 1.0, name


def test_an_int8_network_whose_price_is_unknown_is_not_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUANTISE, str(data), "--out", str(tmp_path), "--score-frames", "1"]) == 1
    assert "not written: int8 loses nan" in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_frames_or_by_an_unknown_scheme_nothing_is_quantised(reference: Engine, data: Path) -> None:
    network = SHIPPED.with_suffix(".onnx").read_bytes()
    with pytest.raises(InputError, match="guesses"):
        quantise(network, [], "onnxruntime")
    with pytest.raises(EngineError, match="int4"):
        quantise(network, frames(reference, data), "int4")
    with pytest.raises(InputError, match="holds no samples"):
        next(calibration_inputs(reference.run, [(data / "boat_train", RIG)], 1))
    with pytest.raises(InputError, match="at least one"):
        spread([], 0)


def test_the_shipped_int8_network_is_made_from_the_shipped_float32_one(reference: Engine) -> None:
    shipped = load_engine(SHIPPED.with_name("vision.int8.yaml")).manifest
    origin = shipped.training["quantisation"]["from_sha256"]
    assert origin == reference.manifest.sha256, "run: autodrive engine quantise --data data --out engines"
    assert {"car", "humanoid"} == set(shipped.metrics)
    assert all(scores["ap_points_lost"] < 1 for scores in shipped.metrics.values())


def test_frames_are_spread_over_all_samples() -> None:
    files = [Path(str(index)) for index in range(10)]
    assert [file.name for file in spread(files, 3)] == ["0", "3", "6"]
    assert spread(files, 50) == files


def test_a_calibration_pair_is_one_frame_without_and_one_with_memory(reference: Engine, data: Path) -> None:
    first, second = frames(reference, data)
    assert first["memory_dt"][0] == 0 and not first["memory"].any()
    assert second["memory_dt"][0] == 0.5
    np.testing.assert_array_equal(second["memory"], reference.run(first)["features"])


def test_check_passes_a_network_against_itself_and_names_what_int8_misses(
    made: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(data), "--rig", "humanoid", "--frames", "1"]
    assert main(["engine", "check", *common, "--points", "nan", "--json"]) == 1, "NaN is no limit"
    (same,) = json.loads(capsys.readouterr().out)
    assert min(same["cosine"].values()) == pytest.approx(1.0) and len(same["failures"]) == 1
    assert main(["engine", "check", str(made), *common, "--cosine", "0.99999"]) == 1
    said = capsys.readouterr().out
    assert "FAILED heat: cosine 0.9" in said and load_manifest(made).sha256[:12] in said
