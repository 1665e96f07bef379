"""How long engines take, in turns, so that whatever slows the machine meanwhile slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autodrive.errors import EngineError
from autodrive.inference.engine import Engine, Tensors


@dataclass(frozen=True)
class Timing:
    """Medians of one engine's runs: ``wall_ms`` until the answer, ``cpu_ms`` of all cores of this process."""

    file: str
    runtime: str
    wall_ms: float
    cpu_ms: float


def time_in_turns(engines: Sequence[Engine], inputs: Tensors, rounds: int) -> list[Timing]:
    """Run every engine once per round on the same inputs, after one run each that allocates; raises EngineError."""
    if rounds < 1 or not engines:
        raise EngineError(f"nothing to time: {len(engines)} engines, {rounds} rounds")
    for engine in engines:
        engine.run(inputs)
    taken = np.empty((len(engines), rounds, 2))
    for turn in range(rounds):
        for row, engine in zip(taken, engines, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            engine.run(inputs)
            row[turn] = time.perf_counter() - wall, time.process_time() - cpu
    medians = np.median(taken, axis=1) * 1e3
    return [
        Timing(engine.manifest.file, engine.runtime, float(wall), float(cpu))
        for engine, (wall, cpu) in zip(engines, medians, strict=True)
    ]
