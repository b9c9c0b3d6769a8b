"""Auxiliary heads: further outputs of a network in training, whose losses count a little beside the main one's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

SOURCE = (
    "Szegedy et al. 2015, Going Deeper with Convolutions, section 5: auxiliary losses are added with weight 0.3; "
    "for Inception v3, whose paper gives no weight, 0.4 is that of its authors' training script "
    "(TensorFlow-Slim, train_image_classifier.py)"
)


class Outputs(NamedTuple):
    """What a network with auxiliary heads gives in training: the main outputs `BC`, those of each auxiliary
    head, and the share with which each one's loss counts."""

    main: Tensor
    others: tuple[Tensor, ...]
    shares: tuple[float, ...]


class Attached(NamedTuple):
    """An auxiliary head: the name of its last layer, and of the module whose outputs it takes. The head is
    what holds its last layer. A network that has some lists them in its attribute `auxiliary`."""

    last: str
    after: str

    @property
    def head(self) -> str:
        return self.last.rpartition(".")[0] or self.last


def attached(network: nn.Module) -> tuple[Attached, ...]:
    """The network's auxiliary heads; none for most."""
    return tuple(getattr(network, "auxiliary", ()))


def total_loss(made: Tensor | Outputs, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The main outputs of what a network made, and the loss to descend: the main outputs' own, and in
    training those of its auxiliary heads, each by its share."""
    if not isinstance(made, Outputs):
        return made, loss(made)
    total = loss(made.main)
    for other, share in zip(made.others, made.shares, strict=True):
        total = total + share * loss(other)
    return made.main, total
