"""The manifest beside every shipped network: what the file is, what goes in and out, what it was trained on.

A loader trusts nothing that the manifest does not state and the file does not confirm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodrive.errors import EngineError
from autodrive.files import write_atomic
from autodrive.inference.signing import Signature, development_key, is_hex, load_trusted_keys, sign, verify
from autodrive.yaml_file import read_yaml

SCHEMA = 1
DTYPES = ("float32", "float16", "uint8", "int32", "int64")


@dataclass(frozen=True)
class TensorSpec:
    """One input or output; a text in ``shape`` names a dimension that is free but the same wherever it is named."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Manifest:
    """Contents of an ``engines/*.yaml``.

    ``preprocessing``: colour order, size, mean and std per channel (on 0..255). ``training``: rigs, towns, samples and
    seeds, steps, code revision. ``metrics``: what evaluation on held-out data gave. ``signature`` is over all the rest.
    """

    name: str
    file: str
    sha256: str
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: dict[str, Any]
    classes: tuple[str, ...]
    ground_classes: tuple[str, ...]
    box_channels: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    signature: Signature | None = field(default=None, compare=False)

    def output(self, name: str) -> TensorSpec:
        """One output by name; raises EngineError with the names that exist."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise EngineError(f"engine {self.name!r} has no output {name!r}; it has {[s.name for s in self.outputs]}")


def sha256_hex(data: bytes) -> str:
    """Digest of a file's content as the manifest states it."""
    return hashlib.sha256(data).hexdigest()


def load_manifest(path: Path) -> Manifest:
    """Read and validate; raises EngineError that names the file and the key."""
    document = read_yaml(path, "engine manifest", EngineError, "the shipped one is engines/vision.yaml")
    if not isinstance(document, dict):
        raise EngineError(f"engine manifest {path}: expected a mapping, got {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        raise EngineError(f"engine manifest {path}: schema {document.get('schema')!r}, this code reads {SCHEMA}")
    known = set(Manifest.__dataclass_fields__)
    optional = {"training", "metrics", "schema", "signature"}
    if missing := sorted(known - optional - document.keys()):
        raise EngineError(f"engine manifest {path}: missing {missing}")
    if unknown := sorted(map(str, document.keys() - known)):
        raise EngineError(f"engine manifest {path}: unknown keys {unknown}")
    _check_types(document, path)
    values = dict(document)
    for key in ("inputs", "outputs"):
        values[key] = tuple(
            _tensor_spec(item, f"engine manifest {path}: {key}[{i}]") for i, item in enumerate(values[key])
        )
    for key in ("classes", "ground_classes", "box_channels"):
        values[key] = tuple(values[key])
    if "signature" in document:
        values["signature"] = _signature(document["signature"], f"engine manifest {path}")
    return Manifest(**values)


def verify_manifest(path: Path, trusted: Mapping[str, str] | None = None) -> tuple[Manifest, str]:
    """A manifest and the name of the trusted key that signed it (None: those of trusted_keys.yaml).

    Raises EngineError when it is unsigned, changed after signing, or signed by anybody else.
    """
    manifest = load_manifest(path)
    if manifest.signature is None:
        raise EngineError(f"engine manifest {path} is not signed; if it is yours, run: autodrive engine sign {path}")
    keys = load_trusted_keys() if trusted is None else trusted
    return manifest, verify(_document(manifest), manifest.signature, keys, f"engine manifest {path}")


def read_network(path: Path, trusted: Mapping[str, str] | None = None) -> tuple[Manifest, bytes]:
    """A manifest and the file that it describes.

    Raises EngineError unless a trusted key signed the manifest and the file's sha256 is the stated one.
    """
    manifest, _ = verify_manifest(path, trusted)
    file = path.parent / manifest.file
    try:
        data = file.read_bytes()
    except OSError as error:
        raise EngineError(f"engine file {file}: {error.strerror}; {path} names it") from error
    if (digest := sha256_hex(data)) != manifest.sha256:
        raise EngineError(
            f"engine file {file} is corrupted or not the one that {path} describes: "
            f"sha256 {digest}, expected {manifest.sha256}; restore both from the same release"
        )
    return manifest, data


def _check_types(document: Mapping[str, Any], path: Path) -> None:
    expected: dict[str, type] = {
        **dict.fromkeys(("name", "file", "sha256"), str),
        **dict.fromkeys(("inputs", "outputs", "classes", "ground_classes", "box_channels"), list),
        **dict.fromkeys(("preprocessing", "training", "metrics"), dict),
        "opset": int,
    }
    for key, kind in expected.items():
        if key in document and not isinstance(document[key], kind):
            raise EngineError(f"engine manifest {path}: {key} must be a {kind.__name__}, got {document[key]!r}")
    if Path(document["file"]).name != document["file"]:
        raise EngineError(f"engine manifest {path}: file {document['file']!r} must be a plain name beside the manifest")


def _tensor_spec(item: Any, where: str) -> TensorSpec:
    if not isinstance(item, dict) or item.keys() != {"name", "dtype", "shape"}:
        raise EngineError(f"{where}: expected name, dtype and shape, got {item!r}")
    shape = item["shape"]
    if item["dtype"] not in DTYPES:
        raise EngineError(f"{where}: dtype {item['dtype']!r} is unknown; use one of {list(DTYPES)}")
    if not isinstance(shape, list) or not all(isinstance(d, int | str) and d not in (0, "") for d in shape):
        raise EngineError(f"{where}: shape must list sizes or names of dimensions, got {shape!r}")
    return TensorSpec(str(item["name"]), item["dtype"], tuple(shape))


def write_manifest(path: Path, manifest: Manifest, key: Ed25519PrivateKey | None = None) -> None:
    """Sign, with the published development key unless another is given, and write atomically as YAML."""
    document = _document(manifest)
    document["signature"] = asdict(sign(document, key or development_key()))
    write_atomic(path, yaml.safe_dump(document, sort_keys=False, width=120).encode())


def _document(manifest: Manifest) -> dict[str, Any]:
    """What is signed and written: everything but the signature."""
    document = {key: _plain(value) for key, value in asdict(manifest).items() if key != "signature"}
    return {"schema": document.pop("schema"), **document}


def _signature(item: Any, where: str) -> Signature:
    if not isinstance(item, dict) or item.keys() != {"key", "value"}:
        raise EngineError(f"{where}: signature must have key and value, got {item!r}")
    for name, length in (("key", 32), ("value", 64)):
        if not isinstance(item[name], str) or not is_hex(item[name], length):
            raise EngineError(f"{where}: signature {name} must be {2 * length} hexadecimal digits, got {item[name]!r}")
    return Signature(**item)


def _plain(value: Any) -> Any:
    """Tuples to lists, all the way down: YAML has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
