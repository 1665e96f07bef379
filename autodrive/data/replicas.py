"""Data-parallel training on a few cores: every process works on its own part of each batch, gradients are averaged.

One process per core beats several threads in one process, above all on a busy machine: processes meet once per step,
threads after every operation. Shared memory and a barrier suffice; the sum has a fixed order, so runs are repeatable.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import multiprocessing as mp

# long enough for a validation by the first process on a busy machine; a process that died breaks the run, not hangs it
MEETING_TIMEOUT_S = 1800.0


class GradientExchange:
    """Where the processes of one run meet: shared memory for gradients and for the first process's progress."""

    def __init__(self, processes: int, numbers: int) -> None:
        self._gradients = torch.zeros(processes, numbers).share_memory_()
        self._done = torch.zeros(1, dtype=torch.float64).share_memory_()
        self._barrier = mp.get_context("spawn").Barrier(processes)

    def average(self, rank: int, gradients: Sequence[Tensor], done: float) -> float:
        """Replace ``gradients`` (``numbers`` in all) by their mean over all processes.

        Returns the first process's ``done``; raises threading.BrokenBarrierError when another process died.
        """
        self._gradients[rank] = torch.cat([gradient.reshape(-1) for gradient in gradients])
        if rank == 0:
            self._done[0] = done
        self._barrier.wait(MEETING_TIMEOUT_S)
        mean, agreed = self._gradients.mean(0), float(self._done[0])
        # nobody writes the next step's gradients before all have read these
        self._barrier.wait(MEETING_TIMEOUT_S)
        first = 0
        for gradient in gradients:
            gradient.copy_(mean[first : first + gradient.numel()].view_as(gradient))
            first += gradient.numel()
        return agreed
