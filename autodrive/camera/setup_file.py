"""The file that says of real cameras where images come from and what they must keep: see docs/camera_sources.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodrive.camera.health import HealthLimits
from autodrive.errors import ConfigError
from autodrive.rig import Rig
from autodrive.yaml_file import read_yaml

_LIMITS = {"latency_s", "lost_s", "frozen", "clipped", "blind", "grain"}
_KEYS = {"rate_hz", "tolerance_s", "sources", *_LIMITS}


@dataclass(frozen=True)
class CameraSetup:
    """``tolerance_ns``: exposures of one set lie so near; ``sources``: the word of open_source by camera, or nothing.

    Without sources somebody else publishes the images.
    """

    limits: HealthLimits
    tolerance_ns: int
    sources: dict[str, str]


def read_camera_setup(path: Path, rig: Rig) -> CameraSetup:
    """Read and check; raises ConfigError that names the file, the key and what is expected there."""
    document = read_yaml(path, "camera setup")
    if not isinstance(document, dict) or "rate_hz" not in document:
        raise ConfigError(f"camera setup {path}: expected a mapping with rate_hz and any of {sorted(_KEYS)}")
    if unknown := document.keys() - _KEYS:
        raise ConfigError(f"camera setup {path}: unknown keys {sorted(map(str, unknown))}; known are {sorted(_KEYS)}")
    rate_hz = _positive(document, "rate_hz", path)
    tolerance_s = _positive(document, "tolerance_s", path) if "tolerance_s" in document else 0.4 / rate_hz
    if not tolerance_s < 0.5 / rate_hz:
        raise ConfigError(f"camera setup {path}: tolerance_s must be below half of 1 / rate_hz, {0.5 / rate_hz:g} s")
    limits = {key: _positive(document, key, path) for key in _LIMITS & document.keys()}
    if not limits.get("frozen", 2.0).is_integer():
        raise ConfigError(f"camera setup {path}: frozen is a number of images, got {document['frozen']!r}")
    frozen = int(limits.pop("frozen", 0))
    try:
        checked = HealthLimits(rate_hz=rate_hz, frozen=frozen, **limits)
    except ConfigError as error:
        raise ConfigError(f"camera setup {path}: {error}") from error
    return CameraSetup(checked, round(tolerance_s * 1e9), _sources(document, rig, path))


def _sources(document: dict[str, Any], rig: Rig, path: Path) -> dict[str, str]:
    sources, names = document.get("sources", {}), [camera.name for camera in rig.cameras]
    if not isinstance(sources, dict) or not all(isinstance(word, str) for word in sources.values()):
        raise ConfigError(f"camera setup {path}: sources must map each camera to a text, got {sources!r:.80}")
    if sources and set(sources) != set(names):
        raise ConfigError(f"camera setup {path}: sources has cameras {sorted(map(str, sources))}, the rig has {names}")
    return {name: sources[name] for name in names if name in sources}


def _positive(document: dict[str, Any], key: str, path: Path) -> float:
    value = document[key]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ConfigError(f"camera setup {path}: {key} must be a positive number, got {value!r}")
    return float(value)
