"""Turn a checkpoint into what ships: vision.onnx and vision.yaml. Also ``python -m autodrive.data.export``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from autodrive.data.checkpoint import load_weights
from autodrive.data.dataset import list_samples
from autodrive.data.sample import load_sample
from autodrive.errors import AutodriveError, EngineError
from autodrive.files import write_atomic
from autodrive.inference.engine import load_engine
from autodrive.inference.manifest import Manifest, TensorSpec, sha256_hex, write_manifest
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH
from autodrive.scene import GroundClass, ObjectClass
from autodrive.vision.layout import BOX_CHANNELS, GRID_CELLS, MEMORY_CHANNELS, OBJECT_CELLS, PIXEL_MEAN, PIXEL_STD
from autodrive.vision.network import ExportedNetwork, VisionNetwork

OPSET = 18
NAME = "vision"
CAMERAS = "cameras"
PARITY_TOLERANCE = 1e-3

_GRID = (GRID_CELLS, GRID_CELLS)
_OBJECTS = (OBJECT_CELLS, OBJECT_CELLS)
INPUTS = (
    TensorSpec("images", "float32", (CAMERAS, 3, NETWORK_HEIGHT, NETWORK_WIDTH)),
    TensorSpec("intrinsics", "float32", (CAMERAS, 4)),
    TensorSpec("optical_from_base", "float32", (CAMERAS, 3, 4)),
    TensorSpec("extent", "float32", (4,)),
    TensorSpec("memory", "float32", (1, MEMORY_CHANNELS, *_GRID)),
    TensorSpec("previous_from_current", "float32", (3,)),
    TensorSpec("memory_dt", "float32", (1,)),
)
OUTPUTS = (
    TensorSpec("heat", "float32", (1, len(ObjectClass), *_OBJECTS)),
    TensorSpec("box", "float32", (1, len(BOX_CHANNELS), *_OBJECTS)),
    TensorSpec("ground", "float32", (1, len(GroundClass), *_GRID)),
    TensorSpec("features", "float32", (1, MEMORY_CHANNELS, *_GRID)),
)


def example_inputs(cameras: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Plausible inputs for ``cameras`` cameras looking outwards all around."""
    rng = np.random.default_rng(seed)
    extrinsics = np.zeros((cameras, 3, 4), np.float32)
    for row, heading in zip(extrinsics, 2 * np.pi * np.arange(cameras) / cameras, strict=True):
        c, s = np.cos(heading), np.sin(heading)
        row[:] = [[s, -c, 0, 0], [0, 0, -1, 1.4], [c, s, 0, -1]]
    return {
        "images": rng.standard_normal((cameras, 3, NETWORK_HEIGHT, NETWORK_WIDTH), np.float32),
        "intrinsics": np.tile(np.array([200, 200, 159.5, 63.5], np.float32), (cameras, 1)),
        "optical_from_base": extrinsics,
        "extent": np.array([-24, 40, -32, 32], np.float32),
        "memory": rng.standard_normal((1, MEMORY_CHANNELS, *_GRID), np.float32),
        "previous_from_current": np.array([1.5, 0.1, 0.05], np.float32),
        "memory_dt": np.array([0.5], np.float32),
    }


def to_onnx(network: VisionNetwork) -> bytes:
    """Export in float32 with a dynamic camera axis (2 to 16)."""
    # legacy exporter traces in eval mode; channels_last weights are stored plain
    module = ExportedNetwork(network.to(memory_format=torch.contiguous_format)).eval()  # type: ignore[call-overload]
    inputs = {name: torch.from_numpy(value) for name, value in example_inputs(6).items()}
    axis = torch.export.Dim(CAMERAS, min=2, max=16)
    dynamic = {spec.name: {0: axis} if CAMERAS in spec.shape else {} for spec in INPUTS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            module,
            (),
            path,
            kwargs=inputs,
            opset_version=OPSET,
            input_names=[spec.name for spec in INPUTS],
            output_names=[spec.name for spec in OUTPUTS],
            dynamic_shapes=dynamic,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        return _without_metadata(path.read_bytes())


def _without_metadata(data: bytes) -> bytes:
    """Drop the exporter's notes on every node: they hold stack traces with the paths of this machine."""
    model = onnx.load_from_string(data)
    model.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def parity(network: VisionNetwork, manifest_path: Path, camera_counts: Sequence[int] = (4, 6, 8)) -> float:
    """Largest difference of any output between the exported file and torch."""
    module, engine = ExportedNetwork(network).eval(), load_engine(manifest_path, threads=1)
    worst = 0.0
    for cameras in camera_counts:
        inputs = example_inputs(cameras, seed=cameras)
        with torch.no_grad():
            expected = module(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        got = engine.run(inputs)
        for spec, reference in zip(OUTPUTS, expected, strict=True):
            worst = max(worst, float(np.abs(got[spec.name] - reference.numpy()).max()))
    return worst


def export_network(
    network: VisionNetwork,
    out: Path,
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Path:
    """Write NAME.onnx and NAME.yaml into ``out`` and check the file against torch; returns the manifest's path."""
    network.eval()
    data = to_onnx(network)
    manifest = Manifest(
        name=NAME,
        file=f"{NAME}.onnx",
        sha256=sha256_hex(data),
        opset=OPSET,
        inputs=INPUTS,
        outputs=OUTPUTS,
        preprocessing={
            "color": "RGB",
            "width": NETWORK_WIDTH,
            "height": NETWORK_HEIGHT,
            "mean": list(PIXEL_MEAN),
            "std": list(PIXEL_STD),
        },
        classes=tuple(c.name.lower() for c in ObjectClass),
        ground_classes=tuple(c.name.lower() for c in GroundClass),
        box_channels=BOX_CHANNELS,
        training=dict(training or {}),
        metrics=dict(metrics or {}),
    )
    path = out / f"{NAME}.yaml"
    write_atomic(out / manifest.file, data)
    write_manifest(path, manifest)
    worst = parity(network, path)
    # NaN must fail too
    if not worst <= PARITY_TOLERANCE:
        raise EngineError(f"the exported {path.with_suffix('.onnx')} differs from torch by {worst:.2e}")
    return path


def describe_samples(directories: Sequence[Path]) -> dict[str, Any]:
    """Rigs, towns, seeds and counts of sample directories, for the manifest."""
    described: dict[str, Any] = {}
    for directory in directories:
        files = list_samples(directory)
        samples = [load_sample(file) for file in files]
        described[directory.name] = {
            "samples": len(files),
            "rigs": sorted({s.rig for s in samples}),
            "towns": sorted({s.town for s in samples}),
            "seeds": sorted({s.seed for s in samples})[:: max(1, len({s.seed for s in samples}) - 1)],
        }
    return described


def code_revision() -> str:
    """The commit that this code is at, "unknown" outside a checkout."""
    try:
        run = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Export the averaged weights of a checkpoint of any age."""
    parser = argparse.ArgumentParser(prog="python -m autodrive.data.export", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    try:
        network = VisionNetwork()
        progress = load_weights(args.checkpoint, network)
        training = {"steps": progress.step, "seed": progress.seed, "code_revision": code_revision()}
        path = export_network(network, args.out, training)
    except AutodriveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
