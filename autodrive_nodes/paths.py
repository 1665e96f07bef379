"""Where the package's own files are: beside the source in a checkout, in share/autodrive where colcon installed it."""

from __future__ import annotations

import sys
from pathlib import Path


def _root() -> Path:
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "engines").is_dir() and (checkout / "package.xml").is_file():
        return checkout
    for prefix in (*Path(__file__).resolve().parents, Path(sys.prefix)):
        if (prefix / "share" / "autodrive" / "engines").is_dir():
            return prefix / "share" / "autodrive"
    return checkout


SHARE = _root()
DEFAULT_ENGINE = SHARE / "engines" / "vision.yaml"
RIGS = SHARE / "config" / "rigs"
ENVELOPES = SHARE / "config" / "envelopes"
NODE_PARAMETERS = SHARE / "config" / "nodes.yaml"
PREPROCESS_KERNEL = SHARE / "engines" / "kernels" / "preprocess.cu"
FAULTS = SHARE / "config" / "faults"
