"""Puts a batch norm behind each convolution that has none."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

SOURCE = "Ioffe & Szegedy 2015, Batch Normalization, section 3.2: between the convolution and what bends it"
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def mended(network: nn.Module) -> nn.Module:
    """The network with each `nn.Conv2d` followed by `nn.BatchNorm2d`, but for those that a norm follows, and for the
    last layer with weights, which tells the answer.

    Raises:
        ValueError: there is no such convolution.
    """
    leaves = [
        (name, module) for name, module in network.named_modules() if not any(True for _ in module.children())
    ]
    weighed = [n for n, (_, module) in enumerate(leaves) if any(True for _ in module.parameters())]
    last = max(weighed, default=-1)
    bare = [
        (name, module)
        for n, (name, module) in enumerate(leaves[: max(0, last)])
        if isinstance(module, nn.Conv2d) and not isinstance(leaves[n + 1][1], NORMS)
    ]
    if not bare:
        raise ValueError("each of its convolutions has a norm already, or it has none that can be seen")
    for name, module in bare:
        parent, _, own = name.rpartition(".")
        norm = nn.BatchNorm2d(module.out_channels, device=module.weight.device, dtype=module.weight.dtype)
        setattr(network.get_submodule(parent), own, nn.Sequential(module, norm))
    return network
