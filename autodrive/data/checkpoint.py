"""Training checkpoints as .npz of named arrays and a JSON header: nothing is unpickled, no write is ever torn."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from autodrive.errors import InputError

HEADER = "header"


@dataclass(frozen=True)
class Progress:
    """How far a run got: steps done, seconds spent training, and the seed that its batches are drawn with."""

    step: int
    seconds: float
    seed: int


def save_checkpoint(
    path: Path, progress: Progress, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write atomically: weights, averaged weights and optimizer state."""
    arrays: dict[str, np.ndarray] = {HEADER: np.array(json.dumps(asdict(progress)))}
    for prefix, module in (("network", network), ("average", average)):
        arrays |= {f"{prefix}/{name}": tensor.cpu().numpy() for name, tensor in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer/{index}/{name}": torch.as_tensor(value).cpu().numpy() for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"checkpoint {path} cannot be read ({error}); start without --resume") from error


def load_checkpoint(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore a run in place; raises InputError when the file is damaged or of another network."""
    arrays = _read(path)
    for prefix, module in (("network", network), ("average", average)):
        _load_module(module, arrays, prefix, path)
    layout = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = torch.from_numpy(value.copy())
    optimizer.load_state_dict({"state": state, "param_groups": layout["param_groups"]})
    return Progress(**json.loads(str(arrays[HEADER])))


def load_weights(path: Path, network: nn.Module) -> Progress:
    """Load the averaged weights of a checkpoint, the ones to evaluate and ship."""
    arrays = _read(path)
    _load_module(network, arrays, "average", path)
    return Progress(**json.loads(str(arrays[HEADER])))


def _load_module(module: nn.Module, arrays: dict[str, np.ndarray], prefix: str, path: Path) -> None:
    names = {name: arrays.get(f"{prefix}/{name}") for name in module.state_dict()}
    missing = [name for name, value in names.items() if value is None]
    if missing:
        raise InputError(f"checkpoint {path} is of another network: it lacks {missing[0]} and {len(missing) - 1} more")
    try:
        module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in names.items()})
    except RuntimeError as error:
        raise InputError(f"checkpoint {path} is of another network: {error}") from error
