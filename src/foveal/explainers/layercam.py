"""LayerCAM: a layer's maps times those of their gradients that are positive, place by place."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._cams import CELL

SOURCE = "Jiang et al. 2021, LayerCAM: Exploring Hierarchical Class Activation Maps for Localization"
CANNOT = (
    "What speaks against the target is left out: other objects that share features with it stay in the map, and with "
    "other weights in the last layer it looks much the same."
)
LAYER = True


def explain(look: Look) -> Maps:
    """The sum over channels before its rectifier; it is below zero only where the layer's own values are."""
    place = look.layer
    seen = look.at(place)
    cells = (seen.gradients.clamp(min=0) * seen.values).sum(1)
    return Maps("for", CELL, cells=cells, place=place)
