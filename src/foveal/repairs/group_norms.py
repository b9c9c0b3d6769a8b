"""Puts group norms in the place of batch norms: each picture is normalised by itself, in training as in evaluation."""

from __future__ import annotations

import math

from torch import nn

SOURCE = "Wu & He 2018, Group Normalization: no batch and no running statistics, 32 groups at most"
MOST, FEWEST = 32, 4
"""Groups at most, and channels that a group has at least where there are so many."""


def mended(network: nn.Module) -> nn.Module:
    """The network with `nn.GroupNorm` for each `nn.BatchNorm2d`, with the same scales and shifts.

    Raises:
        ValueError: there is none.
    """
    found = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if not found:
        raise ValueError("it has no batch norm")
    for name in found:
        norm = network.get_submodule(name)
        assert isinstance(norm, nn.BatchNorm2d)
        channels = norm.num_features
        groups = math.gcd(channels, max(1, min(MOST, channels // FEWEST)))
        made = nn.GroupNorm(groups, channels, eps=norm.eps, affine=norm.affine)
        if norm.affine:
            made.weight = norm.weight
            if norm.bias is None:
                made.register_parameter("bias", None)
            else:
                made.bias = norm.bias
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, made)
    return network
