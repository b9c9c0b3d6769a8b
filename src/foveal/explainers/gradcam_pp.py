"""Grad-CAM++: a layer's maps, each weighted by its positive gradients where they say most."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Maps
from ..structure.look import Look

SOURCE = (
    "Chattopadhay, Sarkar, Howlader & Balasubramanian 2018, Grad-CAM++, section 3, for an exponential output"
)
CANNOT = (
    "It is as coarse as the layer. What speaks against the target is left out: other objects that share features with "
    "it stay in the map, and with other weights in the last layer it looks much the same."
)
LAYER = True


def explain(look: Look) -> Maps:
    """The weighted sum before its rectifier.

    Of the paper's weights the factor exp(score) is left out: it is one number a picture, and overflows.
    """
    place = look.layer
    seen = look.at(place)
    weights = (shares(seen.values, seen.gradients) * seen.gradients.clamp(min=0)).sum((2, 3), keepdim=True)
    cells = (weights * seen.values).sum(1)
    return Maps("for", "logits a cell, by weights that need not add up", cells=cells, place=place)


def shares(values: Tensor, gradients: Tensor) -> Tensor:
    """How much each place `BCHW` counts in its channel's weight: g^2 / (2 g^2 + g^3 sum of the map), where g is
    the gradient there, which is 1 / (2 + g sum); 0 where there is none."""
    below = 2 + gradients * values.sum((2, 3), keepdim=True)
    defined = (gradients != 0) & (below != 0)
    return torch.where(defined, 1 / torch.where(defined, below, 1), 0)
