"""``autodrive engine quantise``: an int8 network from a float32 one, with calibration frames."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from autodrive.files import write_atomic
from autodrive.inference.engine import load_engine
from autodrive.inference.manifest import read_network, sha256_hex, write_manifest
from autodrive.inference.signing import read_private_key
from autodrive.rig import load_rig
from autodrive_nodes.commands.train import RIG_NAMES
from autodrive_nodes.paths import DEFAULT_ENGINE, RIGS

SCHEMES = ("onnxruntime", "tensorrt")


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("quantise", help="make an int8 network; compare it afterwards: autodrive engine check")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE, help="the float32 network")
    one.add_argument("--data", type=Path, required=True, help="folder with {car,humanoid}_train of samples")
    one.add_argument("--out", type=Path, required=True, help="folder for NAME.int8.onnx and NAME.int8.yaml")
    one.add_argument("--scheme", choices=SCHEMES, default="onnxruntime", help="which runtime it is made for")
    one.add_argument("--frames", type=int, default=16, help="frame pairs of each rig to calibrate with")
    one.add_argument("--key", type=Path, help="private key; without it the published development key signs")
    one.set_defaults(run=_quantise)


def _quantise(args: argparse.Namespace) -> int:
    # torch takes seconds to import: only those who quantise pay for it
    from autodrive.data.calibration import calibration_inputs
    from autodrive.inference.quantise import quantise

    key = None if args.key is None else read_private_key(args.key)
    manifest, data = read_network(args.manifest)
    run = load_engine(args.manifest).run
    sources = [(args.data / f"{name}_train", load_rig(RIGS / f"{name}.yaml")) for name in RIG_NAMES]
    network = quantise(data, calibration_inputs(run, sources, args.frames), args.scheme)
    origin = {
        "from_sha256": manifest.sha256,
        "scheme": args.scheme,
        "frame_pairs_per_rig": args.frames,
        "folders": [folder.name for folder, _ in sources],
    }
    file = f"{Path(manifest.file).stem}.int8.onnx"
    described = replace(
        manifest,
        file=file,
        sha256=sha256_hex(network),
        training={**manifest.training, "quantisation": origin},
        metrics={},  # those of the float32 network are not its own
    )
    path = args.out / Path(file).with_suffix(".yaml")
    write_atomic(args.out / file, network)
    write_manifest(path, described, key)
    sys.stdout.write(f"{path}\n")
    return 0
