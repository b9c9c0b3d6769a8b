"""Saliency: how much the score changes with each pixel."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look
from ._channels import STEP, strongest

SOURCE = "Simonyan, Vedaldi & Zisserman 2014, Deep Inside Convolutional Networks, section 3"
CANNOT = "It says what a small change of a pixel would do, not what the pixel has done; noise is part of it."
LAYER = False


def explain(look: Look) -> Maps:
    """At each pixel the gradient of the channel where it is largest, with its sign; the paper shows its size."""
    gradient, _ = look.gradient()
    return Maps("size", STEP, pixels=strongest(gradient))
