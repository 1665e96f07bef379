"""Start training from a shipped network instead of from random weights, as one does on data of one's own.

An exported file has its batch normalisations folded into the convolutions. What they were cannot be known, but an equal
network can be rebuilt: each gets the statistics that it sees now, and the scale and shift that undo them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from autodrive.errors import EngineError
from autodrive.vision.network import VisionNetwork

PREFIX = "network."
Forward = Callable[[VisionNetwork, Any], object]


def load_exported(data: bytes, file: str, network: VisionNetwork, batches: Iterable[Any], forward: Forward) -> None:
    """Put the weights of an exported network into ``network``; raises EngineError when ``data`` is of another one.

    ``data`` are the bytes of the ONNX file that messages call ``file``.

    ``batches`` are real training batches, ``forward(network, batch)`` runs one; their statistics go into the batch
    normalisations. Afterwards the network computes what the file does.
    """
    arrays = _read_weights(data)
    folded: dict[nn.BatchNorm2d, Tensor] = {}
    state = network.state_dict()
    for name, module in network.named_modules():
        for kind, tensor in module.named_parameters(recurse=False):
            key = f"{name}.{kind}" if name else kind
            if isinstance(module, nn.BatchNorm2d) and key not in arrays:
                continue  # folded into the convolution before it
            state[key] = _fitting(arrays, key, tensor, file)
        if isinstance(module, nn.BatchNorm2d) and f"{name}.running_mean" in arrays:
            for kind in ("running_mean", "running_var"):
                state[f"{name}.{kind}"] = _fitting(arrays, f"{name}.{kind}", getattr(module, kind), file)
        if isinstance(module, nn.Sequential):
            for (child, conv), (_, norm) in pairwise(module.named_children()):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    key = f"{name}.{child}.weight_bias"
                    folded[norm] = _fitting(arrays, key, norm.bias, file).to(norm.bias.device)
    network.load_state_dict(state)
    _unfold(network, folded, batches, forward)


def _fitting(arrays: dict[str, Tensor], key: str, like: Tensor, file: str) -> Tensor:
    found = arrays.get(key)
    if found is None or found.shape != like.shape:
        got = "nothing" if found is None else f"shape {tuple(found.shape)}"
        raise EngineError(f"{file}: {key} should have shape {tuple(like.shape)}, found {got}; it is of another network")
    return found


def _read_weights(data: bytes) -> dict[str, Tensor]:
    """Initializers by parameter name; those of linear layers, which the exporter renames, are found by their bias."""
    graph = onnx.load_from_string(data).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    multiplied = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for bias, product in (tuple(node.input), tuple(node.input)[::-1]):
            if bias in arrays and arrays.get(multiplied.get(product, ""), np.zeros(0)).ndim == 2:
                arrays[bias.removesuffix(".bias") + ".weight"] = arrays[multiplied[product]].T
    return {
        name.removeprefix(PREFIX): torch.from_numpy(np.array(value))
        for name, value in arrays.items()
        if name.startswith(PREFIX)
    }


@torch.no_grad()
def _unfold(
    network: VisionNetwork, folded: dict[nn.BatchNorm2d, Tensor], batches: Iterable[Any], forward: Forward
) -> None:
    """Measure what enters each folded normalisation, then make it the identity plus its bias."""
    moments: dict[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in folded}

    def measure(norm: nn.Module, inputs: tuple[Tensor], _: Tensor) -> Tensor:
        assert isinstance(norm, nn.BatchNorm2d)
        x = inputs[0].float()
        moments[norm].append((x.mean((0, 2, 3)), x.square().mean((0, 2, 3))))
        return inputs[0] + folded[norm][:, None, None].to(inputs[0].dtype)

    hooks = [norm.register_forward_hook(measure) for norm in folded]
    network.eval()
    for batch in batches:
        forward(network, batch)
    for hook in hooks:
        hook.remove()
    for norm, bias in folded.items():
        if not moments[norm]:
            raise EngineError("no batch was given to rebuild the batch normalisations with")
        mean = torch.stack([m for m, _ in moments[norm]]).mean(0)
        variance = torch.stack([s for _, s in moments[norm]]).mean(0) - mean**2
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance.clamp(min=0))
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)
