"""Runs engines/kernels/preprocess.cu on a CUDA device through pycuda, into the engine's own input buffer.

Not run where this was written, for lack of a GPU. Tested there are the kernel's arithmetic (compiled for the host),
its compilation for every architecture, the structs, and what a machine without a GPU is told.
test_gpu_preprocess.py runs the rest where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autodrive.camera.kernel_camera import BLOCK, kernel_camera, launch_grid, normalisation
from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.errors import EnvironmentProblem, InputError
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Rig

KERNELS = {np.dtype(np.float32): "preprocess_f32", np.dtype(np.float16): "preprocess_f16"}


class GpuPreprocessor:
    """All cameras of a rig in one copy and one launch; everything is allocated once, in the device's primary context.

    A driver may decode straight into ``buffers``, one page-locked array per camera in rig order and of its format's
    ``buffer_shape``.
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
        self._cuda, self._kernel = _kernel(source, KERNELS[np.dtype(dtype)])
        sizes = [int(np.prod(shape)) for shape in shapes]
        starts = np.concatenate([[0], np.cumsum([-(-size // 256) * 256 for size in sizes])])
        self._pinned = self._cuda.pagelocked_empty(int(starts[-1]), np.uint8)
        self._pixels = self._cuda.mem_alloc(int(starts[-1]))
        self.buffers: list[NDArray[np.uint8]] = [
            self._pinned[start : start + size].reshape(shape)
            for start, size, shape in zip(starts[:-1], sizes, shapes, strict=True)
        ]
        cameras = [
            kernel_camera(camera, fmt, int(self._pixels) + int(start))
            for camera, fmt, start in zip(rig.cameras, formats, starts[:-1], strict=True)
        ]
        self._cameras = self._cuda.to_device(np.stack(cameras).view(np.uint8))
        self._normalisation = self._cuda.to_device(np.atleast_1d(normalisation()).view(np.uint8))
        self._grid = launch_grid(len(cameras))

    def fill(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Copy images into ``buffers``; raises InputError for another number, shape or type."""
        if len(images) != len(self.buffers):
            raise InputError(f"got {len(images)} images, the rig has {len(self.buffers)} cameras")
        for number, (buffer, image) in enumerate(zip(self.buffers, images, strict=True)):
            if image.shape != buffer.shape or image.dtype != np.uint8:
                raise InputError(
                    f"camera {number}: got an image of shape {image.shape} and type {image.dtype}, "
                    f"expected {buffer.shape} uint8"
                )
            np.copyto(buffer, image)

    def launch(self, output: int, stream: Any) -> None:
        """Queue copy and kernel on a pycuda ``stream``; ``output`` is the device address of the engine's input.

        That is (N, 3, NETWORK_HEIGHT, NETWORK_WIDTH) of ``dtype``. ``buffers`` may be written
        again when the stream is done.
        """
        self._cuda.memcpy_htod_async(self._pixels, self._pinned, stream)
        pointers = (np.uintp(int(p)) for p in (self._cameras, self._normalisation, output))
        size = np.int32(NETWORK_WIDTH), np.int32(NETWORK_HEIGHT)
        self._kernel(*pointers, *size, grid=self._grid, block=BLOCK, stream=stream)


def _kernel(source: Path, name: str) -> tuple[Any, Any]:
    """pycuda's driver and the function ``name``, compiled for the device of the primary context."""
    try:
        import pycuda.driver as cuda

        cuda.init()
        import pycuda.autoprimaryctx  # noqa: F401 (TensorRT, onnxruntime and torch use this context too)
        from pycuda.compiler import SourceModule
    except ImportError as error:
        raise EnvironmentProblem(
            f"pre-processing on the GPU needs pycuda and NVIDIA's driver ({error}); without them the CPU path does it"
        ) from error
    except RuntimeError as error:  # pycuda's errors are RuntimeErrors
        raise EnvironmentProblem(f"no CUDA device to pre-process on ({error}); the CPU path does it") from error
    try:
        options = ["-std=c++17", "-O3"]
        module = SourceModule(source.read_text(), options=options, no_extern_c=True, include_dirs=[str(source.parent)])
    except (cuda.CompileError, OSError) as error:
        raise EnvironmentProblem(
            f"{source} does not compile ({error}); is nvcc of the driver's version there?"
        ) from error
    return cuda, module.get_function(name)
