"""Put weights into a network they do not fit exactly: other channels, other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .layers import first_convolution, is_in


@dataclass(frozen=True)
class Transplant:
    """What was done with the weights: tensors taken as they were, adapted, and left at their start."""

    taken: int
    adapted: tuple[str, ...]
    fresh: tuple[str, ...]


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """First-layer kernels `OIHW` for other channels, so that a grey picture excites them equally.

    To one channel: the sum over the old ones. To more: repeated in turn, scaled by old/new. As
    timm's `adapt_input_conv` does.
    """
    old = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    turns = -(-channels // old)
    return weight.repeat(1, turns, 1, 1)[:, :channels] * (old / channels)


def transplant(
    state: Mapping[str, Tensor],
    network: nn.Module,
    head: str,
    *,
    source: str,
    old_labels: Sequence[str] = (),
    new_labels: Sequence[str] = (),
) -> Transplant:
    """Load `state` into `network` in place.

    The head is taken whole when labels are equal (or shapes, where labels are unknown on both
    sides), and row by row for classes of the same name otherwise. Rows of new classes of a linear
    head start at zero: the first loss is then ln(classes), whatever scale the architecture draws
    its head at (Kolesnikov et al. 2020, Big Transfer, section 3.3). Others stay as they were drawn,
    as a rectifier behind them would let nothing through.

    Raises:
        ModelError: less than 90 % of the backbone's tensors fit: these are another network's weights.
    """
    own = network.state_dict()
    if isinstance(network.get_submodule(head), nn.Linear):
        own = {n: torch.zeros_like(t) if is_in(n, head) else t for n, t in own.items()}
    stem = first_convolution(network)
    taken: dict[str, Tensor] = {}
    adapted: list[str] = []
    fresh: list[str] = []
    for name, tensor in own.items():
        given = state.get(name)
        if given is None:
            if not name.endswith("num_batches_tracked"):
                fresh.append(name)
        elif is_in(name, head) and (list(old_labels) != list(new_labels) or given.shape != tensor.shape):
            taken[name], known = _rows(given, tensor, old_labels, new_labels)
            (adapted if known else fresh).append(name)
        elif given.shape == tensor.shape:
            taken[name] = given
        elif stem and name == f"{stem[0]}.weight" and _but_channels(given) == _but_channels(tensor):
            taken[name] = adapt_channels(given.float(), tensor.shape[1]).to(tensor.dtype)
            adapted.append(name)
        else:
            fresh.append(name)
    backbone = [n for n in own if not is_in(n, head) and not n.endswith("num_batches_tracked")]
    missing = [n for n in backbone if n not in taken]
    if len(missing) > len(backbone) / 10:
        raise ModelError(
            f"The weights of {source} do not fit this network: {len(missing)} of {len(backbone)} tensors "
            f"are missing or of another shape (the first: {missing[0]}).",
            "Weights of the same architecture; other classes and other colour channels are adapted.",
            "Give the architecture these weights are of with --network.",
        )
    with torch.no_grad():
        network.load_state_dict({**own, **taken})
    whole = len(taken) - len(adapted) - sum(name in taken for name in fresh)
    return Transplant(whole, tuple(adapted), tuple(fresh))


def _but_channels(kernels: Tensor) -> tuple[int, ...]:
    """The shape of `OIHW` without the channels that come in."""
    return (*kernels.shape[:1], *kernels.shape[2:])


def _rows(given: Tensor, tensor: Tensor, old: Sequence[str], new: Sequence[str]) -> tuple[Tensor, int]:
    """The head's tensor with the old rows of classes known by name, and how many those are."""
    rows = tensor.clone()
    shared = [label for label in new if label in old]
    if given.shape[1:] != tensor.shape[1:] or given.shape[0] != len(old):
        shared = []
    for label in shared:
        rows[list(new).index(label)] = given[list(old).index(label)].to(rows.dtype)
    return rows, len(shared)
