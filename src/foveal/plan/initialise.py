"""What a new network takes from the training pictures before it learns, where its architecture wants to."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from .. import catalog
from ..data.batches import Batches
from ..data.views import normalise

MOST = 5000
"""Pictures that are looked at (Jordan 2024, section 3.1)."""
PIXELS = MOST * 32 * 32
"""Of larger pictures fewer, which have as many patches together."""


def initialise(network: nn.Module, architecture: str, batches: Batches) -> None:
    """Show a network some training pictures, as evaluation sees them, if its architecture has `initialise`.

    `batches` is the training part under the evaluation view. Which pictures depends on its seed only; no
    generator is touched. For new networks only: weights that were trained have done this.
    """
    family = catalog.find("architectures", architecture)
    if not hasattr(family, "initialise") or not batches.count:
        return
    size = batches.preprocessing.size
    wanted = min(MOST, batches.count, max(1, PIXELS // size**2))
    # in a seeded order, as data often comes class by class; smaller batches where there are few pictures
    drawn = dataclasses.replace(batches, shuffle=True, draw=(), workers=0, size=min(batches.size, wanted))
    seen: list[torch.Tensor] = []
    for batch in drawn.epoch(0):
        seen.append(normalise(batch.images, batches.preprocessing))
        if sum(map(len, seen)) >= wanted:
            break
    family.initialise(network, torch.cat(seen)[:wanted])
