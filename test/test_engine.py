"""What is exported runs alike, nothing that is damaged or different ever runs, and the perceiver remembers right."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_samples import ROOT, shipped_rig

from autodrive.data.export import INPUTS, OUTPUTS, example_inputs, parity
from autodrive.errors import EngineError, InputError
from autodrive.geometry import Pose2
from autodrive.inference.engine import Engine, check_signature, load_engine
from autodrive.inference.manifest import Manifest, TensorSpec, load_manifest, sha256_hex, write_manifest
from autodrive.scene import EgoState, GroundClass
from autodrive.vision.network import VisionNetwork
from autodrive.vision.perceiver import Perceiver

RIG = shipped_rig("humanoid")


@pytest.fixture
def damaged(exported_network: Path, tmp_path: Path) -> Path:
    """A private copy of the exported engine to break."""
    for file in exported_network.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / exported_network.name


def test_exported_file_equals_torch_for_any_number_of_cameras(
    random_network: VisionNetwork, exported_network: Path
) -> None:
    assert parity(random_network, exported_network, (2, 4, 6, 8)) < 1e-4


def test_runs_are_deterministic_to_the_bit(exported_network: Path) -> None:
    inputs = example_inputs(6)
    first, again = (load_engine(exported_network, threads=2).run(inputs) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_manifest_round_trip_and_machine_paths(exported_network: Path, tmp_path: Path) -> None:
    manifest = load_manifest(exported_network)
    assert manifest.inputs == INPUTS and manifest.outputs == OUTPUTS and manifest.training == {"steps": 0}
    write_manifest(tmp_path / "copy.yaml", manifest)
    assert load_manifest(tmp_path / "copy.yaml") == manifest
    data = (exported_network.parent / manifest.file).read_bytes()
    assert str(ROOT).encode() not in data and str(Path.home()).encode() + b"/" not in data


def test_corrupted_file_is_refused_before_the_runtime_sees_it(damaged: Path, monkeypatch) -> None:
    file = damaged.parent / "vision.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))

    def explode(*_: object) -> None:
        raise AssertionError("the runtime saw unchecked bytes")

    monkeypatch.setattr("autodrive.inference.onnx_engine.OnnxEngine.__init__", explode)
    with pytest.raises(EngineError, match="corrupted"):
        load_engine(damaged)


def test_missing_files_are_named(damaged: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.yaml"):
        load_engine(damaged.with_name("absent.yaml"))
    (damaged.parent / "vision.onnx").unlink()
    with pytest.raises(EngineError, match=r"vision\.onnx.*No such file"):
        load_engine(damaged)


def test_a_file_that_is_no_network_is_an_engine_error(damaged: Path) -> None:
    data = b"this is not a network"
    (damaged.parent / "vision.onnx").write_bytes(data)
    write_manifest(damaged, replace(load_manifest(damaged), sha256=sha256_hex(data)))
    with pytest.raises(EngineError, match="refuses it"):
        load_engine(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {"inputs": m.inputs[:-1]}, "its inputs are"),
        (lambda m: {"inputs": (replace(m.inputs[0], dtype="uint8"), *m.inputs[1:])}, "input 'images' is float32"),
        (lambda m: {"inputs": (replace(m.inputs[0], shape=("cameras", 3, 64, 320)), *m.inputs[1:])}, "states"),
        (lambda m: {"outputs": (TensorSpec("other", "float32", (1,)), *m.outputs[1:])}, "its outputs are"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(damaged: Path, change, message: str) -> None:
    manifest = load_manifest(damaged)
    write_manifest(damaged, replace(manifest, **change(manifest)))
    with pytest.raises(EngineError, match=message):
        load_engine(damaged)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema: 1", "schema: 7", "schema 7"),
        ("opset: 18", "opset: eighteen", "opset must be a int"),
        ("file: vision.onnx", "file: ../vision.onnx", "plain name"),
        ("name: vision\n", "", r"missing \['name'\]"),
        ("name: vision\n", "name: vision\ncolour: red\n", "unknown keys"),
        ("dtype: float32", "dtype: float33", "dtype 'float33'"),
        ("schema: 1", "schema: [", "not valid YAML"),
    ],
)
def test_a_broken_manifest_is_named(damaged: Path, old: str, new: str, message: str) -> None:
    text = damaged.read_text()
    assert old in text
    damaged.write_text(text.replace(old, new, 1))
    with pytest.raises(EngineError, match=message):
        load_engine(damaged)


def test_wrong_inputs_of_a_run_are_named(exported_network: Path) -> None:
    engine = load_engine(exported_network, threads=1)
    good = example_inputs(4)
    with pytest.raises(EngineError, match="takes inputs"):
        engine.run({name: value for name, value in good.items() if name != "extent"})
    with pytest.raises(EngineError, match=r"'intrinsics' is float32 \[3, 4\].*'cameras': 4"):
        engine.run({**good, "intrinsics": good["intrinsics"][:3]})
    with pytest.raises(EngineError, match="'memory_dt' is float64"):
        engine.run({**good, "memory_dt": np.array([0.5])})


def test_unknown_runtime_and_thread_count(exported_network: Path) -> None:
    with pytest.raises(EngineError, match="unknown runtime 'abacus'"):
        load_engine(exported_network, runtime="abacus")
    with pytest.raises(EngineError, match="threads must be at least 1"):
        load_engine(exported_network, threads=0)


def test_free_dimensions_agree_with_any_size(exported_network: Path) -> None:
    manifest = load_manifest(exported_network)
    fixed = [replace(s, shape=tuple(8 if isinstance(d, str) else d for d in s.shape)) for s in manifest.inputs]
    check_signature(manifest, fixed, list(manifest.outputs))


class RecordingEngine:
    """Answers with zeros but for features, which say how many runs there were; keeps what it was asked."""

    runtime = "recording"

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.calls: list[dict[str, np.ndarray]] = []

    def run(self, inputs) -> dict[str, np.ndarray]:
        self.calls.append(dict(inputs))
        outputs = {s.name: np.zeros(s.shape, np.float32) for s in self.manifest.outputs}
        outputs["features"] += len(self.calls)
        outputs["ground"] += 0.9
        return outputs

    def bind_images(self, cameras: int) -> int:
        return 0

    def run_bound(self, inputs) -> dict[str, np.ndarray]:
        return self.run(inputs)


@pytest.fixture
def recording(exported_network: Path) -> RecordingEngine:
    return RecordingEngine(load_manifest(exported_network))


IMAGES = [np.zeros((160, 320, 3), np.uint8)] * 4
TICK_NS = 100_000_000


def ego(k: int) -> EgoState:
    return EgoState(k * TICK_NS, Pose2(0.3 * k, 0.1 * k, 0.02 * k), 3.0, 0.2)


def test_memory_is_half_a_second_old_with_the_motion_since(recording: RecordingEngine) -> None:
    engine: Engine = recording
    perceive = Perceiver(engine, RIG)
    for k in range(12):
        result = perceive(IMAGES, k * TICK_NS, ego(k))
        assert result.stamp_ns == k * TICK_NS and set(result.latency_ms) == {"preprocess", "network", "decode"}
    ages = [round(float(call["memory_dt"][0]), 3) for call in recording.calls]
    assert ages == [0, 0, 0, 0, 0.4, *[0.5] * 7]
    last = recording.calls[11]
    assert (last["memory"] == 7).all(), "features of run 7, which saw frame 6"
    motion = ego(6).pose.inverse() @ ego(11).pose
    np.testing.assert_allclose(last["previous_from_current"], [motion.x, motion.y, motion.yaw], rtol=1e-5)


def test_no_memory_without_ego_after_a_gap_or_when_time_runs_backwards(recording: RecordingEngine) -> None:
    perceive = Perceiver(recording, RIG)
    for k in [*range(6), 50, 55, 3, 4, 9]:
        perceive(IMAGES, k * TICK_NS, ego(k))
    ages = [round(float(call["memory_dt"][0]), 3) for call in recording.calls]
    assert ages[6:] == [0, 0.5, 0, 0, 0.5]
    perceive(IMAGES, 14 * TICK_NS, None)
    assert recording.calls[-1]["memory_dt"][0] == 0 and not recording.calls[-1]["memory"].any()
    perceive.reset()
    perceive(IMAGES, 15 * TICK_NS, ego(15))
    assert recording.calls[-1]["memory_dt"][0] == 0


def test_ground_that_no_camera_sees_is_unknown(recording: RecordingEngine) -> None:
    ground = Perceiver(recording, RIG)(IMAGES, 0, None)
    free, paint = ground.ground.probability[GroundClass.FREE], ground.ground.probability[GroundClass.LANE_MARKING]
    assert free[32, 32] == 0.5 and paint[32, 32] == 0, "the cell under the body"
    assert free[45, 32] == paint[45, 32] == np.float32(0.9), "three metres ahead"
    assert not ((np.abs(ground.markings.points) < 0.5).all(-1)).any() and len(ground.markings.points) > 500


def test_bad_ego_state_is_refused_and_leaves_no_trace(recording: RecordingEngine) -> None:
    perceive = Perceiver(recording, RIG)
    with pytest.raises(InputError, match="not finite"):
        perceive(IMAGES, 0, EgoState(0, Pose2(float("nan"), 0, 0), 0, 0))
    assert recording.calls == []


def test_an_engine_of_other_classes_is_refused(recording: RecordingEngine) -> None:
    recording.manifest = replace(recording.manifest, classes=("cat", "dog"))
    with pytest.raises(EngineError, match="classes are"):
        Perceiver(recording, RIG)


def test_the_robot_does_not_import_torch() -> None:
    code = "import sys, autodrive.vision.perceiver, autodrive.inference.onnx_engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_front_end_brings_the_images_and_the_engine_gets_only_the_rest(recording: RecordingEngine) -> None:
    brought: list[object] = []
    perceive = Perceiver(recording, RIG, front_end=brought.append)
    perceive(IMAGES, 0, None)
    assert brought == [IMAGES]
    assert recording.calls[0].keys() == {s.name for s in recording.manifest.inputs} - {"images"}


def test_a_front_end_needs_an_engine_with_images_on_a_device() -> None:
    with pytest.raises(EngineError, match="host memory"):
        Perceiver(load_engine(ROOT / "engines" / "vision.yaml"), RIG, front_end=lambda images: None)
