"""The pre-processing kernel, compiled for the host, against OpenCV; and nvcc's opinion of it for every architecture."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_pycuda import SOURCE, host_kernels
from fake_samples import shipped_rig
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.camera.kernel_camera import BLOCK, CAMERA, kernel_camera, launch_grid, normalisation, rows_read
from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.errors import InputError
from autodrive.gpu_check.opencv_reference import opencv_reference
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import Preprocessor

RIG = shipped_rig("humanoid")
ARCHITECTURES = (80, 87, 89, 90, 100, 110, 120)
LENSES = {
    "plumb_bob": [(), (-0.25, 0.08, 0.001, -0.0005, -0.01), (0.1, -0.05, 0.002, 0.001)],
    "rational_polynomial": [(0.5, -0.2, 0.001, 0.0, 0.05, 0.7, -0.1, 0.02)],
    "equidistant": [(-0.02, 0.01, 0.0, 0.0), (0.05, -0.01, 0.004, -0.001)],
}
lenses = st.sampled_from([(model, k) for model, options in LENSES.items() for k in options])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernel for the host")
    return host_kernels(tmp_path_factory.mktemp("kernels"))


def camera(width: int, height: int, lens: tuple[str, tuple[float, ...]], focal: float) -> Camera:
    K = np.array([[focal * width, 0, 0.48 * width], [0, focal * width * 1.02, 0.53 * height], [0, 0, 1.0]])
    return replace(RIG.cameras[0], width=width, height=height, K=K, distortion=np.array(lens[1]), model=lens[0])


def picture(pixel_format: PixelFormat, cam: Camera, seed: int) -> np.ndarray:
    shape = buffer_shape(pixel_format, cam.width, cam.height)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def run(host: ctypes.CDLL, items: list, dtype: type) -> np.ndarray:
    """What the kernel makes of (camera, format, image) items, as grey levels."""
    cameras = np.stack([kernel_camera(cam, fmt, image.ctypes.data) for cam, fmt, image in items])
    norm = normalisation()
    out = np.full((len(items), 3, NETWORK_HEIGHT, NETWORK_WIDTH), np.nan, dtype)
    kernel = host.preprocess_f32_host if dtype is np.float32 else host.preprocess_f16_host
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (cameras, norm, out)]
    grid = (ctypes.c_uint * 3)(*launch_grid(len(items)))
    kernel(grid, (ctypes.c_uint * 3)(*BLOCK), *pointers, NETWORK_WIDTH, NETWORK_HEIGHT)
    return out.astype(np.float64) * PIXEL_STD[0] + PIXEL_MEAN[0]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PixelFormat),
    lenses,
    st.integers(16, 720),
    st.integers(16, 500),
    st.floats(0.35, 1.5),
    st.integers(),
)
def test_any_image_is_within_one_grey_level_of_opencv(
    host: ctypes.CDLL, pixel_format: PixelFormat, lens, half_width: int, half_height: int, focal: float, seed: int
) -> None:
    cam = camera(2 * half_width, 2 * half_height, lens, focal)
    image = picture(pixel_format, cam, abs(seed))
    ours = run(host, [(cam, pixel_format, image)], np.float32)[0]
    assert np.isfinite(ours).all()
    difference = np.abs(ours - opencv_reference(cam, pixel_format, image))
    assert difference.max() <= 1.0
    assert difference.mean() <= 0.3


def test_cameras_of_different_kinds_in_one_launch_do_not_mix(host: ctypes.CDLL) -> None:
    kinds = [
        (camera(1280, 960, ("plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0)), 0.6), PixelFormat.NV12),
        (camera(640, 480, ("equidistant", (0.01, 0.0, 0.0, 0.0)), 0.4), PixelFormat.BAYER_GRBG8),
        (camera(320, 160, ("plumb_bob", ()), 0.7), PixelFormat.RGB8),
    ]
    items = [(cam, fmt, picture(fmt, cam, k)) for k, (cam, fmt) in enumerate(kinds)]
    together = run(host, items, np.float32)
    for item, ours in zip(items, together, strict=True):
        np.testing.assert_array_equal(run(host, [item], np.float32)[0], ours)
        assert np.abs(ours - opencv_reference(*item)).max() <= 1.0


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PixelFormat),
    lenses,
    st.integers(16, 720),
    st.integers(16, 500),
    st.floats(0.35, 1.5),
    st.floats(-0.5, 1.5),
)
def test_nothing_is_read_but_the_rows_that_are_said_to_be(
    host: ctypes.CDLL, pixel_format: PixelFormat, lens, half_width: int, half_height: int, focal: float, middle: float
) -> None:
    cam = camera(2 * half_width, 2 * half_height, lens, focal)
    K = cam.K.copy()
    K[1, 2] = middle * cam.height
    cam = replace(cam, K=K)
    image, partial = picture(pixel_format, cam, 1), picture(pixel_format, cam, 2)
    for rows in rows_read(cam, pixel_format):
        partial[rows] = image[rows]
    whole, part = (run(host, [(cam, pixel_format, pixels)], np.float32) for pixels in (image, partial))
    np.testing.assert_array_equal(part, whole)


def test_rows_above_the_view_are_not_read() -> None:
    cam = camera(1280, 960, ("plumb_bob", (-0.25, 0.08, 0.001, -0.0005, -0.01)), 0.6)
    (rows,) = rows_read(cam, PixelFormat.RGB8)
    assert rows.start > 0 and rows.stop - rows.start < 0.7 * cam.height


def test_half_precision_is_the_same_to_its_last_digit(host: ctypes.CDLL) -> None:
    cam = camera(640, 480, ("plumb_bob", (-0.25, 0.08, 0.001, 0.0, 0.0)), 0.6)
    item = (cam, PixelFormat.RGB8, picture(PixelFormat.RGB8, cam, 5))
    full, half = run(host, [item], np.float32), run(host, [item], np.float16)
    assert 0 < np.abs(full - half).max() <= 64 * 2**-10  # values up to 2, of which half a last digit is 2**-11


@settings(max_examples=15, deadline=None)
@given(lenses, st.sampled_from([(1280, 960), (640, 480), (1000, 604), (320, 160), (200, 120)]), st.floats(0.4, 1.2))
def test_the_cpu_path_is_the_kernels(host: ctypes.CDLL, lens, size: tuple[int, int], focal: float) -> None:
    """On a smooth image: remap's fixed point has 1/32 pixel, which noise would turn into several grey levels."""
    cam = camera(*size, lens, focal)
    noise = np.random.default_rng(3).integers(0, 256, (5, 6, 3), np.uint8)
    image = np.ascontiguousarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    (cpu,) = Preprocessor(Rig("test", (cam,), RIG.extent)).network_images([image])
    kernel = run(host, [(cam, PixelFormat.RGB8, image)], np.float32)[0]
    edge = 255 / 32  # where the image ends, that fraction of a pixel is one of white against black
    difference = np.abs(kernel - cpu.transpose(2, 0, 1))
    assert difference.max() <= edge + 1 and np.quantile(difference, 0.95) <= 1.5


@pytest.mark.parametrize("size", [(321, 200), (320, 201)])
def test_a_size_that_a_format_cannot_have_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"NV12 needs even sizes, got"):
        kernel_camera(camera(*size, ("plumb_bob", ()), 0.6), PixelFormat.NV12, 0)


def test_the_struct_has_the_compilers_layout(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    fields = [name for name in CAMERA.names or () if name != "pixels"]
    lines = [f'static_assert(offsetof(Camera, {n}) == {CAMERA.fields[n][1]}, "{n}");' for n in fields]
    lines.append(f'static_assert(sizeof(Camera) == {CAMERA.itemsize}, "size");')
    source = tmp_path / "layout.cc"
    source.write_text(f'#include <cstddef>\n#include "{SOURCE}"\n' + "\n".join(lines))
    subprocess.run(["g++", "-std=c++17", "-fsyntax-only", "-w", source], check=True)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvcc_compiles_it_without_spilling(tmp_path: Path, architecture: int) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc on this machine: nothing is said about the device build")
    command = ["nvcc", "-std=c++17", "-O3", f"-arch=sm_{architecture}", "--cubin", "-Xptxas", "-v"]
    result = subprocess.run([*command, SOURCE, "-o", tmp_path / "k.cubin"], capture_output=True, text=True)
    if "not defined for option" in result.stderr or "Unsupported gpu architecture" in result.stderr:
        pytest.skip(f"this nvcc does not know sm_{architecture}")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("0 bytes spill stores, 0 bytes spill loads") == 2
