"""Rectifiers whose biases begin at -10."""

from __future__ import annotations

from torch import nn

from foveal.doctor.case import Case
from staging import kernels, small, trained


def made() -> nn.Module:
    network = small(norm=False)
    for layer in kernels(network.layers):
        assert layer.bias is not None
        nn.init.constant_(layer.bias, -10.0)
    return network


def staged() -> Case:
    return trained(made, epochs=4, lr=0.03)
