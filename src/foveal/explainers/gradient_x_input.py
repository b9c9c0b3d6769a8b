"""Gradient times input: what each pixel would add to the score, were the network linear."""

from __future__ import annotations

from ..contracts import Maps
from ..structure.look import Look

SOURCE = "Shrikumar, Greenside, Shcherbina & Kundaje 2016, Not Just a Black Box"
CANNOT = "Black pixels get nothing, whatever they mean; and networks are not linear, so that it adds up to nothing."
LAYER = False


def explain(look: Look) -> Maps:
    """The gradient times the pixel, both on the scale of pixels from black to white, added over channels."""
    gradient, _ = look.gradient()
    return Maps("both", "logits a pixel, beside black", pixels=(gradient * look.pixels()).sum(1))
