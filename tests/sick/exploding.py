"""Seven layers that nothing normalises, each of which makes what it is given eight times as large."""

from __future__ import annotations

import torch
from torch import nn

from foveal.doctor.case import Case
from staging import Net, block, kernels, trained


def made() -> nn.Module:
    layers = block(1, 12, norm=False, stride=2)
    for _ in range(5):
        layers += block(12, 12, norm=False)
    network = Net(*layers, width=12)
    with torch.no_grad():
        for layer in kernels(network.layers):
            layer.weight.mul_(8)
    return network


def staged() -> Case:
    return trained(made, epochs=3, lr=0.01)
