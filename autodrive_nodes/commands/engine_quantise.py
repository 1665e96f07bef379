"""``autodrive engine quantise``: an int8 network from a float32 one, calibrated on training samples, and its price."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autodrive.errors import EngineError
from autodrive.files import write_atomic
from autodrive.inference.engine import Engine
from autodrive.inference.manifest import read_network, sha256_hex, write_manifest
from autodrive.inference.onnx_engine import OnnxEngine
from autodrive.inference.signing import read_private_key
from autodrive.rig import load_rig
from autodrive_nodes.commands.engine_check import compare_on_samples, table
from autodrive_nodes.commands.train import RIG_NAMES
from autodrive_nodes.paths import DEFAULT_ENGINE, RIGS

SCHEMES = ("onnxruntime", "tensorrt")
THREADS = 2


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("quantise", help="make an int8 network, unless it finds too little")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE, help="the float32 network")
    one.add_argument("--data", type=Path, required=True, help="folder with {car,humanoid}_{train,val} of samples")
    one.add_argument("--out", type=Path, required=True, help="folder for NAME.int8.onnx and NAME.int8.yaml")
    one.add_argument("--scheme", choices=SCHEMES, default="onnxruntime", help="which runtime it is made for")
    one.add_argument("--frames", type=int, default=16, help="frame pairs of each rig to calibrate with")
    one.add_argument("--score-frames", type=int, default=100, help="validation samples of each rig to score both on")
    one.add_argument("--points", type=float, default=1.0, help="points of average precision that may be lost")
    one.add_argument("--key", type=Path, help="private key; without it the published development key signs")
    one.set_defaults(run=_quantise)


def _quantise(args: argparse.Namespace) -> int:
    # torch takes seconds to import: only those who quantise pay for it
    from autodrive.data.calibration import calibration_inputs
    from autodrive.inference.quantise import quantise

    key = None if args.key is None else read_private_key(args.key)
    manifest, data = read_network(args.manifest)
    reference = OnnxEngine(data, manifest, THREADS)
    sources = [(args.data / f"{name}_train", load_rig(RIGS / f"{name}.yaml")) for name in RIG_NAMES]
    network = quantise(data, calibration_inputs(reference.run, sources, args.frames), args.scheme)
    origin = {
        "from_sha256": manifest.sha256,
        "scheme": args.scheme,
        "frame_pairs_per_rig": args.frames,
        "folders": [folder.name for folder, _ in sources],
    }
    file = f"{Path(manifest.file).stem}.int8.onnx"
    training = {**manifest.training, "quantisation": origin}
    described = replace(manifest, file=file, sha256=sha256_hex(network), training=training, metrics={})
    metrics = _beside(reference, OnnxEngine(network, described, THREADS), args)
    path = args.out / Path(file).with_suffix(".yaml")
    write_atomic(args.out / file, network)
    write_manifest(path, replace(described, metrics=metrics), key)
    sys.stdout.write(f"{path}\n")
    return 0


def _beside(reference: Engine, candidate: Engine, args: argparse.Namespace) -> dict[str, Any]:
    """Score both, print it, and return it without the times, which are this machine's; raises EngineError."""
    metrics = {}
    for name in RIG_NAMES:
        found = compare_on_samples(reference, candidate, name, args.data, args.score_frames)
        sys.stderr.write(table(asdict(found)) + "\n")
        # NaN must be refused too
        if not found.ap_points_lost <= args.points:
            raise EngineError(
                f"not written: int8 loses {found.ap_points_lost:.2f} points of average precision on rig {name!r}, "
                f"{args.points:g} may be lost; calibrate on other or more --frames"
            )
        metrics[name] = {
            "frames": found.frames,
            "ap_points_lost": round(found.ap_points_lost, 2),
            "cosine": {key: round(value, 5) for key, value in found.cosine.items()},
            **{
                kind: {"map_percent": side.map_percent, "ground_iou": side.ground_iou}
                for kind, side in (("float32", found.reference), ("int8", found.candidate))
            },
        }
    return metrics
