"""The pre-processing kernel on the device: against OpenCV, and against what the memory of the card allows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodrive.camera.gpu_preprocess import GpuPreprocessor, entered
from autodrive.camera.pixel_formats import PixelFormat, buffer_shape
from autodrive.gpu_check.opencv_reference import opencv_reference
from autodrive.gpu_check.report import Table
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig
from autodrive.scene import GridExtent
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import Preprocessor, reduction

LENSES: dict[str, tuple[tuple[float, ...], ...]] = {
    "plumb_bob": ((), (-0.25, 0.08, 0.001, -0.0005, -0.01)),
    "rational_polynomial": ((0.5, -0.2, 0.001, 0.0, 0.05, 0.7, -0.1, 0.02),),
    "equidistant": ((-0.02, 0.01, 0.0, 0.0),),
}
# the second is odd in everything that may be odd: halves of it, its ratio to the network's size
SIZES = ((1280, 960), (634, 410), (320, 160))
MOST_GREY_LEVELS = 1.0
# float16 near 2 has steps of 2**-10, in grey levels of PIXEL_STD
HALF_STEP = 2.0**-10 * PIXEL_STD[0]
ROTATED_SETS = 4  # of images, together larger than the card's cache
REPEATS = 100
_EXTENT_OF_NOTHING = GridExtent(-1.0, 1.0, -1.0, 1.0)  # a rig needs one; pre-processing does not
COPIED_BYTES = 1 << 30
PLUG_COPIES = 24


def check_against_opencv(rig: Rig, source: Path) -> Table:
    """Every pixel format, lens and size, random images, float32 and float16."""
    rows, passed = [], True
    for dtype, allowed in ((np.float32, MOST_GREY_LEVELS), (np.float16, MOST_GREY_LEVELS + HALF_STEP)):
        for pixel_format in PixelFormat:
            errors = [_largest_error(camera, pixel_format, source, dtype, k) for k, camera in enumerate(_cameras(rig))]
            passed = passed and max(errors) <= allowed
            rows.append(
                {
                    "format": pixel_format.name,
                    "output": np.dtype(dtype).name,
                    "cameras": len(errors),
                    "largest error, grey levels": round(max(errors), 4),
                    "allowed": round(allowed, 4),
                }
            )
    sizes = ", ".join(f"{w}x{h}" for w, h in SIZES)
    note = f"Cameras: {sizes}, each with {sum(map(len, LENSES.values()))} lenses ({', '.join(LENSES)}); random pixels."
    return Table("Pre-processing kernel against OpenCV", tuple(rows), passed, (note,))


def measure_throughput(rig: Rig, source: Path) -> Table:
    """The kernel and its copy beside the CPU path and the floor: each byte that is needed read once, written once."""
    GpuPreprocessor(rig, [PixelFormat.RGB8] * len(rig.cameras), source)  # says what is missing, if anything is
    import pycuda.driver as cuda
    from pycuda.autoprimaryctx import context

    with entered(context):
        watch = _Stopwatch(cuda)
        rows = [
            _throughput(watch, rig, source, count, size, dtype)
            for count, size in ((8, (1280, 960)), (4, (640, 400)))
            for dtype in (np.float32, np.float16)
        ]
    notes = (
        f"Memory of the card, by copying 1 GiB within it: {watch.bandwidth / 1e9:.0f} GB/s read and written.",
        f"rgb8 with lens distortion; {ROTATED_SETS} sets of images in turn, so that no cache is measured; medians of "
        f"{REPEATS} launches timed by events. The floor counts the pixels of the rows that the network sees. The copy "
        "brings those rows, and a few spare ones, from page-locked memory of the host.",
    )
    return Table("Throughput of the pre-processing kernel", tuple(rows), None, notes)


def ring_of_cameras(rig: Rig, count: int, width: int, height: int, lens: tuple[float, ...] = ()) -> Rig:
    """``count`` cameras of that size, looking around as those of ``rig`` do."""
    cameras = itertools.islice(itertools.cycle(rig.cameras), count)
    return replace(
        rig,
        cameras=tuple(
            replace(_sized(c, width, height, 0.6), name=f"camera_{k}", distortion=np.array(lens))
            for k, c in enumerate(cameras)
        ),
    )


def random_images(rig: Rig, seed: int) -> list[NDArray[np.uint8]]:
    """One RGB image per camera; zeros would run faster than what cameras see."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in rig.cameras]


def _cameras(rig: Rig) -> Iterator[Camera]:
    for (width, height), (model, lenses) in itertools.product(SIZES, LENSES.items()):
        for lens in lenses:
            yield replace(_sized(rig.cameras[0], width, height, 0.55), model=model, distortion=np.array(lens))


def _sized(camera: Camera, width: int, height: int, focal: float) -> Camera:
    K = np.array([[focal * width, 0, 0.48 * width], [0, focal * width * 1.02, 0.53 * height], [0, 0, 1.0]])
    return replace(camera, width=width, height=height, K=K, distortion=np.zeros(0), model="plumb_bob")


def run_all(rig: Rig, source: Path) -> int:
    """Every camera with every pixel format once in float32; returns how many pairs that were."""
    pairs = list(itertools.product(_cameras(rig), PixelFormat))
    for number, (camera, pixel_format) in enumerate(pairs):
        _seen(camera, pixel_format, _random_image(camera, pixel_format, number), source, np.float32)
    return len(pairs)


def _random_image(camera: Camera, pixel_format: PixelFormat, seed: int) -> NDArray[np.uint8]:
    shape = buffer_shape(pixel_format, camera.width, camera.height)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _seen(
    camera: Camera, pixel_format: PixelFormat, image: NDArray[np.uint8], source: Path, dtype: type
) -> NDArray[Any]:
    """The network's input (3, NETWORK_HEIGHT, NETWORK_WIDTH) that the device makes of an image."""
    preprocessor = GpuPreprocessor(Rig("check", (camera,), _EXTENT_OF_NOTHING), [pixel_format], source, dtype)
    result: NDArray[Any] = run_kernel(preprocessor, [image], dtype)[0]
    return result


def _largest_error(camera: Camera, pixel_format: PixelFormat, source: Path, dtype: type, seed: int) -> float:
    image = _random_image(camera, pixel_format, seed)
    got = _seen(camera, pixel_format, image, source, dtype).astype(np.float64) * PIXEL_STD[0] + PIXEL_MEAN[0]
    difference = np.abs(got - opencv_reference(camera, pixel_format, image))
    # NaN, which poisons what is not written, must not pass
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def run_kernel(preprocessor: GpuPreprocessor, images: list[NDArray[np.uint8]], dtype: type) -> NDArray[Any]:
    """The network's input (N, 3, NETWORK_HEIGHT, NETWORK_WIDTH) that the device makes of the images."""
    import pycuda.driver as cuda
    from pycuda.autoprimaryctx import context

    with entered(context):
        result: NDArray[Any] = np.full((len(images), 3, NETWORK_HEIGHT, NETWORK_WIDTH), np.nan, dtype)
        output = cuda.mem_alloc(result.nbytes)
        cuda.memcpy_htod(output, result)
        preprocessor.fill(images)
        preprocessor.write(int(output))
        cuda.memcpy_dtoh(result, output)
        output.free()
        return result


class _Stopwatch:
    """Times work on the device by events, and knows how fast its memory is."""

    def __init__(self, cuda: Any) -> None:
        self.cuda, self.stream = cuda, cuda.Stream()
        self._source, self._target = cuda.mem_alloc(COPIED_BYTES), cuda.mem_alloc(COPIED_BYTES)
        cuda.memset_d32(self._source, 0x3F9D70A4, COPIED_BYTES // 4)
        # bytes read plus bytes written per second
        self.bandwidth = 2 * COPIED_BYTES / self.median_seconds([self._copy])

    def median_seconds(self, works: list[Callable[[], None]]) -> float:
        """Of the works in turn; each queues something on ``stream``."""
        for work in works:
            work()
        events = [(self.cuda.Event(), self.cuda.Event()) for _ in range(REPEATS)]
        for _ in range(PLUG_COPIES):  # keeps the device busy until all is queued, or launching would be measured
            self._copy()
        for k, (begin, end) in enumerate(events):
            begin.record(self.stream)
            works[k % len(works)]()
            end.record(self.stream)
        self.stream.synchronize()
        return float(np.median([begin.time_till(end) for begin, end in events])) * 1e-3

    def _copy(self) -> None:
        self.cuda.memcpy_dtod_async(self._target, self._source, COPIED_BYTES, self.stream)


def _throughput(
    watch: _Stopwatch, rig: Rig, source: Path, count: int, size: tuple[int, int], dtype: type
) -> dict[str, Any]:
    ring = ring_of_cameras(rig, count, *size, LENSES["plumb_bob"][1])
    sets = [GpuPreprocessor(ring, [PixelFormat.RGB8] * count, source, dtype) for _ in range(ROTATED_SETS)]
    written = count * 3 * NETWORK_HEIGHT * NETWORK_WIDTH * np.dtype(dtype).itemsize
    output = watch.cuda.mem_alloc(written)
    for k, preprocessor in enumerate(sets):
        preprocessor.fill(random_images(ring, k))
    copy = watch.median_seconds([partial(p.queue_copy, watch.stream) for p in sets])
    kernel = watch.median_seconds([partial(p.queue_kernel, int(output), watch.stream) for p in sets])
    output.free()
    needed = sum(3 * reduction(c) ** 2 * NETWORK_HEIGHT * NETWORK_WIDTH for c in ring.cameras)
    floor = (needed + written) / watch.bandwidth
    cpu = _cpu_seconds(ring)
    return {
        "cameras": f"{count} x {size[0]}x{size[1]}",
        "output": np.dtype(dtype).name,
        "kernel, us": round(kernel * 1e6, 1),
        "floor, us": round(floor * 1e6, 1),
        "kernel / floor": round(kernel / floor, 2),
        "copy in, us": round(copy * 1e6, 1),
        "CPU path, us": round(cpu * 1e6, 1),
        "CPU / (copy + kernel)": round(cpu / (copy + kernel), 2),
    }


def _cpu_seconds(rig: Rig) -> float:
    preprocess, images, seconds = Preprocessor(rig), random_images(rig, 9), []
    for _ in range(15):
        begin = time.perf_counter()
        preprocess(images)
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[3:]))
