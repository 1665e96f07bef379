"""Train the vision network on samples of several rigs at once, within a budget of time or steps.

A run directory holds checkpoint.npz, log.csv (loss parts), validation.csv and curves.png. A killed run resumes from its
last checkpoint; given the same files and a budget in steps, it ends with the same bits as one that was not killed.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import multiprocessing as mp
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from autodrive.data.checkpoint import Progress, load_checkpoint, save_checkpoint
from autodrive.data.dataset import Batch, Source, TrainingBatches, normalise
from autodrive.data.losses import WEIGHTS, perception_losses, total_loss
from autodrive.data.replicas import GradientExchange
from autodrive.data.warm_start import load_exported
from autodrive.errors import ConfigError
from autodrive.inference.manifest import read_network
from autodrive.vision.layout import MEMORY_CHANNELS
from autodrive.vision.network import VisionNetwork, memory_of

CHECKPOINT_NAME = "checkpoint.npz"
LOG_STEPS = 25
CLIP_NORM = 5.0
WEIGHT_DECAY = 1e-2
WARM_UP_STEPS = 60
AVERAGE_DECAY = 0.998
FINAL_RATE = 0.01
MANY_STEPS = 10**7
WARM_START_BATCHES = 12


@dataclass(frozen=True)
class TrainConfig:
    """What to train on and for how long; give either ``minutes`` (wall clock) or ``steps``.

    Every source gets its share of each batch, and every one of ``processes`` works on its part of the batch, with
    ``threads`` for arithmetic and ``workers`` to load samples (0: in line). ``validate_every`` is the share of the
    budget after which the averaged weights are scored. ``start`` is the manifest of a network to go on from.
    ``device`` is torch's name of what computes; a GPU takes one process. Only a CPU repeats a run to the bit.
    """

    sources: tuple[Source, ...]
    out: Path
    minutes: float | None = None
    steps: int | None = None
    batch_size: int = 8
    learning_rate: float = 2e-3
    seed: int = 0
    processes: int = 1
    threads: int = 1
    workers: int = 1
    resume: bool = False
    start: Path | None = None
    checkpoint_minutes: float = 3.0
    validate_every: float = 0.2
    bfloat16: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ConfigError("give the training budget either in minutes or in steps")
        if self.batch_size % self.processes:
            raise ConfigError(f"a batch of {self.batch_size} cannot be shared by {self.processes} processes")
        if self.device != "cpu" and self.processes > 1:
            raise ConfigError(f"training on {self.device} takes one process, got {self.processes}")
        if not self.sources:
            raise ConfigError("no training samples: name at least one source")
        budget = self.minutes if self.minutes is not None else self.steps
        if not budget or not budget > 0:
            raise ConfigError(f"the training budget must be positive, got {budget}")


Validate = Callable[[VisionNetwork], dict[str, float]]
Report = Callable[[int, float, dict[str, float]], None]


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Linear warm-up, then half a cosine over the budget; ``done`` is its used share."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return (
        config.learning_rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
    )


@dataclass
class Trainer:
    """The network, its running average, and the optimizer; one call of ``step`` per batch."""

    config: TrainConfig
    rank: int = 0
    exchange: GradientExchange | None = None
    device: torch.device = field(init=False)
    network: VisionNetwork = field(init=False)
    average: VisionNetwork = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        self.device = torch.device(self.config.device)
        self.network = VisionNetwork().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(self.network).eval()
        matrices = [p for p in self.network.parameters() if p.dim() > 1]
        vectors = [p for p in self.network.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, fused=self.device.type != "cpu")

    def warm_start(self, manifest: Path) -> None:
        """Take the weights of a shipped network."""
        first = TrainingBatches(self.config.sources, self.config.batch_size, self.config.seed, WARM_START_BATCHES)
        batches = (first[k].to(self.device) for k in range(WARM_START_BATCHES))
        _, data = read_network(manifest)
        load_exported(data, str(manifest), self.network, batches, lambda _, batch: self._forward(batch))
        self.average.load_state_dict(self.network.state_dict())

    def step(self, batch: Batch, step: int, done: float) -> dict[str, float]:
        """One update; returns the loss parts. A batch whose gradient is not finite changes nothing.

        ``done`` is the used share of the budget; among several processes the first one's counts, see "done" returned.
        """
        self.network.train()
        batch = batch.to(self.device)
        parts = perception_losses(self._forward(batch), batch)
        loss = total_loss(parts)
        self.optimizer.zero_grad()
        loss.backward()
        shared_loss = loss.detach().clone()
        if self.exchange:
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            done = self.exchange.average(self.rank, [*gradients, shared_loss], done)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step, done)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        # every process sees the same norm and loss, so all of them skip or none does
        finite = bool(torch.isfinite(norm)) and bool(torch.isfinite(shared_loss))
        if finite:
            self.optimizer.step()
            self._update_average(step)
        # one read-back of all: each waits for the GPU
        total, gradient, *values = torch.stack([loss.detach(), norm, *(v.detach() for v in parts.values())]).tolist()
        return {
            "loss": total,
            **dict(zip(parts, values, strict=True)),
            "gradient": gradient if finite else 0.0,
            "skipped": float(not finite),
            "done": done,
        }

    def _forward(self, batch: Batch) -> Any:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            memory = self._remember(batch)
            features = self.network.encode(
                _channels_last(batch.images),
                batch.camera_index,
                batch.intrinsics,
                batch.optical_from_base,
                batch.extent,
            )
            return self.network.decode(features, memory, batch.previous_from_current, batch.memory_dt, batch.extent)

    @torch.no_grad()
    def _remember(self, batch: Batch) -> Tensor:
        """What the averaged network says of the earlier frames, as it will when it runs."""
        size = (len(batch.extent), MEMORY_CHANNELS, *batch.ground.shape[-2:])
        memory = torch.zeros(size, device=self.device)
        rows = batch.memory_rows
        if len(rows):
            extent = batch.extent[rows]
            features = self.average.encode(
                _channels_last(batch.previous_images),
                batch.previous_index,
                batch.intrinsics[rows],
                batch.optical_from_base[rows],
                extent,
            )
            none, motion, age = (
                torch.zeros_like(memory[rows]),
                batch.previous_from_current[rows],
                torch.zeros(len(rows), device=self.device),
            )
            heat = torch.sigmoid(self.average.decode(features, none, motion, age, extent).heat)
            memory[rows] = memory_of(features, heat).float()
        return memory

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
        floating = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        means, values = zip(*floating, strict=True)
        get_ema_multi_avg_fn(decay)(list(means), list(values), None)


def _channels_last(images: Tensor) -> Tensor:
    return normalise(images).contiguous(memory_format=torch.channels_last)


def train(config: TrainConfig, validate: Validate | None = None, report: Report | None = None) -> Path:
    """Run to the end of the budget; returns the final checkpoint. ``report`` gets step, share done, mean loss parts."""
    if config.processes == 1:
        return _run(config, 0, None, validate, report)
    parameters = sum(p.numel() for p in VisionNetwork().parameters())
    exchange = GradientExchange(config.processes, parameters + 1)  # and the loss
    others = [
        mp.get_context("spawn").Process(target=_run, args=(config, rank, exchange), daemon=True)
        for rank in range(1, config.processes)
    ]
    for process in others:
        process.start()
    checkpoint = _run(config, 0, exchange, validate, report)
    for process in others:
        process.join()
    return checkpoint


def _run(
    config: TrainConfig,
    rank: int,
    exchange: GradientExchange | None,
    validate: Validate | None = None,
    report: Report | None = None,
) -> Path:
    """The training loop of one process; the first one (rank 0) also logs, validates and saves."""
    torch.set_num_threads(config.threads)
    trainer = Trainer(config, rank, exchange)
    checkpoint = config.out / CHECKPOINT_NAME
    start = Progress(0, 0.0, config.seed)
    if config.resume and checkpoint.exists():
        start = load_checkpoint(checkpoint, trainer.network, trainer.average, trainer.optimizer)
    elif config.start:
        trainer.warm_start(config.start)
    clock, log = _Clock(config, start), _Log(config.out, report)
    step, done = start.step, clock.done(start.step)
    for batch in _batches(config, rank, start):
        parts = trainer.step(batch, step, done=clock.done(step))
        step, done = step + 1, parts.pop("done")
        if rank == 0:
            log.add(step, clock, parts)
            if clock.checkpoint_due():
                _save(checkpoint, trainer, step, clock)
            if validate and clock.validation_due(step):
                log.validation(validate(trainer.average), step, clock)
        if done >= 1:
            break
    if rank == 0:
        _save(checkpoint, trainer, step, clock)
        if validate:
            log.validation(validate(trainer.average), step, clock)
    return checkpoint


def _batches(config: TrainConfig, rank: int, start: Progress) -> Iterable[Batch]:
    """This process's parts of the batches from ``start`` on."""
    last = config.steps if config.steps is not None else MANY_STEPS
    parts = TrainingBatches(config.sources, config.batch_size // config.processes, start.seed, last * config.processes)
    # processes other than the first are daemons, which may not have children
    workers = config.workers if rank == 0 and config.processes == 1 else 0
    return DataLoader(
        parts,
        batch_size=None,
        sampler=range(start.step * config.processes + rank, last * config.processes, config.processes),
        num_workers=workers,
        pin_memory=config.device != "cpu",
        prefetch_factor=4 if workers else None,
    )


def _save(path: Path, trainer: Trainer, step: int, clock: _Clock) -> None:
    progress = Progress(step, clock.seconds(), trainer.config.seed)
    save_checkpoint(path, progress, trainer.network, trainer.average, trainer.optimizer)


class _Log:
    """log.csv with means over LOG_STEPS steps, and validation.csv."""

    def __init__(self, out: Path, report: Report | None) -> None:
        self._out, self._report = out, report
        self._recent: list[dict[str, float]] = []

    def add(self, step: int, clock: _Clock, parts: dict[str, float]) -> None:
        self._recent.append(parts)
        if step % LOG_STEPS:
            return
        mean = {name: float(np.mean([p[name] for p in self._recent])) for name in parts}
        self._recent.clear()
        append_csv(self._out / "log.csv", {"step": step, "seconds": round(clock.seconds(), 1), **mean})
        if self._report:
            self._report(step, clock.done(step), mean)

    def validation(self, scores: dict[str, float], step: int, clock: _Clock) -> None:
        append_csv(self._out / "validation.csv", {"step": step, "seconds": round(clock.seconds(), 1), **scores})


class _Clock:
    """How much of the budget is used. The wall clock decides when to stop and save, never what a step computes,
    except through the learning rate of a run whose budget is in minutes."""

    def __init__(self, config: TrainConfig, start: Progress) -> None:
        self._config = config
        self._origin = time.monotonic() - start.seconds
        self._saved = time.monotonic()
        self._next_validation = self._share(start.step) + config.validate_every

    def seconds(self) -> float:
        return time.monotonic() - self._origin

    def _share(self, step: int) -> float:
        if self._config.steps is not None:
            return step / self._config.steps
        assert self._config.minutes is not None
        return self.seconds() / (self._config.minutes * 60)

    def done(self, step: int) -> float:
        return self._share(step)

    def checkpoint_due(self) -> bool:
        if time.monotonic() - self._saved < self._config.checkpoint_minutes * 60:
            return False
        self._saved = time.monotonic()
        return True

    def validation_due(self, step: int) -> bool:
        if self._share(step) < self._next_validation or self._share(step) >= 1:
            return False
        self._next_validation = self._share(step) + self._config.validate_every
        return True


def append_csv(path: Path, row: dict[str, float]) -> None:
    """Add a row; the first one writes the header, later ones keep its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(row)
        writer.writerow([f"{value:.6g}" for value in row.values()])


def read_csv(path: Path) -> dict[str, list[float]]:
    """Columns of a log by name; a missing file has none."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {name: [float(row[i]) for row in rows[1:]] for i, name in enumerate(rows[0])}


def loss_names() -> tuple[str, ...]:
    """Columns of log.csv that are loss parts."""
    return tuple(WEIGHTS)
