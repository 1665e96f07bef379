"""A network rebuilt from an exported file computes what the file does, and trains on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_samples import fake_sample, shipped_rig
from torch import nn

from autodrive.data.export import parity
from autodrive.data.recipe import training_sources
from autodrive.data.sample import save_sample
from autodrive.data.train import CHECKPOINT_NAME, TrainConfig, Trainer, train
from autodrive.errors import EngineError
from autodrive.inference.manifest import load_manifest, sha256_hex, write_manifest

RIGS = [shipped_rig("car"), shipped_rig("humanoid")]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for rig in RIGS:
        for seed in range(3):
            save_sample(folder / f"{rig.name}_train" / f"{seed}.npz", fake_sample(rig, seed))
    return folder


def config(data: Path, out: Path, start: Path) -> TrainConfig:
    return TrainConfig(training_sources(data, RIGS), out, steps=2, batch_size=2, workers=0, start=start)


def test_the_rebuilt_network_computes_what_the_file_does(data: Path, exported_network: Path, tmp_path: Path) -> None:
    trainer = Trainer(config(data, tmp_path, exported_network))
    assert parity(trainer.network, exported_network, (2,)) > 0.1, "random weights say something else"
    trainer.warm_start(exported_network)
    assert parity(trainer.network.eval(), exported_network, (2, 4)) < 1e-3
    assert parity(trainer.average.eval(), exported_network, (2,)) < 1e-3
    norms = [m for m in trainer.network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert any((m.running_var - 1).abs().max() > 0.01 for m in norms if m.running_var is not None), (
        "statistics measured"
    )


def test_training_goes_on_from_it(data: Path, exported_network: Path, tmp_path: Path) -> None:
    assert train(config(data, tmp_path, exported_network)) == tmp_path / CHECKPOINT_NAME


def test_a_file_of_another_network_is_refused_by_name(data: Path, exported_network: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(exported_network.with_suffix(".onnx"))
    for item in model.graph.initializer:
        if item.name == "network.heads.heat.1.bias":
            item.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(item)[:-1], item.name))
    altered = model.SerializeToString()
    (tmp_path / "vision.onnx").write_bytes(altered)
    write_manifest(tmp_path / "vision.yaml", replace(load_manifest(exported_network), sha256=sha256_hex(altered)))
    with pytest.raises(EngineError, match=r"heads\.heat\.1\.bias should have shape \(36,\), found shape \(35,\)"):
        Trainer(config(data, tmp_path, exported_network)).warm_start(tmp_path / "vision.yaml")
