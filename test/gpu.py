"""Whether tests may compute on a GPU here."""

from __future__ import annotations

from autodrive.errors import EnvironmentProblem
from autodrive.inference.cuda_driver import find_device


def has_gpu() -> bool:
    try:
        find_device()
    except EnvironmentProblem:
        return False
    return True
