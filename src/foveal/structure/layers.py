"""A network's layers in order: its first convolution, its stages, its head; what is trained of them, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from .auxiliary import attached


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode; the mode of each of its modules is as before afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """The first convolution over the input's channels, or None."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    return None


def set_channels(network: nn.Module, channels: int) -> None:
    """Make the first convolution take `channels`; its weights are drawn anew."""
    found = first_convolution(network)
    if found is not None and found[1].in_channels != channels:
        replace_convolution(network, found[0], channels=channels)


def replace_convolution(
    network: nn.Module, name: str, *, channels: int | None = None, kernel: int = 0, stride: int = 0
) -> None:
    """Put another convolution in the place of the one called `name`: for other channels, or with another
    square kernel, padded so that stride 1 keeps the size.

    Its weights are drawn anew, as large as the old ones were beside their number: what it gives of noise
    stays as strong, however the architecture draws its layers.
    """
    old = network.get_submodule(name)
    assert isinstance(old, nn.Conv2d)
    new = nn.Conv2d(
        channels or old.in_channels,
        old.out_channels,
        kernel or old.kernel_size,  # type: ignore[arg-type]
        stride or old.stride,  # type: ignore[arg-type]
        kernel // 2 if kernel else old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        groups=1,
        bias=old.bias is not None,
        padding_mode=old.padding_mode,
    )
    with torch.no_grad():
        new.weight.mul_(_strength(old.weight) / _strength(new.weight))
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, new)


def _strength(kernels: torch.Tensor) -> torch.Tensor:
    """The length of an average kernel of `OIHW`."""
    return kernels.square().sum(dim=(1, 2, 3)).mean().sqrt()


def parameter_count(build: Callable[[], nn.Module]) -> int:
    """How many parameters the network has that `build` makes; torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        return sum(p.numel() for p in build().parameters())


def is_in(name: str, head: str) -> bool:
    """Whether a parameter or module called `name` belongs to the head with this prefix."""
    return name == head or name.startswith(head + ".")


def stages(network: nn.Module, head: str) -> list[list[tuple[str, nn.Parameter]]]:
    """The backbone's parameters as stages, first layers first, and the head's as the last one, with those
    of auxiliary heads after them.

    A stage is a child of the network; a child that holds more than half of the backbone (a
    `blocks` or `features` list) is opened and each of its children is one.
    """
    heads = (head, *(one.head for one in attached(network)))
    groups: dict[str, list[tuple[str, nn.Parameter]]] = {name: [] for name in heads}
    backbone: list[tuple[str, nn.Parameter]] = []
    for name, parameter in network.named_parameters():
        owner = next((h for h in heads if is_in(name, h)), None)
        (backbone if owner is None else groups[owner]).append((name, parameter))
    last = [pair for group in groups.values() for pair in group]
    size = sum(p.numel() for _, p in backbone)
    names: list[str] = []
    for name, child in network.named_children():
        held = sum(p.numel() for n, p in backbone if is_in(n, name))
        if held > size / 2 and isinstance(child, nn.Sequential | nn.ModuleList):
            names += [f"{name}.{inner}" for inner, _ in child.named_children()]
        else:
            names.append(name)
    # the network's own parameters (position embeddings, ...) belong to its first layers
    parts: dict[str, list[tuple[str, nn.Parameter]]] = {name: [] for name in ("", *names)}
    for name, parameter in backbone:
        parts[next((n for n in names if is_in(name, n)), "")].append((name, parameter))
    return [*(part for part in parts.values() if part), last]


@dataclass(frozen=True)
class Tempo:
    """How fast a module's own parameters learn beside the others: at `scale` times their rate, and only in
    the first `until` of a stage's training. A network says so by an attribute `tempo` of that module."""

    scale: float = 1.0
    until: float = 1.0


def parameter_groups(
    network: nn.Module, head: str, *, lr: float, weight_decay: float, layer_decay: float
) -> list[dict[str, object]]:
    """Groups for an optimizer: trainable parameters only, each with its peak rate `peak`.

    The head gets `lr`, each stage before it `layer_decay` times the next one's (Howard & Ruder
    2018, section 3.2). Norms and biases (one dimension or none) get no weight decay (Goyal et al.
    2017, section 5.3), except where they have a `tempo` of their own: what learns faster has its decay
    divided by as much, so that all lose the same share in a step (Jordan 2024, airbench94). Such groups
    also say `until` when they learn.
    """
    groups: list[dict[str, object]] = []
    tempos = _tempos(network)
    for depth, stage in enumerate(reversed(stages(network, head))):
        peak = lr * layer_decay**depth
        trained = [p for _, p in stage if p.requires_grad]
        even = [p for p in trained if id(p) not in tempos]
        for decay, chosen in (
            (weight_decay, [p for p in even if p.dim() > 1]),
            (0.0, [p for p in even if p.dim() <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "peak": peak, "lr": peak})
        for tempo in dict.fromkeys(tempos[id(p)] for p in trained if id(p) in tempos):
            own = [p for p in trained if tempos.get(id(p)) == tempo]
            groups.append(
                {
                    "params": own,
                    "weight_decay": weight_decay / tempo.scale,
                    "peak": peak * tempo.scale,
                    "lr": peak * tempo.scale,
                    "until": tempo.until,
                }
            )
    return groups


def _tempos(network: nn.Module) -> dict[int, Tempo]:
    """The parameters (by identity) with a tempo of their own."""
    tempos: dict[int, Tempo] = {}
    for module in network.modules():
        tempo = getattr(module, "tempo", None)
        if isinstance(tempo, Tempo):
            tempos |= {id(p): tempo for p in module.parameters(recurse=False)}
    return tempos


def set_trainable(network: nn.Module, head: str, trainable: str, frozen: int = 0) -> None:
    """Freeze all but the head (`head`), or nothing (`all`) but the first `frozen` stages, and the auxiliary
    heads on what is frozen."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(trainable == "all" or is_in(name, head))
    for stage in stages(network, head)[:-1][:frozen]:
        for _, parameter in stage:
            parameter.requires_grad_(False)
    for idle in _idle(network, head, trainable, frozen):
        network.get_submodule(idle).requires_grad_(False)


def set_training(network: nn.Module, head: str, trainable: str, frozen: int = 0) -> None:
    """Training mode for what is trained; what is frozen stays in evaluation mode throughout, so that
    its features do not change (batch statistics, dropout, drop-path). So do the auxiliary heads on it, and
    one in evaluation mode gives nothing: its loss would teach the backbone nothing."""
    network.train(trainable == "all")
    if trainable == "head":
        network.training = True  # the task asks the root which mode it is in; its children decide theirs
        network.get_submodule(head).train()
    for idle in _idle(network, head, trainable, frozen):
        network.get_submodule(idle).eval()
    if not frozen:
        return
    still = _frozen(network, head, frozen)
    for module in list(network.modules())[1:]:
        own = [id(p) for p in module.parameters()]
        if own and still.issuperset(own):
            module.eval()


def _frozen(network: nn.Module, head: str, count: int) -> set[int]:
    """The parameters (by identity) of the first `count` stages."""
    return {id(p) for stage in stages(network, head)[:-1][:count] for _, p in stage}


def _idle(network: nn.Module, head: str, trainable: str, frozen: int) -> list[str]:
    """The auxiliary heads that have nothing to teach: all, or those on a module of frozen stages."""
    there = attached(network)
    if trainable == "head":
        return [one.head for one in there]
    still = _frozen(network, head, frozen) if there and frozen else set()
    below = {one.head: [id(p) for p in network.get_submodule(one.after).parameters()] for one in there}
    return [name for name, own in below.items() if still.issuperset(own)]
