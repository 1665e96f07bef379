"""As much of pycuda as pre-processing uses: host memory in place of the device's, kernels compiled for the host.

It is as strict as pycuda about types: an address is a Python integer, what is copied is contiguous.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodrive.camera import gpu_preprocess

SOURCE = Path(__file__).parent.parent / "engines" / "kernels" / "preprocess.cu"
POISON = 0xA5


def host_kernels(folder: Path) -> ctypes.CDLL:
    """preprocess.cu, compiled for the host into ``folder``."""
    library = folder / "preprocess.so"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run(["g++", *flags, "-x", "c++", SOURCE, "-o", library], check=True)
    return ctypes.CDLL(str(library))


class Error(Exception):
    """The base of pycuda's errors."""


class Memory:
    """What ``mem_alloc`` gives: an address, full of POISON."""

    def __init__(self, size: int) -> None:
        self.data = np.full(size, POISON, np.uint8)

    def __int__(self) -> int:
        return int(self.data.ctypes.data)


class Context:
    """A context counts how often it is current."""

    depth = 0

    def push(self) -> None:
        self.depth += 1

    def pop(self) -> None:
        assert self.depth > 0
        self.depth -= 1


class Stream:
    """Everything is done when it is queued."""

    def synchronize(self) -> None:
        """Nothing to wait for."""


def install(patch: pytest.MonkeyPatch, kernels: ctypes.CDLL) -> None:
    """Make ``import pycuda`` find this, with ``kernels`` as what nvcc makes of any source."""
    context = Context()

    def copy(target: int, source: np.ndarray, stream: Stream) -> None:
        assert type(target) is int and source.flags.c_contiguous and context.depth
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def to_device(array: np.ndarray) -> Memory:
        memory = Memory(array.nbytes)
        memory.data[:] = array.reshape(-1).view(np.uint8)
        return memory

    def function(name: str) -> Any:
        def launch(*arguments: Any, grid: tuple[int, ...], block: tuple[int, ...], stream: Stream) -> None:
            assert all(isinstance(a, np.uintp | np.int32) for a in arguments) and context.depth
            pointers = [ctypes.c_void_p(int(a)) for a in arguments[:3]]
            sizes = [(ctypes.c_uint * 3)(*size) for size in (grid, block)]
            kernels[f"{name}_host"](*sizes, *pointers, *map(int, arguments[3:]))

        return launch

    driver = types.SimpleNamespace(
        init=lambda: None,
        Error=Error,
        pagelocked_empty=lambda size, dtype: np.full(size, POISON, dtype),
        mem_alloc=Memory,
        to_device=to_device,
        memcpy_htod_async=copy,
        Stream=Stream,
    )
    # in place of pycuda's compiler, whose result is kept for the whole process
    patch.setattr(gpu_preprocess, "_compile", lambda _: types.SimpleNamespace(get_function=function))
    parts = {"driver": driver, "autoprimaryctx": types.SimpleNamespace(context=context)}
    patch.setitem(sys.modules, "pycuda", types.SimpleNamespace(**parts))
    for name, module in parts.items():
        patch.setitem(sys.modules, f"pycuda.{name}", module)
