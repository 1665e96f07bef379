"""Engines that TensorRT built, and where they fit: each lies in a cache beside a signed record of its making."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodrive.errors import EngineError
from autodrive.files import write_atomic
from autodrive.inference.signing import Signature, load_trusted_keys, sign, verify
from autodrive.yaml_file import read_yaml

PRECISIONS = ("fp16", "fp32", "int8")  # in the order in which a built one is preferred
PORTABLE = "portable"  # TensorRT-RTX's default: one engine for every card from capability 8.0 on that it supports
RTX_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0", "12.1")


@dataclass(frozen=True)
class Recipe:
    """All that decides what a built engine is.

    ``version``: of the runtime, in full. ``capability`` of the GPU that it was built for, or PORTABLE. ``machine``: the
    processor's architecture. ``cameras``: least, usual and most.
    """

    network: str
    network_sha256: str
    runtime: str
    version: str
    capability: str
    machine: str
    precision: str
    cameras: tuple[int, int, int]

    @property
    def key(self) -> str:
        """Name in the cache: a digest of everything here."""
        text = json.dumps(_plain(self), sort_keys=True)
        return f"{self.network}-{self.runtime}-{self.precision}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def default_cache() -> Path:
    """Where engines are kept for the user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autodrive" / "engines"


def store_plan(cache: Path, recipe: Recipe, plan: bytes, key: Ed25519PrivateKey) -> Path:
    """Write an engine and its signed record; the record comes last, so that there is never one without its engine."""
    document: dict[str, Any] = {**_plain(recipe), "plan_sha256": hashlib.sha256(plan).hexdigest()}
    document["signature"] = asdict(sign(document, key))
    write_atomic(cache / f"{recipe.key}.plan", plan)
    record = cache / f"{recipe.key}.yaml"
    write_atomic(record, yaml.safe_dump(document, sort_keys=False).encode())
    return record


def read_plan(record: Path, trusted: Mapping[str, str] | None = None) -> tuple[Recipe, bytes]:
    """A stored engine; raises EngineError unless a trusted key signed its record and its sha256 is the recorded one."""
    where = f"built engine {record}"
    document = read_yaml(record, "built engine", EngineError, "build it again")
    try:
        data = record.with_suffix(".plan").read_bytes()
    except OSError as error:
        raise EngineError(f"{where}: {error.strerror} ({error.filename}); build it again") from error
    expected = {*Recipe.__dataclass_fields__, "plan_sha256", "signature"}
    if not isinstance(document, dict) or document.keys() != expected:
        raise EngineError(f"{where}: its record must have {sorted(expected)}; build it again")
    signature = document.pop("signature")
    if not isinstance(signature, dict) or not all(isinstance(signature.get(k), str) for k in ("key", "value")):
        raise EngineError(f"{where} is not signed; build it again")
    keys = load_trusted_keys() if trusted is None else trusted
    verify(document, Signature(signature["key"], signature["value"]), keys, where)
    if hashlib.sha256(data).hexdigest() != document.pop("plan_sha256"):
        raise EngineError(f"{where} is corrupted: not the file that its record states; build it again")
    return Recipe(**{**document, "cameras": tuple(document["cameras"])}), data


def find_plan(
    cache: Path,
    network_sha256: str,
    runtime: str,
    version: str,
    capability: str,
    trusted: Mapping[str, str] | None = None,
) -> tuple[Recipe, bytes]:
    """The engine of a network that fits this runtime and this GPU; raises EngineError with what there is instead."""
    rejected = []
    found: dict[str, tuple[Recipe, bytes]] = {}
    for record in sorted(cache.glob("*.yaml")):
        recipe, plan = read_plan(record, trusted)
        if recipe.network_sha256 != network_sha256 or recipe.runtime != runtime:
            continue
        if reason := misfit(recipe, version, capability):
            rejected.append(f"{record.name} {reason}")
        else:
            found.setdefault(recipe.precision, (recipe, plan))
    for precision in PRECISIONS:
        if precision in found:
            return found[precision]
    there_is = "; ".join(rejected) or f"none of this network in {cache}"
    raise EngineError(f"no engine for {runtime} {version} and this GPU ({there_is}); run: autodrive engine build")


def misfit(recipe: Recipe, version: str, capability: str) -> str:
    """Why an engine must not be loaded by this runtime on a GPU of this capability here; empty when it may."""
    if recipe.version != version:
        return f"was built by version {recipe.version}, here is {version}"
    if recipe.machine != platform.machine():
        return f"was built for {recipe.machine}, this is {platform.machine()}"
    fits = capability in RTX_CAPABILITIES if recipe.capability == PORTABLE else capability == recipe.capability
    return "" if fits else f"was built for compute capability {recipe.capability}, this GPU has {capability}"


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {**asdict(recipe), "cameras": list(recipe.cameras)}
