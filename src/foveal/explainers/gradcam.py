"""Grad-CAM: a layer's maps, each weighted by its mean gradient."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._cams import CELL, promised

SOURCE = "Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, equations 1 and 2"
CANNOT = (
    "It is as coarse as the layer, and at layers before the last its mean over places may say what no place did "
    "(Draelos & Carin 2020)."
)
LAYER = True


def explain(look: Look) -> Maps:
    """The weighted sum before its rectifier; what is below zero speaks against the target."""
    place = look.layer
    seen = look.at(place)
    cells = (seen.gradients.mean((2, 3), keepdim=True) * seen.values).sum(1)
    return Maps("for", CELL, cells=cells, place=place, wanted=promised(look, place))
