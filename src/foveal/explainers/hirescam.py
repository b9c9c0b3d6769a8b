"""HiResCAM: a layer's maps times their gradients, place by place."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._cams import CELL, promised

SOURCE = "Draelos & Carin 2020, Use HiResCAM instead of Grad-CAM for faithful explanations"
CANNOT = (
    "It is as coarse as the layer. Its cells add up to the score only at the last layer before a pooled and linear "
    "head; elsewhere they say what a small change would do, times what is there."
)
LAYER = True


def explain(look: Look) -> Maps:
    """The sum over channels before its rectifier; what is below zero speaks against the target."""
    place = look.layer
    seen = look.at(place)
    cells = (seen.gradients * seen.values).sum(1)
    return Maps("for", CELL, cells=cells, place=place, wanted=promised(look, place))
