"""Class activation maps: the last layer's maps, weighted as the linear head weighs their means."""

from __future__ import annotations

from ..contracts import Maps
from ..errors import OptionError
from ..structure.look import Look
from ._cams import by_head

SOURCE = (
    "Zhou, Khosla, Lapedriza, Oliva & Torralba 2016, Learning Deep Features for Discriminative Localization"
)
CANNOT = "It is as coarse as the last layer, and says nothing of what the layers before it have seen."
LAYER = False


def explain(look: Look) -> Maps:
    """The weighted sum; its mean over cells is the score without the head's bias.

    Raises:
        OptionError: the head is not linear in the means of the last maps, or a unit is explained.
    """
    head = by_head(look)
    place = look.subject.last_map
    if head is None or place is None:
        came = "a unit is explained" if look.unit is not None else "its head is another"
        raise OptionError(
            f"CAM is not defined here: {came}.",
            "The output of a network that ends in the mean over places and one linear layer.",
            "Use the method gradcam, which equals CAM where both are defined, or hirescam.",
        )
    cells = (head[0][:, :, None, None] * look.at(place).values).sum(1)
    return Maps("for", "logits, were all cells as this one", cells=cells, place=place)
