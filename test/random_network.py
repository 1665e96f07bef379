"""A network with random weights, as training leaves them but for their sense."""

from __future__ import annotations

import torch
from torch import nn

from autodrive.vision.network import VisionNetwork


def random_network(seed: int) -> VisionNetwork:
    """No two parameters are equal (the exporter would merge them)."""
    torch.manual_seed(seed)
    network = VisionNetwork()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return network.eval()
