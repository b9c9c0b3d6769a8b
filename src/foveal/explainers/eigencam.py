"""Eigen-CAM: what a layer's maps have most in common."""

from __future__ import annotations

import torch

from ..contracts import Maps
from ..structure.look import Look

SOURCE = "Muhammad & Yeasin 2020, Eigen-CAM: Class Activation Map using Principal Components"
CANNOT = "It knows no target: it draws what excites the layer most, whatever that speaks for."
LAYER = True


def explain(look: Look) -> Maps:
    """The layer's maps projected on their first right singular vector, which is turned so that its map is
    positive on the whole."""
    place = look.layer
    values = look.at(place).values
    places = values.flatten(2).transpose(1, 2).double()  # BNC, as the paper has them
    if (
        places.shape[1] < places.shape[2]
    ):  # by the left vectors: a place for each is far fewer than a channel for each
        squares, vectors = torch.linalg.eigh(places @ places.transpose(1, 2))
        cells = vectors[:, :, -1] * squares[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(places.transpose(1, 2) @ places)
        cells = (places @ vectors[:, :, -1:])[..., 0]
    cells = cells * torch.where(cells.sum(1, keepdim=True) < 0, -1.0, 1.0)
    cells = cells.to(values.dtype).view(-1, *values.shape[2:])
    return Maps("size", "the layer's own, no logits", cells=cells, place=place)
