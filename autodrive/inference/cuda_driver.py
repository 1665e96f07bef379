"""The few calls of NVIDIA's driver that an engine needs, through libcuda itself.

It is there wherever a GPU can be used, in every CUDA version, and captures graphs; pycuda would have to be compiled.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from autodrive.errors import EnvironmentProblem

LIBRARY = "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_CAPTURE_RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED: TensorRT may ask for memory meanwhile


@dataclass(frozen=True)
class Device:
    """The first GPU. ``capability`` like "8.7"."""

    name: str
    capability: str


def find_device() -> Device:
    """Ask the driver for the first GPU; raises EnvironmentProblem where there is none, and never crashes."""
    driver = _load()
    handle, count = ctypes.c_int(), ctypes.c_int()
    _ask(driver, "cuInit", 0)
    _ask(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value < 1:
        raise EnvironmentProblem("no NVIDIA GPU: the driver is there and finds no device")
    _ask(driver, "cuDeviceGet", ctypes.byref(handle), 0)
    name = ctypes.create_string_buffer(256)
    _ask(driver, "cuDeviceGetName", name, len(name), handle)
    version = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        _ask(driver, "cuDeviceGetAttribute", ctypes.byref(value), attribute, handle)
        version.append(str(value.value))
    return Device(name.value.decode(errors="replace"), ".".join(version))


class CudaStream:
    """The primary context of the first GPU, which TensorRT and torch share, one stream in it, and memory.

    All failures raise EnvironmentProblem with the driver's own words. ``close`` frees everything.
    """

    def __init__(self) -> None:
        self.device = find_device()
        self._driver = _load()
        self._handle = ctypes.c_int()
        _ask(self._driver, "cuDeviceGet", ctypes.byref(self._handle), 0)
        context = ctypes.c_void_p()
        _ask(self._driver, "cuDevicePrimaryCtxRetain", ctypes.byref(context), self._handle)
        self._context = context
        self.enter()
        stream = ctypes.c_void_p()
        _ask(self._driver, "cuStreamCreate", ctypes.byref(stream), 1)  # CU_STREAM_NON_BLOCKING
        self._stream = stream
        self._device_memory: list[int] = []
        self._host_memory: list[int] = []

    @property
    def handle(self) -> int:
        """The stream as TensorRT takes it."""
        return self._stream.value or 0

    def enter(self) -> None:
        """Make the context current in the calling thread."""
        _ask(self._driver, "cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """Device memory of ``size`` bytes; its address."""
        address = ctypes.c_uint64()
        _ask(self._driver, "cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        self._device_memory.append(address.value)
        return address.value

    def allocate_pinned(self, size: int) -> int:
        """Host memory of ``size`` bytes from which copies need no detour; its address."""
        address = ctypes.c_void_p()
        _ask(self._driver, "cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), 0)
        self._host_memory.append(address.value or 0)
        return address.value or 0

    def to_device(self, device: int, host: int, size: int) -> None:
        """Queue a copy."""
        _ask(
            self._driver,
            "cuMemcpyHtoDAsync_v2",
            ctypes.c_uint64(device),
            ctypes.c_void_p(host),
            ctypes.c_size_t(size),
            self._stream,
        )

    def to_host(self, host: int, device: int, size: int) -> None:
        """Queue a copy."""
        _ask(
            self._driver,
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(host),
            ctypes.c_uint64(device),
            ctypes.c_size_t(size),
            self._stream,
        )

    def wait(self) -> None:
        """Until everything that was queued is done."""
        _ask(self._driver, "cuStreamSynchronize", self._stream)

    def begin_capture(self) -> None:
        """From here on, work is recorded and not done."""
        _ask(self._driver, "cuStreamBeginCapture_v2", self._stream, _CAPTURE_RELAXED)

    def end_capture(self) -> int:
        """The recorded work as an executable graph."""
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        _ask(self._driver, "cuStreamEndCapture", self._stream, ctypes.byref(graph))
        try:
            _ask(self._driver, "cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_uint64(0))
        finally:
            _ask(self._driver, "cuGraphDestroy", graph)
        return executable.value or 0

    def launch(self, executable: int) -> None:
        """Queue a recorded graph."""
        _ask(self._driver, "cuGraphLaunch", ctypes.c_void_p(executable), self._stream)

    def drop(self, executable: int) -> None:
        """Free a recorded graph."""
        _ask(self._driver, "cuGraphExecDestroy", ctypes.c_void_p(executable))

    def close(self) -> None:
        """Free the memory, the stream and this hold on the context."""
        self.enter()
        for address in self._device_memory:
            _ask(self._driver, "cuMemFree_v2", ctypes.c_uint64(address))
        for address in self._host_memory:
            _ask(self._driver, "cuMemFreeHost", ctypes.c_void_p(address))
        self._device_memory.clear()
        self._host_memory.clear()
        _ask(self._driver, "cuStreamDestroy_v2", self._stream)
        _ask(self._driver, "cuDevicePrimaryCtxRelease_v2", self._handle)


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EnvironmentProblem(f"no NVIDIA driver: {error}") from error


def _ask(driver: ctypes.CDLL, function: str, *arguments: Any) -> None:
    """Call and raise EnvironmentProblem with the driver's name for what went wrong."""
    code = getattr(driver, function)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        driver.cuGetErrorName(code, ctypes.byref(text))
        raise EnvironmentProblem(f"{function}: {(text.value or b'unknown error').decode()} ({code})")
