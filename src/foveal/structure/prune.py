"""How many of a trained network's parameters can go: its smallest weights, or whole channels of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from .graph import Graph

SOURCE = (
    "By magnitude: Han et al. 2015, Learning both Weights and Connections for Efficient Neural Networks; by "
    "channel: Li et al. 2017, Pruning Filters for Efficient ConvNets (section 3.1, the filters with the smallest sums)"
)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
KINDS = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def by_magnitude(network: nn.Module, graph: Graph, share: float) -> nn.Module:
    """A copy in which the smallest `share` of all weights of convolutions and linear layers is zero."""
    pruned = copy.deepcopy(network)
    weights = [m.weight for m in pruned.modules() if isinstance(m, KINDS)]
    sizes = torch.cat([w.detach().abs().flatten() for w in weights])
    count = round(share * len(sizes))
    if count:
        limit = sizes.kthvalue(count).values
        with torch.no_grad():
            for weight in weights:
                weight.mul_(weight.abs() > limit)
    return pruned


def by_channel(network: nn.Module, graph: Graph, share: float) -> nn.Module:
    """A copy in which the same `share` of each convolution's filters is zero, those whose weights sum up to
    least; with them the batch normalisation that follows, so that the channel is zero from there on. At least
    one filter of each is left, and the layers that the network's outputs come from stay whole."""
    pruned = copy.deepcopy(network)
    modules = dict(pruned.named_modules())
    with torch.no_grad():
        for name, normed in _filters(graph):
            layer = modules[name]
            assert isinstance(layer, nn.Conv2d)
            sums = layer.weight.abs().sum((1, 2, 3))
            gone = sums.argsort()[: min(int(share * len(sums)), len(sums) - 1)]
            for module in (layer, modules.get(normed)):
                for parameter in () if module is None else module.parameters(recurse=False):
                    parameter[gone] = 0
            norm = modules.get(normed)
            if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
                norm.running_mean[gone] = 0
    return pruned


METHODS: dict[str, Callable[[nn.Module, Graph, float], nn.Module]] = {
    "magnitude": by_magnitude,
    "channel": by_channel,
}


def _filters(graph: Graph) -> Iterator[tuple[str, str]]:
    """The convolutions whose filters can go, each with the batch normalisation that alone follows it, or ""."""
    takers: dict[int, list[int]] = {}
    for place, operation in enumerate(graph.operations):
        for one in operation.inputs:
            takers.setdefault(one, []).append(place)
    seen: set[str] = set()
    for place, operation in enumerate(graph.operations):
        call = graph.calls[operation.call]
        if not isinstance(call.module, nn.Conv2d) or call.name in seen or place in graph.outputs:
            continue
        seen.add(call.name)
        next_ones = [graph.calls[graph.operations[n].call] for n in takers.get(place, ())]
        if len(next_ones) == 1 and isinstance(next_ones[0].module, nn.BatchNorm2d):
            yield call.name, next_ones[0].name
        else:
            yield call.name, ""


def share_gone(network: nn.Module, shape: tuple[int, ...]) -> float:
    """The share of a pruned network's parameters that it could do without: those that are zero, and the weights
    of layers by whose inputs nothing can come any more. `shape` is a picture's, `CHW`."""
    dead = _dead_inputs(network, shape)
    gone = 0
    for name, module in network.named_modules():
        for _, parameter in module.named_parameters(recurse=False):
            zero = parameter == 0
            if parameter.dim() > 1 and name in dead and parameter.shape[1] == len(dead[name]):
                zero = zero | dead[name].view(1, -1, *(1,) * (parameter.dim() - 2))
            gone += int(zero.sum())
    return gone / max(1, sum(p.numel() for p in network.parameters()))


def _dead_inputs(network: nn.Module, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Which channels of a layer's inputs are zero whatever the picture: they are so in a copy in which all that
    is not zero is positive, so that nothing else cancels out or is cut off by a rectifier."""
    positive = copy.deepcopy(network).eval()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.copy_(parameter != 0)
        for module in positive.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.reset_running_stats()
            if isinstance(module, KINDS):  # means, not sums, so that they stay finite through many layers
                used = module.weight.flatten(1).sum(1).clamp_min(1)
                module.weight.div_(used.view(-1, *(1,) * (module.weight.dim() - 1)))
        dead: dict[str, Tensor] = {}
        for name, module in positive.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_pre_hook(_look(dead, name))
        positive(torch.ones(1, *shape))
    return dead


def _look(dead: dict[str, Tensor], name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """Notes which channels of a layer's inputs are zero everywhere."""

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        alive = (x != 0).flatten(2).any(2).any(0) if x.dim() > 2 else (x != 0).any(0)
        before = dead.get(name)
        dead[name] = ~alive if before is None else before & ~alive

    return look
