"""Every file that people write, spoilt at any place: a valid object, or the project's own error with file and key."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autodrive.camera.camera_info import read_camera_info
from autodrive.camera.setup_file import read_camera_setup
from autodrive.errors import AutodriveError
from autodrive.faults.campaign import load_campaign
from autodrive.humanoid import robot as robots
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.inference.manifest import load_manifest
from autodrive.inference.signing import TRUSTED_KEYS, load_trusted_keys
from autodrive.recording.references import load_tolerances
from autodrive.rig import load_rig, projection
from autodrive.safety.envelope import Envelope, WalkEnvelope, load_envelope
from autodrive.sim.town import TOWNS_DIR, load_town
from autodrive_nodes.fault_bodies import fault_body
from autodrive_nodes.graph import Options, parameter_files
from autodrive_nodes.paths import DEFAULT_ENGINE, ENVELOPES, FAULTS, NODE_PARAMETERS, RIGS

REFERENCES = Path(__file__).parent / "references"
RIG = load_rig(RIGS / "car.yaml")
Read = Callable[[Path], object]


def shipped(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def finite_rig(path: Path) -> object:
    rig = load_rig(path)
    assert all(np.isfinite(array).all() for array in projection(rig))
    assert all(np.isfinite(camera.distortion).all() for camera in rig.cameras)
    return rig


def finite_limits(path: Path, kind: type[Envelope] | type[WalkEnvelope]) -> object:
    envelope: Any = load_envelope(path, kind)
    assert all(math.isfinite(getattr(envelope, name)) and getattr(envelope, name) > 0 for name in envelope.__slots__)
    return envelope


def a_robot(path: Path) -> object:
    """``load_robot`` takes names; the arms are in a file of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robots, "ROBOTS_FOLDER", path.parent)
        patch.setattr(robots, "load_arms", lambda _: load_arms(ARMS_FOLDER / "g1.yaml"))
        return robots.load_robot(path.stem)


def a_town(path: Path) -> object:
    """A town lies beside its network."""
    network = path.parent / "brook.net.xml.gz"
    if not network.exists():
        network.symlink_to(TOWNS_DIR / network.name)
    return load_town(str(path))


def small_town() -> Any:
    town = shipped(TOWNS_DIR / "brook.yaml")
    return {key: value[:2] if isinstance(value, list) else value for key, value in town.items()}


LENS = {
    "image_width": 640,
    "image_height": 400,
    "camera_name": "front",
    "camera_matrix": {"rows": 3, "cols": 3, "data": [400.0, 0, 320, 0, 400, 200, 0, 0, 1]},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, -0.2, 0.0, 0.0, 0.05]},
}
SETUP = {
    **{"rate_hz": 30.0, "tolerance_s": 0.01, "latency_s": 0.2, "lost_s": 1.0, "frozen": 3, "clipped": 0.9},
    **{"blind": 0.98, "grain": 20, "sources": {camera.name: f"video:{camera.name}.mp4" for camera in RIG.cameras}},
}
CASES: dict[str, tuple[Any, Read]] = {
    "rig": (shipped(RIGS / "car.yaml"), finite_rig),
    "car envelope": (shipped(ENVELOPES / "car.yaml"), lambda path: finite_limits(path, Envelope)),
    "humanoid envelope": (shipped(ENVELOPES / "humanoid.yaml"), lambda path: finite_limits(path, WalkEnvelope)),
    "manifest": (shipped(DEFAULT_ENGINE), load_manifest),
    "trusted keys": (shipped(TRUSTED_KEYS), load_trusted_keys),
    "camera setup": (SETUP, lambda path: read_camera_setup(path, RIG)),
    "camera info": (LENS, read_camera_info),
    "arms": (shipped(ARMS_FOLDER / "g1.yaml"), load_arms),
    "robot": (shipped(robots.ROBOTS_FOLDER / "g1.yaml"), a_robot),
    "campaign": (shipped(FAULTS / "car.yaml"), lambda path: load_campaign(path, "car", fault_body("car").targets())),
    "tolerances": (shipped(REFERENCES / "tolerances.yaml"), load_tolerances),
    "parameters": (shipped(NODE_PARAMETERS), lambda path: parameter_files(Options(parameters=str(path)))),
    "town": (small_town(), a_town),
}
EXAMPLES, FEW = 60, 25
SLOW = {"robot", "town", "manifest", "campaign"}  # long files, or those that read others besides
WEIRD = [
    *(None, True, 0, -1, 1, 2**62, -(2**62), 0.5, -0.0, 1e300, math.nan, math.inf, "", "word", "0", "../x", "a/b"),
    *([], {}, [[]], [None] * 4, ["x"] * 3, [math.nan] * 3, [1e308] * 4, [True], {"x": 1}, {"data": []}),
    *(datetime.date(2026, 1, 1), b"bytes", {1: 2}, {None: 3}, [{}], [1] * 100),
]


def places(item: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a document."""
    if path:
        yield path
    for key, value in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
        yield from places(value, (*path, key))


def unshared(item: Any) -> Any:
    """A copy in which nothing stands at two places, as it does in a file with aliases."""
    if isinstance(item, dict):
        return {key: unshared(value) for key, value in item.items()}
    return [unshared(value) for value in item] if isinstance(item, list) else item


def spoil(document: Any, path: tuple[Any, ...], how: str, value: Any) -> Any:
    """A copy in which one value is replaced, removed, or has a new neighbour."""
    spoilt = unshared(document)
    parent = spoilt
    for key in path[:-1]:
        parent = parent[key]
    if how == "replace":
        parent[path[-1]] = value
    elif how == "remove":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent["neighbour"] = value
    else:
        parent.append(value)
    return spoilt


@pytest.mark.parametrize("name", CASES)
def test_a_value_that_is_wrong_is_named_with_its_file(name: str, tmp_path: Path) -> None:
    document, read = CASES[name]
    number = iter(range(10**6))

    @settings(max_examples=FEW if name in SLOW else EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.sampled_from(list(places(document))),
        st.sampled_from(["replace", "replace", "remove", "add"]),
        st.sampled_from(WEIRD),
    )
    def check(path: tuple[Any, ...], how: str, value: Any) -> None:
        file = tmp_path / f"mine{next(number)}.yaml"
        file.write_text(yaml.safe_dump(spoil(document, path, how, value)))
        try:
            read(file)
        except AutodriveError as error:
            # campaigns count their entries
            keys = [key for key in path if isinstance(key, str)] + ["neighbour", "entry "]
            assert file.name in str(error)
            assert any(key in str(error) for key in keys), str(error)
            assert "\n" not in str(error)

    check()


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_any_text_is_refused_or_read(name: str, tmp_path: Path) -> None:
    document, read = CASES[name]
    text = yaml.safe_dump(document).encode()
    number = iter(range(10**6))

    @settings(max_examples=FEW if name in SLOW else EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(
        at=st.integers(0, len(text)),
        gone=st.integers(0, 6),
        new=st.binary(max_size=6)
        | st.sampled_from([b"{", b"[", b"- ", b": ", b"&a ", b"*a", b"!!int ", b"? ", b"|\n"]),
        to_end=st.booleans(),
    )
    def check(at: int, gone: int, new: bytes, to_end: bool) -> None:
        file = tmp_path / f"mine{next(number)}.yaml"
        file.write_bytes(text[:at] + new + (b"" if to_end else text[at + gone :]))
        try:
            read(file)
        except AutodriveError as error:
            assert file.name in str(error)

    check()
