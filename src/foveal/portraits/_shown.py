"""Pictures shown to a network, and what its layers gave of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Sitting
from ..data.views import normalise
from ..errors import OptionError
from ..structure.taps import passed, untouched

PIECE = 32
"""Pictures at a time."""


@dataclass(frozen=True)
class Shown:
    """Some pictures uint8 `BCHW` on the CPU, their ids, and the outputs of operations for them."""

    ids: tuple[str, ...]
    pixels: Tensor
    values: dict[int, Tensor]


def shown(sitting: Sitting, places: Collection[int]) -> Iterator[Shown]:
    """All pictures in order, in pieces of `PIECE`, each passed once and no further than `places`.

    Raises:
        OptionError: there are no pictures.
    """
    if sitting.pictures is None:
        raise OptionError(
            "No pictures were given.",
            "A data set: what the network has learned is shown by the pictures that excite it.",
            "Give a folder of pictures, or a run, which knows its data.",
        )
    for ids, pictures in sitting.pictures():
        for start in range(0, len(pictures), PIECE):
            pixels = pictures[start : start + PIECE].cpu()
            yield Shown(tuple(ids[start : start + PIECE]), pixels, outputs(sitting, pixels, places))


def outputs(sitting: Sitting, pixels: Tensor, places: Collection[int]) -> dict[int, Tensor]:
    """What operations give of pictures uint8 `BCHW`, without gradients."""
    p, (height, width) = sitting.preprocessing, sitting.subject.size
    if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != (p.channels, height, width):
        raise ValueError(f"pictures uint8 B, {p.channels}, {height}, {width}, not {tuple(pixels.shape)}")
    if not places:
        return {}
    network = sitting.subject.network
    with untouched(network), torch.no_grad():
        inputs = normalise(pixels, p).to(like(sitting))
        return passed(network, inputs, sitting.subject.graph, places, whole=False).values


def like(sitting: Sitting) -> Tensor:
    """An empty tensor of the network's device and kind of numbers."""
    for parameter in sitting.subject.network.parameters():
        if parameter.is_floating_point():
            return parameter.new_empty(0)
    return torch.empty(0)
