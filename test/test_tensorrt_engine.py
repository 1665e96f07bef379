"""Our use of TensorRT and of NVIDIA's driver, with a driver that computes on the host.

It shows buffers, shapes, names and graphs to be right. It cannot show races, rounding or speed of a GPU.
"""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fake_tensorrt
import numpy as np
import pytest

from autodrive.data.export import example_inputs
from autodrive.errors import EngineError, EnvironmentProblem
from autodrive.gpu_check.engines import load_all
from autodrive.inference import cuda_driver
from autodrive.inference.engine import DeviceImages, load_best, load_engine
from autodrive.inference.manifest import load_manifest
from autodrive.inference.plan import Recipe, store_plan
from autodrive.inference.signing import development_key
from autodrive.inference.tensorrt_load import load_tensorrt
from autodrive_nodes.paths import DEFAULT_ENGINE

MANIFEST = load_manifest(DEFAULT_ENGINE)
PLAN = DEFAULT_ENGINE.with_suffix(".onnx").read_bytes()
RECIPE = Recipe("vision", MANIFEST.sha256, "tensorrt", "10.3.0", "8.7", platform.machine(), "fp32", (2, 8, 16))


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cuda") / "libcuda.so.1"
    source = Path(__file__).with_name("fake_cuda.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", path, source], check=True)
    return path


@pytest.fixture
def driver(library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ctypes.CDLL:
    """The fake driver and TensorRT in place, one engine of the shipped network in the user's cache."""
    loaded = ctypes.CDLL(str(library))
    loaded.fake_devices(1)
    monkeypatch.setattr(cuda_driver, "LIBRARY", str(library))
    monkeypatch.setattr(fake_tensorrt, "CUDA", loaded)
    monkeypatch.setattr(fake_tensorrt, "__name__", "tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store_plan(tmp_path / "autodrive" / "engines", RECIPE, PLAN, development_key())
    return loaded


def test_outputs_are_those_of_onnxruntime_whatever_came_before(driver: ctypes.CDLL) -> None:
    engine, reference = load_engine(DEFAULT_ENGINE, "tensorrt"), load_engine(DEFAULT_ENGINE)
    kept, before = [], driver.fake_captured()
    for cameras, seed in ((4, 1), (4, 2), (8, 3), (16, 4), (4, 1)):
        inputs = example_inputs(cameras, seed)
        expected, got = reference.run(inputs), engine.run(inputs)
        kept.append(got)
        assert list(got) == list(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, atol=1e-4, rtol=1e-4, err_msg=f"{name}, {cameras} cameras")
    for name, value in kept[0].items():
        np.testing.assert_array_equal(kept[-1][name], value)
    assert driver.fake_captured() - before == 4, "one graph for every change of shapes, none for a frame like the last"


def test_images_that_lie_on_the_device_are_used_where_they_lie(driver: ctypes.CDLL) -> None:
    engine = load_engine(DEFAULT_ENGINE, "tensorrt")
    assert isinstance(engine, DeviceImages)
    for cameras, seed in ((4, 1), (8, 2)):
        inputs = example_inputs(cameras, seed)
        expected = engine.run(inputs)
        address = engine.bind_images(cameras)
        assert address is not None
        engine.run(example_inputs(cameras, seed + 5))  # something else lies there now
        ctypes.memmove(address, inputs["images"].ctypes.data, inputs["images"].nbytes)  # this device is the host
        others = {name: value for name, value in inputs.items() if name != "images"}
        for name, value in engine.run_bound(others).items():
            np.testing.assert_array_equal(value, expected[name])
        with pytest.raises(EngineError, match="takes inputs"):
            engine.run_bound(inputs)
    with pytest.raises(EngineError, match="not built for 17"):
        engine.bind_images(17)


def test_the_gpu_check_takes_built_engines_and_names_what_breaks(driver: ctypes.CDLL, tmp_path: Path) -> None:
    device, cache = cuda_driver.find_device(), tmp_path / "check"
    store_plan(cache / "fp32", RECIPE, PLAN, development_key())
    loaded = load_all(DEFAULT_ENGINE, device, 1, cache)
    assert [engine.runtime for engine in loaded.engines[1:]] == ["tensorrt 10.3.0 fp32 on Host pretending"]
    assert len(loaded.broken) == 1 and "tensorrt: AttributeError" in loaded.broken[0], "the fake one cannot build"
    store_plan(cache / "fp16", replace(RECIPE, precision="fp16"), PLAN, development_key())
    loaded = load_all(DEFAULT_ENGINE, device, 1, cache)
    assert not loaded.broken and loaded.engines[2].runtime == "tensorrt 10.3.0 fp16 on Host pretending"


def test_everything_is_given_back(driver: ctypes.CDLL) -> None:
    before = driver.fake_live()
    engine = load_tensorrt("tensorrt", MANIFEST)
    engine.run(example_inputs(4))
    bound = driver.fake_live()
    engine.run(example_inputs(4, seed=1))
    assert driver.fake_live() == bound > before, "a run allocates nothing"
    engine.close()
    assert driver.fake_live() == before


def test_auto_takes_the_gpu_and_the_runtime_says_so(driver: ctypes.CDLL) -> None:
    engine, reasons = load_best(DEFAULT_ENGINE)
    assert engine.runtime == "tensorrt 10.3.0 fp32 on Host pretending" and reasons == []


def test_more_cameras_than_built_for_are_refused_and_the_engine_lives_on(driver: ctypes.CDLL) -> None:
    engine = load_engine(DEFAULT_ENGINE, "tensorrt")
    with pytest.raises(EngineError, match="built for 2 to 16 cameras"):
        engine.run(example_inputs(17))
    assert engine.run(example_inputs(4))["heat"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"version": "10.7.0"}, "built by version 10.7.0, here is 10.3.0"), ({"capability": "8.9"}, "this GPU has 8.7")],
)
def test_an_engine_of_another_version_or_gpu_is_not_loaded(
    driver: ctypes.CDLL, tmp_path: Path, change: dict, message: str
) -> None:
    store_plan(tmp_path, replace(RECIPE, **change), PLAN, development_key())
    with pytest.raises(EngineError, match=message):
        load_tensorrt("tensorrt", MANIFEST, cache=tmp_path)


def test_a_plan_that_tensorrt_refuses_or_that_is_another_network_is_an_error(
    driver: ctypes.CDLL, tmp_path: Path
) -> None:
    store_plan(tmp_path, RECIPE, b"no plan", development_key())
    with pytest.raises(EngineError, match="refuses the engine"):
        load_tensorrt("tensorrt", MANIFEST, cache=tmp_path)
    store_plan(tmp_path, RECIPE, PLAN, development_key())
    with pytest.raises(EngineError, match="its outputs are"):
        load_tensorrt("tensorrt", replace(MANIFEST, outputs=MANIFEST.outputs[:-1]), cache=tmp_path)


def test_no_device_and_no_memory_are_said_in_the_drivers_words(driver: ctypes.CDLL) -> None:
    with pytest.raises(EnvironmentProblem, match=r"cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY \(2\)"):
        cuda_driver.CudaStream().allocate(2**40)
    driver.fake_devices(0)
    with pytest.raises(EngineError, match="finds no device"):
        load_engine(DEFAULT_ENGINE, "tensorrt")
    driver.fake_devices(-1)
    with pytest.raises(EngineError, match="CUDA_ERROR_NO_DEVICE"):
        load_engine(DEFAULT_ENGINE, "tensorrt")
