"""The signal in a network: how large activations and gradients are, layer by layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..machine.device import seeded
from .auxiliary import total_loss
from .graph import Shape

SOURCE = (
    "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward networks (figures 6 and 7); "
    "He et al. 2015, Delving Deep into Rectifiers; Ioffe & Szegedy 2015, Batch Normalization"
)
PICTURES = 16
SMALL = 0.01
"""Standard deviation of the weights that AlexNet began with (Krizhevsky et al. 2012, section 5)."""
NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
AS_BUILT, BARE, SMALL_WEIGHTS, SMALL_BARE = ("as it is", "no normalisation", "small weights", "both")


@dataclass(frozen=True)
class Level:
    """What leaves one convolution or linear layer, over a batch: mean and standard deviation of its outputs, and
    the standard deviation of the loss's gradient by them. Not finite where the signal has exploded."""

    layer: str
    mean: float
    spread: float
    gradient: float


def signals(network: nn.Module, shape: Shape, classes: int) -> dict[str, tuple[Level, ...]]:
    """The signal of pictures of noise `CHW` in the network as it is, without its normalisation layers, with
    weights that are too small, and with both; without normalisation only where it has some.

    All batches, labels and small weights are drawn from fixed seeds; the network is left as it was.
    """
    normed = any(isinstance(module, NORMS) for module in network.modules())
    found = {}
    for name in (AS_BUILT, BARE, SMALL_WEIGHTS, SMALL_BARE) if normed else (AS_BUILT, SMALL_WEIGHTS):
        changed = copy.deepcopy(network)
        if name in (BARE, SMALL_BARE):
            _without_norms(changed)
        if name in (SMALL_WEIGHTS, SMALL_BARE):
            _with_small_weights(changed)
        found[name] = _levels(changed, shape, classes)
    return found


def _levels(network: nn.Module, shape: Shape, classes: int) -> tuple[Level, ...]:
    """One step forward and back in training mode, dropout left out."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randn((PICTURES, *shape), generator=draw)
    labels = torch.randint(0, classes, (PICTURES,), generator=draw)
    with seeded(0), torch.enable_grad(), _watched(network) as made:
        _, loss = total_loss(network(pictures), lambda out: F.cross_entropy(out, labels))
        torch.autograd.backward(loss)
    return tuple(
        Level(name, float(out.mean()), float(out.std()), float(gradient.std()))
        for name, out, gradient in made
        if gradient is not None
    )


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[Any]]:
    """What each layer gives, and, once it is there, the gradient by it."""
    made: list[Any] = []

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
            entry: list[Any] = [name, output.detach().clone(), None]
            made.append(entry)

            def arrive(gradient: Tensor) -> None:
                entry[2] = gradient.detach()

            if output.requires_grad:
                output.register_hook(arrive)  # type: ignore[no-untyped-call]

        return see

    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in layers]
    try:
        yield made
    finally:
        for hook in hooks:
            hook.remove()


def _without_norms(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, NORMS):
                setattr(module, name, nn.Identity())


def _with_small_weights(network: nn.Module) -> None:
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(SMALL * torch.randn(module.weight.shape, generator=draw))
                if module.bias is not None:
                    module.bias.zero_()
