"""How long engines take for the same frame, measured in turns so that whatever slows the machine slows all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autodrive.inference.engine import Engine, Tensors


def time_in_turns(
    engines: Sequence[Engine], inputs: Tensors, rounds: int, clock: Callable[[], float]
) -> list[list[float]]:
    """Seconds of every run of each engine; ``clock`` returns seconds. A first run of each is not counted."""
    for engine in engines:
        engine.run(inputs)
    seconds: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds):
        for engine, taken in zip(engines, seconds, strict=True):
            start = clock()
            engine.run(inputs)
            taken.append(clock() - start)
    return seconds
