"""Batches for training: seed and step alone decide which samples a step uses, so a resumed run goes on as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from autodrive.data.augment import View, augment
from autodrive.data.sample import Sample, load_sample
from autodrive.data.targets import Targets, make_targets
from autodrive.errors import InputError
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH
from autodrive.scene import GridExtent
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD

RESCAN_STEPS = 50
# samples kept in memory per worker; one is about 0.2 MB of JPEG and 0.4 MB of masks
CACHED_SAMPLES = 4000


@dataclass(frozen=True)
class Batch:
    """B samples. ``images`` (M, 3, 128, 320) uint8 of all cameras of all samples, ``camera_index`` (B, N) into them.

    ``previous_images`` and ``previous_index`` likewise, for the P samples with memory; ``memory_rows`` (P,) says which
    they are. A camera slot that is not used has index M (or the number of previous images) and shows nothing.
    Targets (heat and what follows) are float16.
    """

    images: Tensor
    camera_index: Tensor
    previous_images: Tensor
    previous_index: Tensor
    memory_rows: Tensor
    intrinsics: Tensor
    optical_from_base: Tensor
    extent: Tensor
    previous_from_current: Tensor
    memory_dt: Tensor
    heat: Tensor
    heat_weight: Tensor
    box: Tensor
    box_weight: Tensor
    ground: Tensor
    ground_weight: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch in the memory of ``device``."""
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which a GPU copies while it computes; torch's loader asks."""
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB (M, 3, H, W) to the network's float32 input."""
    mean = torch.tensor(PIXEL_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(PIXEL_STD, device=images.device)[:, None, None]
    return (images.to(torch.float32) - mean) / std


def collate(examples: Sequence[tuple[View, Targets]]) -> Batch:
    """Stack views with different numbers of cameras."""
    slots = max(len(view.images) for view, _ in examples)
    size = len(examples)
    intrinsics = np.zeros((size, slots, 4), np.float32)
    intrinsics[..., :2] = 1
    extrinsics = np.zeros((size, slots, 3, 4), np.float32)
    extrinsics[:, :, 2, 3] = -1  # every point is behind an unused slot
    for row, (view, _) in enumerate(examples):
        intrinsics[row, : len(view.images)] = view.intrinsics
        extrinsics[row, : len(view.images)] = view.told_optical_from_base
    with_memory = [row for row, (view, _) in enumerate(examples) if len(view.previous_images)]
    motions = [view.previous_from_current for view, _ in examples]
    return Batch(
        *_stack_images([view.images for view, _ in examples], slots),
        *_stack_images([examples[row][0].previous_images for row in with_memory], slots),
        torch.tensor(with_memory, dtype=torch.int64),
        torch.from_numpy(intrinsics),
        torch.from_numpy(extrinsics),
        torch.from_numpy(np.stack([view.extent.as_array() for view, _ in examples])),
        torch.tensor([[m.x, m.y, m.yaw] for m in motions], dtype=torch.float32),
        torch.tensor([view.dt for view, _ in examples], dtype=torch.float32),
        # half the bytes that go from process to process; its 11 bits are far finer than any label
        *(
            torch.from_numpy(np.stack([getattr(t, f.name) for _, t in examples], dtype=np.float16, casting="same_kind"))
            for f in fields(Targets)
        ),
    )


def _stack_images(stacks: list[np.ndarray], slots: int) -> tuple[Tensor, Tensor]:
    total = sum(len(stack) for stack in stacks)
    index = torch.full((len(stacks), slots), total, dtype=torch.int64)
    first = 0
    for row, stack in enumerate(stacks):
        index[row, : len(stack)] = torch.arange(first, first + len(stack))
        first += len(stack)
    if not total:
        return torch.zeros((0, 3, NETWORK_HEIGHT, NETWORK_WIDTH), dtype=torch.uint8), index
    images = torch.from_numpy(np.concatenate(stacks))
    return images.permute(0, 3, 1, 2), index


def list_samples(directory: Path) -> list[Path]:
    """The finished samples in a directory, sorted by name."""
    return sorted(directory.glob("*.npz"))


@dataclass(frozen=True)
class Source:
    """Training samples of one rig: every ``{rig}_train*`` folder below ``data``, and the grid that suits the rig.

    Of every so many examples in a row, one for each source's ``share``, this source gives its share.
    """

    data: Path
    rig: str
    extent: GridExtent
    share: int = 1

    def files(self) -> list[Path]:
        """The finished samples, sorted by folder and name."""
        return sorted(self.data.glob(f"{self.rig}_train*/*.npz"))


class TrainingBatches(Dataset[Batch]):
    """Batch number ``step``: each source's share in turn, drawn and augmented with a generator seeded by (seed, step).

    Folders may still be filling: they are listed again every RESCAN_STEPS.
    """

    def __init__(self, sources: Sequence[Source], batch_size: int, seed: int, steps: int) -> None:
        self.sources, self.batch_size, self.seed, self.steps = tuple(sources), batch_size, seed, steps
        self._turns = [k for k, source in enumerate(self.sources) for _ in range(source.share)]
        self._files: list[list[Path]] = []
        self._scanned_at = -1
        self._load = lru_cache(maxsize=CACHED_SAMPLES)(load_sample)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Build the batch of a step; raises InputError when a source has no sample."""
        cv2.setNumThreads(1)
        if step // RESCAN_STEPS != self._scanned_at:
            self._files = [source.files() for source in self.sources]
            self._scanned_at = step // RESCAN_STEPS
        rng = np.random.default_rng([self.seed, step])
        return collate([self._example(self._turns[i % len(self._turns)], rng) for i in range(self.batch_size)])

    def _example(self, index: int, rng: np.random.Generator) -> tuple[View, Targets]:
        source, files = self.sources[index], self._files[index]
        if not files:
            raise InputError(f"no samples of rig {source.rig!r} below {source.data}; add --generate to make them")
        sample: Sample = self._load(files[int(rng.integers(len(files)))])
        view = augment(sample, source.extent, rng)
        return view, make_targets(view, sample.masks, sample.mask_half_extent)
