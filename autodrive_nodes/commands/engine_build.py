"""``autodrive engine build``: an engine for a GPU from a network file, kept in a cache beside a signed record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autodrive.inference.build_engine import CAMERAS, TARGETS, build_engine
from autodrive.inference.plan import PRECISIONS, default_cache
from autodrive.inference.signing import development_key, read_private_key
from autodrive_nodes.paths import DEFAULT_ENGINE


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser(
        "build", help="build an engine of TensorRT or TensorRT-RTX; found again when nothing changed"
    )
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE)
    one.add_argument(
        "--target",
        choices=TARGETS,
        default="host",
        help="rtx builds anywhere, also without a GPU; the others on the machine itself (default: host)",
    )
    one.add_argument("--precision", choices=sorted(PRECISIONS), default="fp16")
    one.add_argument("--cameras", type=int, nargs=3, default=list(CAMERAS), metavar=("LEAST", "USUAL", "MOST"))
    one.add_argument("--cache", type=Path, default=default_cache())
    one.add_argument("--key", type=Path, help="private key; without it the published development key signs")
    one.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    key = development_key() if args.key is None else read_private_key(args.key)
    record, new = build_engine(args.manifest, args.target, args.precision, tuple(args.cameras), args.cache, key)
    size = record.with_suffix(".plan").stat().st_size
    sys.stdout.write(f"{record}: {f'{size / 1e6:.1f} MB' if new else 'built before'}\n")
    return 0
