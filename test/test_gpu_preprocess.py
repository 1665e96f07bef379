"""The kernel on a real GPU against the CPU path; without one, that the machine says so."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from fake_pycuda import SOURCE, Memory, host_kernels, install
from fake_samples import shipped_rig
from gpu import has_gpu

from autodrive.camera.gpu_preprocess import GpuPreprocessor
from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.gpu_check.kernels import ring_of_cameras
from autodrive.gpu_check.opencv_reference import opencv_reference
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import Preprocessor

RIG = shipped_rig("humanoid")
FORMATS = [PixelFormat.RGB8] * len(RIG.cameras)


def test_without_a_gpu_it_says_so() -> None:
    if has_gpu():
        pytest.skip("there is a GPU")
    with pytest.raises(EnvironmentProblem, match="CPU path does it"):
        GpuPreprocessor(RIG, FORMATS, SOURCE)


class PycudaError(Exception):
    """The base of pycuda's errors, which is no RuntimeError, its "RuntimeError" included."""


@pytest.mark.parametrize("error", [PycudaError("cuInit failed"), RuntimeError("no context on 0 devices")])
def test_pycuda_without_a_device_leaves_it_to_the_cpu(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise error

    driver = types.SimpleNamespace(init=init, Error=PycudaError)
    monkeypatch.setitem(sys.modules, "pycuda", types.SimpleNamespace(driver=driver))
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    with pytest.raises(EnvironmentProblem, match=f"{error}.*CPU path does it"):
        GpuPreprocessor(RIG, FORMATS, SOURCE)


def test_formats_that_do_not_fit_are_refused_before_the_gpu_is_asked() -> None:
    with pytest.raises(InputError, match="rig has 4 cameras"):
        GpuPreprocessor(RIG, FORMATS[:1], SOURCE)
    with pytest.raises(InputError, match="float64"):
        GpuPreprocessor(RIG, FORMATS, SOURCE, np.float64)


@pytest.mark.parametrize("size", [(640, 400), (1280, 960)])  # copied by one thread, by several
def test_rows_of_many_cameras_land_where_the_kernel_looks(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host memory stands in for the device's: every camera another format, only the rows that are needed copied."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernel for the host")
    install(monkeypatch, host_kernels(tmp_path))
    formats = list(PixelFormat)
    rig = ring_of_cameras(RIG, len(formats), *size, (-0.25, 0.08, 0.001, -0.0005, -0.01))
    preprocess = GpuPreprocessor(rig, formats, SOURCE)
    output = Memory(4 * len(formats) * 3 * NETWORK_HEIGHT * NETWORK_WIDTH)
    for seed in range(2):  # the second must not see what the first left
        rng = np.random.default_rng(seed)
        shapes = [buffer_shape(f, c.width, c.height) for f, c in zip(formats, rig.cameras, strict=True)]
        images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
        preprocess.fill(images)
        preprocess.write(int(output))
        result = output.data.view(np.float32).reshape(len(formats), 3, NETWORK_HEIGHT, NETWORK_WIDTH)
        for camera, fmt, image, planes in zip(rig.cameras, formats, images, result, strict=True):
            grey = planes * PIXEL_STD[0] + PIXEL_MEAN[0]
            assert np.abs(grey - opencv_reference(camera, fmt, image)).max() <= 1.0, fmt.name
    with pytest.raises(InputError, match=r"camera 1: .* expected"):
        preprocess.fill([images[0], images[1][1:], *images[2:]])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_gpu_gives_what_the_cpu_gives(dtype: type) -> None:
    if not has_gpu():
        pytest.skip("no GPU on this machine: nothing is said about the device")
    cuda = pytest.importorskip("pycuda.driver", reason="pip install -r requirements-cuda.txt")

    images = [np.random.default_rng(k).integers(0, 256, (160, 320, 3), np.uint8) for k in range(len(RIG.cameras))]
    expected = Preprocessor(RIG)(images)
    preprocess = GpuPreprocessor(RIG, FORMATS, SOURCE, dtype)
    result = np.empty(expected.shape, dtype)
    output = cuda.mem_alloc(result.nbytes)
    preprocess.fill(images)
    preprocess.write(int(output))
    cuda.memcpy_dtoh(result, output)
    np.testing.assert_allclose(result.astype(np.float32), expected, atol=1 / 64)  # one grey level
