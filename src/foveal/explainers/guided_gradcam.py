"""Guided Grad-CAM: guided backpropagation where Grad-CAM is positive."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ..structure.placing import spread
from ._channels import strongest
from ._rectified import by_rule

SOURCE = "Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, section 3.2"
CANNOT = (
    "Its fine detail is guided backpropagation's, which hardly depends on the target; only the coarse places are "
    "Grad-CAM's. With random weights it may look much the same (Adebayo et al. 2018)."
)
LAYER = True


def explain(look: Look) -> Maps:
    """At each pixel the guided gradient of the channel where it is largest, with its sign, times Grad-CAM there.

    Raises:
        OptionError: the network has no rectifiers.
    """
    gradient, rectifiers = by_rule(look, "guided")
    place = look.layer
    seen = look.at(place)
    cells = (seen.gradients.mean((2, 3), keepdim=True) * seen.values).sum(1).clamp(min=0)
    coarse = spread(cells, look.subject.drawn(place), look.subject.size)
    return Maps(
        "size", "Grad-CAM's logits a cell times the guided gradient's", pixels=strongest(gradient) * coarse,
        rectifiers=rectifiers,
    )  # fmt: skip
