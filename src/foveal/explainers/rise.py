"""RISE: the logits that random masks keep where they show a pixel."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from ..contracts import Maps
from ..structure.look import MOST, Look

SOURCE = (
    "Petsiuk, Das & Saenko 2018, RISE: Randomized Input Sampling for Explanation, equation 6 and section 3.2"
)
CANNOT = (
    "It is a mean over random masks, and noise is left of them. Pictures of which half is hidden are unlike those the "
    "network has learned from."
)
LAYER = False
MASKS, CELLS, SHOWN = 1000, 7, 0.5
"""The paper draws 4000 to 8000 masks of 7x7 cells, each shown by this chance."""


def explain(look: Look, masks: int = MASKS) -> Maps:
    """At each pixel the mean score of masked pictures, weighted by how much the masks show it, less the mean over
    all masks: what seeing the pixel gains. (The paper leaves the mean in, which says nothing of places and is the
    most of the noise.) Masks are the same for each picture; what they hide has the training pictures' mean colour.

    Args:
        masks: how many.
    """
    count, _, height, width = look.images.shape
    draw = look.generator()
    weighted = look.images.new_zeros(count, height, width)
    shown, scores = look.images.new_zeros(height, width), look.images.new_zeros(count)
    for start in range(0, masks, MOST):
        made = torch.stack([_mask(height, width, draw) for _ in range(min(MOST, masks - start))]).to(weighted)
        masked = (made[:, None, None] * look.images).flatten(0, 1)
        found = look.score(masked, [*range(count)] * len(made)).view(-1, count)
        weighted += torch.einsum("nb,nhw->bhw", found, made)
        shown += made.sum(0)
        scores += found.sum(0)
    gained = (weighted - scores[:, None, None] / masks * shown) / (SHOWN * masks)
    return Maps("for", "logits gained by masks that show the pixel", pixels=gained)


def _mask(height: int, width: int, draw: torch.Generator) -> Tensor:
    """Cells shown or hidden, enlarged smoothly and shifted by less than a cell, `HW`."""
    cell = ceil(height / CELLS), ceil(width / CELLS)
    drawn = (torch.rand(1, 1, CELLS, CELLS, generator=draw) < SHOWN).float()
    large = F.interpolate(drawn, [(CELLS + 1) * side for side in cell], mode="bilinear", align_corners=False)
    y, x = (int(torch.randint(side, (1,), generator=draw)) for side in cell)
    return large[0, 0, y : y + height, x : x + width]
