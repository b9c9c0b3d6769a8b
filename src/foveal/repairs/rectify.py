"""Puts rectifiers in the place of softmaxes that stand between layers; one behind the last weights stays."""

from __future__ import annotations

from torch import nn

SOURCE = "Nair & Hinton 2010, Rectified Linear Units; a softmax is for the end, where shares are to be told"
SHARES = (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)


def mended(network: nn.Module) -> nn.Module:
    """The network with `nn.ReLU` for each softmax that layers with weights follow.

    Raises:
        ValueError: there is none that is a module of its own.
    """
    names = [name for name, module in network.named_modules() if not any(True for _ in module.children())]
    weighed = [
        n for n, name in enumerate(names) if any(True for _ in network.get_submodule(name).parameters())
    ]
    last = max(weighed, default=-1)
    found = [name for name in names[: max(0, last)] if isinstance(network.get_submodule(name), SHARES)]
    if not found:
        raise ValueError("it has no softmax of its own between layers: take it out of the network's code")
    for name in found:
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, nn.ReLU())
    return network
