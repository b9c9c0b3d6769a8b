"""Put weights into a network they do not fit exactly: other channels, other classes, another size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ModelError
from .auxiliary import attached
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


def channels_in_words(old: int, new: int) -> str:
    """What `adapt_channels` did, for a model's card."""
    if new == 1:
        return f"first kernels summed over {old} channels, for one"
    return f"first kernels repeated from {old} channels to {new}, times {old}/{new}"


def adapt_positions(positions: Tensor, count: int) -> Tensor | None:
    """Position embeddings `1NC` of a class token and a square of patches for `count` places in all; None
    where the patches are no square. The square is interpolated (Dosovitskiy et al. 2021, section 3.2)."""
    old, new = round((positions.shape[1] - 1) ** 0.5), round((count - 1) ** 0.5)
    if old**2 + 1 != positions.shape[1] or new**2 + 1 != count:
        return None
    square = positions[:, 1:].transpose(1, 2).reshape(len(positions), -1, old, old)
    square = F.interpolate(square, (new, new), mode="bicubic", align_corners=True)
    return torch.cat([positions[:, :1], square.flatten(2).transpose(1, 2)], 1)


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
    as a rectifier behind them would let nothing through. The same goes for the last layer of auxiliary
    heads; what else they have may be missing. First kernels are adapted to other channels
    (`adapt_channels`), position embeddings to another size (`adapt_positions`).

    Raises:
        ModelError: less than 90 % of the backbone's tensors fit: these are another network's weights.
    """
    lasts = (head, *(one.last for one in attached(network)))
    own = {
        name: torch.zeros_like(tensor) if _is_linear(network, name, lasts) else tensor
        for name, tensor in network.state_dict().items()
    }
    stem = first_convolution(network)
    taken: dict[str, Tensor] = {}
    adapted: list[str] = []
    fresh: list[str] = []
    for name, tensor in own.items():
        given = state.get(name)
        in_last = any(is_in(name, last) for last in lasts)
        if given is None:
            if not name.endswith("num_batches_tracked"):
                fresh.append(name)
        elif in_last and (list(old_labels) != list(new_labels) or given.shape != tensor.shape):
            taken[name], known = _rows(given, tensor, old_labels, new_labels)
            (adapted if known else fresh).append(name)
        elif given.shape == tensor.shape:
            taken[name] = given
        else:
            fitting = _fitted(given, tensor, name, stem[0] if stem else None)
            if fitting is not None:
                taken[name] = fitting
            (fresh if fitting is None else adapted).append(name)
    _check_kinship(own, taken, (head, *(one.head for one in attached(network))), source)
    with torch.no_grad():
        network.load_state_dict({**own, **taken})
    whole = len(taken) - len(adapted) - sum(name in taken for name in fresh)
    return Transplant(whole, tuple(adapted), tuple(fresh))


def _is_linear(network: nn.Module, name: str, lasts: Sequence[str]) -> bool:
    """Whether a tensor called `name` belongs to a last layer that is linear."""
    return any(is_in(name, last) and isinstance(network.get_submodule(last), nn.Linear) for last in lasts)


def _fitted(given: Tensor, tensor: Tensor, name: str, stem: str | None) -> Tensor | None:
    """A tensor of another shape, adapted; None where nothing fits."""
    if stem is not None and name == f"{stem}.weight" and _but_channels(given) == _but_channels(tensor):
        return adapt_channels(given.float(), tensor.shape[1]).to(tensor.dtype)
    if name.endswith("pos_embedding") and given.shape[::2] == tensor.shape[::2]:
        made = adapt_positions(given.float(), tensor.shape[1])
        return None if made is None else made.to(tensor.dtype)
    return None


def _check_kinship(
    own: Mapping[str, Tensor], taken: Mapping[str, Tensor], heads: Sequence[str], source: str
) -> None:
    """Refuse another network's weights."""
    backbone = [
        name
        for name in own
        if not any(is_in(name, head) for head in heads) and not name.endswith("num_batches_tracked")
    ]
    missing = [name for name in backbone if name not in taken]
    if len(missing) > len(backbone) / 10:
        raise ModelError(
            f"The weights of {source} do not fit this network: {len(missing)} of {len(backbone)} tensors "
            f"are missing or of another shape (the first: {missing[0]}).",
            "Weights of the same architecture; other classes and other colour channels are adapted.",
            "Give the architecture these weights are of with --network.",
        )


def _but_channels(kernels: Tensor) -> tuple[int, ...]:
    """The shape of `OIHW` without the channels that come in."""
    return (*kernels.shape[:1], *kernels.shape[2:])


def _rows(given: Tensor, tensor: Tensor, old: Sequence[str], new: Sequence[str]) -> tuple[Tensor, int]:
    """The head's tensor with the old rows of classes known by name, and how many those are."""
    rows = tensor.clone()
    shared = [label for label in new if label in old]
    if given.shape[1:] != tensor.shape[1:] or given.shape[:1] != (len(old),):
        shared = []
    for label in shared:
        rows[list(new).index(label)] = given[list(old).index(label)].to(rows.dtype)
    return rows, len(shared)
