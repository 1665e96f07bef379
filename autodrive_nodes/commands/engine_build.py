"""``autodrive engine build``: an engine for a GPU from a network file, kept in a cache beside a signed record."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError, EngineError, EnvironmentProblem
from autodrive.inference.cuda_driver import find_device
from autodrive.inference.manifest import Manifest, read_network
from autodrive.inference.plan import PORTABLE, PRECISIONS, Recipe, default_cache, read_plan, store_plan
from autodrive.inference.signing import development_key, read_private_key
from autodrive_nodes.paths import DEFAULT_ENGINE

# compute capabilities of the Jetsons; CUDA 12 called Thor's 10.1
JETSONS = {"orin": ("8.7",), "thor": ("11.0", "10.1")}
INSTALL = {
    "tensorrt_rtx": "pip install -r requirements-gpu.txt",
    "tensorrt": "on a Jetson it comes with JetPack; elsewhere: pip install tensorrt",
}


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser(
        "build", help="build an engine of TensorRT or TensorRT-RTX; found again when nothing changed"
    )
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE)
    one.add_argument(
        "--target",
        choices=["host", "rtx", *JETSONS],
        default="host",
        help="rtx builds anywhere, also without a GPU; the others on the machine itself (default: host)",
    )
    one.add_argument("--precision", choices=sorted(PRECISIONS), default="fp16")
    one.add_argument("--cameras", type=int, nargs=3, default=[2, 8, 16], metavar=("LEAST", "USUAL", "MOST"))
    one.add_argument("--cache", type=Path, default=default_cache())
    one.add_argument("--key", type=Path, help="private key; without it the published development key signs")
    one.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    from autodrive.inference.tensorrt_build import build_plan  # onnx: only who builds pays for it

    least, usual, most = args.cameras
    if not 1 <= least <= usual <= most <= 16:
        raise ConfigError(f"--cameras must rise within 1 and 16, got {args.cameras}")
    key = development_key() if args.key is None else read_private_key(args.key)
    manifest, data = read_network(args.manifest)
    trt, capability = choose_builder(args.target)
    recipe = Recipe(
        manifest.name,
        manifest.sha256,
        trt.__name__,
        trt.__version__,
        capability,
        platform.machine(),
        args.precision,
        (least, usual, most),
    )
    record = args.cache / f"{recipe.key}.yaml"
    if record.exists():
        read_plan(record)
        sys.stdout.write(f"{record}: built before\n")
        return 0
    plan = build_plan(trt, typed(data, manifest, args.precision), args.precision, recipe.cameras)
    sys.stdout.write(f"{store_plan(args.cache, recipe, plan, key)}: {len(plan) / 1e6:.1f} MB\n")
    return 0


def choose_builder(target: str) -> tuple[Any, str]:
    """Module that builds for a target, and the compute capability; raises EngineError where it cannot be done here."""
    if target == "rtx":
        return _imported("tensorrt_rtx"), PORTABLE
    try:
        device = find_device()
    except EnvironmentProblem as error:
        raise EngineError(
            f"TensorRT builds only on the GPU that will run the engine, and here is {error}; run this there, "
            "or build a portable one: --target rtx"
        ) from error
    wanted = JETSONS.get(target)
    if wanted and device.capability not in wanted:
        raise EngineError(
            f"{device.name} has compute capability {device.capability}, {target} {' or '.join(wanted)}; run this on it"
        )
    return _imported("tensorrt"), device.capability


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(f"{error}; {INSTALL[module]}") from error


def typed(data: bytes, manifest: Manifest, precision: str) -> bytes:
    """The network in the numbers that the engine shall compute with; raises EngineError where it cannot be made so."""
    from autodrive.inference.float16 import to_float16

    scheme = manifest.training.get("quantisation", {}).get("scheme")
    if precision == "int8":
        if scheme != "tensorrt":
            raise EngineError(
                f"{manifest.file} has no int8 ranges for TensorRT; first run: autodrive engine quantise "
                "--scheme tensorrt, then build the manifest that it writes"
            )
        return data
    if scheme is not None:
        raise EngineError(f"{manifest.file} is quantised; build it with --precision int8")
    return to_float16(data) if precision == "fp16" else data
