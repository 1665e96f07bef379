"""Write the names that a version of TensorRT offers into test/tensorrt_api.json, with which our use of it is compared.

Run it with a Python that can import that version (its bindings alone are enough, with empty libraries in the place of
NVIDIA's): python tools/dump_tensorrt_api.py MODULE test/tensorrt_api.json
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

CLASSES = (
    "Builder",
    "BuilderFlag",
    "DataType",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "ILogger",
    "INetworkDefinition",
    "IOptimizationProfile",
    "ITensor",
    "Logger",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "ParserError",
    "Runtime",
    "TensorIOMode",
)


def main() -> int:
    """Add or replace the entry of one version; returns the exit status."""
    module, path = importlib.import_module(sys.argv[1]), Path(sys.argv[2])
    entries = json.loads(path.read_text()) if path.exists() else {}
    name = f"{sys.argv[1]} {module.__version__}"
    entries[name] = {kind: sorted(n for n in dir(getattr(module, kind)) if not n.startswith("_")) for kind in CLASSES}
    path.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
