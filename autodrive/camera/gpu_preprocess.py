"""Runs engines/kernels/preprocess.cu on a CUDA device through pycuda, into the engine's own input buffer.

Tests without a GPU cover the kernel's arithmetic (compiled for the host), its compilation for every architecture, the
structs, and what such a machine is told; `make gpu-check` and test_gpu_preprocess.py run the rest where there is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autodrive.camera.kernel_camera import BLOCK, kernel_camera, launch_grid, normalisation, rows_read
from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.inference.engine import DeviceImages, Engine
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Rig

KERNELS = {np.dtype(np.float32): "preprocess_f32", np.dtype(np.float16): "preprocess_f16"}
WORTH_THREADS_BYTES = 4 << 20  # less is copied sooner than it is handed out


class GpuPreprocessor:
    """All cameras of a rig in one launch; everything is allocated once, in the device's primary context.

    A driver may decode straight into ``buffers``, one page-locked array per camera in rig order and of its format's
    ``buffer_shape``; only ``rows_read`` of each matter.
    """

    def __init__(self, rig: Rig, formats: Sequence[PixelFormat], source: Path, dtype: DTypeLike = np.float32) -> None:
        """``source`` is preprocess.cu, compiled by nvcc for the device that is there; ``dtype`` is float32 or float16.

        Raises EnvironmentProblem without a GPU, pycuda or nvcc, InputError for formats that do not fit the rig.
        """
        if len(formats) != len(rig.cameras):
            raise InputError(f"got {len(formats)} pixel formats, the rig has {len(rig.cameras)} cameras")
        if np.dtype(dtype) not in KERNELS:
            raise InputError(f"the kernel writes float32 or float16, not {np.dtype(dtype)}")
        shapes = [buffer_shape(f, c.width, c.height) for f, c in zip(formats, rig.cameras, strict=True)]
        self._cuda, self._context, self._kernel = _kernel(source, KERNELS[np.dtype(dtype)])
        try:
            with entered(self._context):
                self._allocate(rig, formats, shapes)
        except self._cuda.Error as error:
            raise EnvironmentProblem(
                f"the GPU has no room to pre-process in ({error}); the CPU path does it"
            ) from error

    def _allocate(self, rig: Rig, formats: Sequence[PixelFormat], shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = [int(np.prod(shape)) for shape in shapes]
        starts = np.concatenate([[0], np.cumsum([-(-size // 256) * 256 for size in sizes])])
        pinned = self._cuda.pagelocked_empty(int(starts[-1]), np.uint8)
        self._pixels = self._cuda.mem_alloc(int(starts[-1]))
        self.buffers: list[NDArray[np.uint8]] = [
            pinned[start : start + size].reshape(shape)
            for start, size, shape in zip(starts[:-1], sizes, shapes, strict=True)
        ]
        cameras = [
            kernel_camera(camera, fmt, int(self._pixels) + int(start))
            for camera, fmt, start in zip(rig.cameras, formats, starts[:-1], strict=True)
        ]
        self._cameras = self._cuda.to_device(np.stack(cameras).view(np.uint8))
        self._normalisation = self._cuda.to_device(np.atleast_1d(normalisation()).view(np.uint8))
        self._rows = [rows_read(camera, fmt) for camera, fmt in zip(rig.cameras, formats, strict=True)]
        self._copies = [
            (int(self._pixels) + int(start) + rows.start * buffer[0].nbytes, buffer[rows])
            for start, buffer, parts in zip(starts[:-1], self.buffers, self._rows, strict=True)
            for rows in parts
        ]
        threads = min(len(cameras), os.cpu_count() or 1)
        worth = sum(pixels.nbytes for _, pixels in self._copies) > WORTH_THREADS_BYTES
        self._pool = ThreadPoolExecutor(threads) if worth else None  # numpy copies without the GIL
        self._grid = launch_grid(len(cameras))
        self._stream = self._cuda.Stream()

    def fill(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Copy the ``rows_read`` of images into ``buffers``; raises InputError for another number, shape or type."""
        if len(images) != len(self.buffers):
            raise InputError(f"got {len(images)} images, the rig has {len(self.buffers)} cameras")
        for number, (buffer, image) in enumerate(zip(self.buffers, images, strict=True)):
            if image.shape != buffer.shape or image.dtype != np.uint8:
                raise InputError(
                    f"camera {number}: got an image of shape {image.shape} and type {image.dtype}, "
                    f"expected {buffer.shape} uint8"
                )
        # consuming the results raises what a thread raised
        for _ in (self._pool.map if self._pool else map)(_copy_rows, self.buffers, images, self._rows):
            pass

    def write(self, output: int) -> None:
        """Copy ``buffers`` to the device and pre-process them into the engine's input at device address ``output``.

        That is (N, 3, NETWORK_HEIGHT, NETWORK_WIDTH) of ``dtype``; it is complete when this returns.
        """
        with entered(self._context):  # the thread that works need not be the one that set up
            self.queue_copy(self._stream)
            self.queue_kernel(output, self._stream)
            self._stream.synchronize()

    def queue_copy(self, stream: Any) -> None:
        """Queue the copy of ``buffers`` on a pycuda stream; they may be written again when it is done."""
        for target, pixels in self._copies:
            self._cuda.memcpy_htod_async(target, pixels, stream)

    def queue_kernel(self, output: int, stream: Any) -> None:
        """Queue the kernel on a pycuda stream."""
        pointers = (np.uintp(int(p)) for p in (self._cameras, self._normalisation, output))
        size = np.int32(NETWORK_WIDTH), np.int32(NETWORK_HEIGHT)
        self._kernel(*pointers, *size, grid=self._grid, block=BLOCK, stream=stream)


class GpuFrontEnd:
    """Camera images straight into the input of an engine that has one on the GPU; the images are RGB8."""

    def __init__(self, engine: Engine, rig: Rig, source: Path) -> None:
        """``source`` is preprocess.cu. Raises EnvironmentProblem that says what is missing."""
        address = engine.bind_images(len(rig.cameras)) if isinstance(engine, DeviceImages) else None
        if address is None:
            raise EnvironmentProblem(f"{engine.runtime} takes its images from host memory; the CPU path prepares them")
        self._address = address
        self._preprocessor = GpuPreprocessor(rig, [PixelFormat.RGB8] * len(rig.cameras), source)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Pre-process; raises InputError for another number, shape or type of images."""
        self._preprocessor.fill(images)
        self._preprocessor.write(self._address)


def _copy_rows(target: NDArray[np.uint8], image: NDArray[np.uint8], parts: tuple[slice, ...]) -> None:
    for rows in parts:
        np.copyto(target[rows], image[rows])


@contextmanager
def entered(context: Any) -> Iterator[None]:
    """Make a context of pycuda's the thread's current one for a while."""
    context.push()
    try:
        yield
    finally:
        context.pop()


def _kernel(source: Path, name: str) -> tuple[Any, Any, Any]:
    """pycuda's driver, the primary context and the function ``name``, compiled for its device."""
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise EnvironmentProblem(
            f"pre-processing on the GPU needs pycuda and NVIDIA's driver ({error}); without them the CPU path does it"
        ) from error
    try:
        cuda.init()
        from pycuda.autoprimaryctx import context  # TensorRT, onnxruntime and torch use this one too
    except (cuda.Error, RuntimeError) as error:  # of different kinds: no driver that works, no device
        raise EnvironmentProblem(f"no CUDA device to pre-process on ({error}); the CPU path does it") from error
    try:
        with entered(context):
            return cuda, context, _compile(source).get_function(name)
    except (cuda.Error, OSError) as error:
        raise EnvironmentProblem(
            f"{source} does not compile ({error}); is nvcc of the driver's version there?"
        ) from error


@cache
def _compile(source: Path) -> Any:
    """The kernels for the device of the current context; nvcc takes a second or two, once per process."""
    from pycuda.compiler import SourceModule

    options = ["-std=c++17", "-O3"]
    beside = str(source.resolve().parent)  # nvcc works in another folder
    return SourceModule(source.read_text(), options=options, no_extern_c=True, include_dirs=[beside])
