"""Guided backpropagation: gradients of what speaks for the score at every rectifier on the way."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._channels import STEP, strongest
from ._rectified import by_rule

SOURCE = "Springenberg, Dosovitskiy, Brox & Riedmiller 2015, Striving for Simplicity, section 3.4"
CANNOT = (
    "It draws the edges that the network sees, hardly which of them speak for this target: with other weights or "
    "another target it looks much the same (Adebayo et al. 2018)."
)
LAYER = False


def explain(look: Look) -> Maps:
    """At each pixel the guided gradient of the channel where it is largest, with its sign.

    Raises:
        OptionError: the network has no rectifiers.
    """
    gradient, rectifiers = by_rule(look, "guided")
    return Maps("size", STEP, pixels=strongest(gradient), rectifiers=rectifiers)
