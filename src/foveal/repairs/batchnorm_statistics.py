"""Lets batch norms follow the pictures again: running statistics from nothing, with a momentum of 0.1."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

SOURCE = "Ioffe & Szegedy 2015; PyTorch, BatchNorm2d: momentum 0.1"
SLOW = 0.01
"""A momentum below which statistics of some hundred steps are still those of the beginning."""


def mended(network: nn.Module) -> nn.Module:
    """The network with norms that track their statistics."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            if module.momentum is None or module.momentum < SLOW:
                module.momentum = 0.1
            if module.track_running_stats:
                module.reset_running_stats()
    return network
