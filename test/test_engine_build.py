"""Engines are built from what ships, kept by content, and never loaded where they do not belong."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from autodrive.errors import EngineError, EnvironmentProblem
from autodrive.inference import cuda_driver
from autodrive.inference.build_engine import choose_builder, typed
from autodrive.inference.manifest import load_manifest, write_manifest
from autodrive.inference.plan import PORTABLE, Recipe, find_plan, misfit, read_plan, store_plan
from autodrive.inference.signing import development_key
from autodrive.inference.tensorrt_build import build_plan
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE

RECIPE = Recipe("vision", "ab" * 32, "tensorrt", "10.3.0", "8.7", platform.machine(), "fp16", (2, 8, 16))


def test_a_stored_engine_comes_back_and_every_part_of_its_recipe_is_part_of_its_name(tmp_path: Path) -> None:
    record = store_plan(tmp_path, RECIPE, b"plan", development_key())
    assert read_plan(record) == (RECIPE, b"plan")
    others = [
        replace(RECIPE, **{name: "other" if isinstance(getattr(RECIPE, name), str) else (1, 2, 3)})
        for name in Recipe.__dataclass_fields__
    ]
    assert len({recipe.key for recipe in (RECIPE, *others)}) == 1 + len(others)


def test_changed_truncated_and_unsigned_engines_are_refused(tmp_path: Path) -> None:
    record = store_plan(tmp_path, RECIPE, b"plan", development_key())
    plan, text = record.with_suffix(".plan"), record.read_text()
    for data in (b"", b"pla", b"plaN"):
        plan.write_bytes(data)
        with pytest.raises(EngineError, match="corrupted"):
            read_plan(record)
    plan.write_bytes(b"plan")
    record.write_text(text.replace("8.7", "8.9"))
    with pytest.raises(EngineError, match="changed after signing"):
        read_plan(record)
    for signature in (None, "x", {"key": 1, "value": 2}):
        record.write_text(yaml.safe_dump({**yaml.safe_load(text), "signature": signature}))
        with pytest.raises(EngineError, match="not signed"):
            read_plan(record)
    record.write_text(text)
    with pytest.raises(EngineError, match="not trusted"):
        read_plan(record, {"owner": "00" * 32})
    plan.unlink()
    with pytest.raises(EngineError, match=r"No such file.*\.plan"):
        read_plan(record)


@pytest.mark.parametrize(
    ("change", "version", "capability", "reason"),
    [
        ({}, "10.3.0", "8.7", ""),
        ({}, "10.3.1", "8.7", "built by version 10.3.0, here is 10.3.1"),
        ({}, "10.3.0", "8.9", "capability 8.7, this GPU has 8.9"),
        ({"machine": "abacus"}, "10.3.0", "8.7", "built for abacus"),
        ({"capability": PORTABLE}, "10.3.0", "8.9", ""),
        ({"capability": PORTABLE}, "10.3.0", "9.0", "portable, this GPU has 9.0"),
        ({"capability": PORTABLE}, "10.3.0", "8.7", "portable, this GPU has 8.7"),
    ],
)
def test_an_engine_of_another_place_is_not_loaded(change, version: str, capability: str, reason: str) -> None:
    found = misfit(replace(RECIPE, **change), version, capability)
    assert reason in found and bool(found) == bool(reason)


def test_the_fitting_engine_is_found_among_others_and_a_miss_says_what_there_is(tmp_path: Path) -> None:
    for recipe in (RECIPE, replace(RECIPE, version="11.4"), replace(RECIPE, precision="fp32")):
        store_plan(tmp_path, recipe, recipe.key.encode(), development_key())
    recipe, plan = find_plan(tmp_path, RECIPE.network_sha256, "tensorrt", "10.3.0", "8.7")
    assert recipe == RECIPE and plan == RECIPE.key.encode()
    with pytest.raises(EngineError, match=r"built by version 10\.3\.0, here is 10\.9.*autodrive engine build"):
        find_plan(tmp_path, RECIPE.network_sha256, "tensorrt", "10.9", "8.7")
    with pytest.raises(EngineError, match="none of this network"):
        find_plan(tmp_path, "cd" * 32, "tensorrt", "10.3.0", "8.7")


def test_int8_wants_ranges_and_a_quantised_network_wants_int8() -> None:
    manifest = load_manifest(DEFAULT_ENGINE)
    with pytest.raises(EngineError, match="engine quantise --scheme tensorrt"):
        typed(b"data", manifest, "int8")
    quantised = replace(manifest, training={"quantisation": {"scheme": "tensorrt"}})
    assert typed(b"data", quantised, "int8") == b"data"
    with pytest.raises(EngineError, match="--precision int8"):
        typed(b"data", quantised, "fp16")


def test_without_a_driver_the_target_says_where_to_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libabsent.so.1")
    with pytest.raises(EnvironmentProblem, match="no NVIDIA driver"):
        cuda_driver.find_device()
    for target in ("host", "orin", "thor"):
        with pytest.raises(EngineError, match="on the GPU that will run the engine"):
            choose_builder(target)


# ---- real builds: TensorRT-RTX needs no GPU for them (`make rtx` installs it) ----


@pytest.fixture(scope="module")
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="not installed: pip install -r requirements-gpu.txt")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_shipped_network_builds_and_is_found_again(rtx, precision: str, tmp_path: Path, capsys) -> None:
    command = ["engine", "build", "--target", "rtx", "--precision", precision, "--cache", str(tmp_path)]
    assert main(command) == 0
    record = Path(capsys.readouterr().out.split(": ")[0])
    recipe, plan = read_plan(record)
    assert plan[:4] == b"vtrt" and len(plan) > 1_000_000
    assert (recipe.capability, recipe.precision, recipe.version) == (PORTABLE, precision, rtx.__version__)
    before = record.with_suffix(".plan").stat().st_mtime_ns
    assert main(command) == 0 and "built before" in capsys.readouterr().out
    assert record.with_suffix(".plan").stat().st_mtime_ns == before


def test_what_is_no_network_is_refused_in_the_parsers_words(rtx) -> None:
    with pytest.raises(EngineError, match="cannot read this network"):
        build_plan(rtx, b"no network", "fp32", (2, 8, 16))


def test_a_tampered_network_is_never_built(rtx, tmp_path: Path, capsys) -> None:
    write_manifest(tmp_path / "vision.yaml", load_manifest(DEFAULT_ENGINE))
    (tmp_path / "vision.onnx").write_bytes(b"other")
    assert main(["engine", "build", str(tmp_path / "vision.yaml"), "--target", "rtx", "--cache", str(tmp_path)]) == 1
    assert "corrupted" in capsys.readouterr().err and not list(tmp_path.glob("*.plan"))
