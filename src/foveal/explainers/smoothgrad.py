"""SmoothGrad: the mean gradient of the picture with noise on it."""

from __future__ import annotations

import torch

from ..contracts import Maps
from ..structure.look import MOST, Look
from ._channels import STEP, strongest

SOURCE = "Smilkov, Thorat, Kim, Viegas & Wattenberg 2017, SmoothGrad: removing noise by adding noise"
CANNOT = (
    "It says what small changes of noisy pictures would do, not what the pixels have done; it is smoother than the "
    "gradient, and tells two objects apart no better."
)
LAYER = False
PASSES, NOISE = 32, 0.15
"""The paper takes up to 50, and 0.1 to 0.2."""


def explain(look: Look, passes: int = PASSES, noise: float = NOISE) -> Maps:
    """At each pixel the mean gradient of the channel where it is largest, with its sign.

    Args:
        passes: how often noise is drawn; the same for each picture.
        noise: its standard deviation as a share of the picture's range, from its darkest to its brightest value.
    """
    pixels = look.pixels()
    count, *shape = pixels.shape
    flat = pixels.flatten(1)
    strength = (noise * (flat.amax(1) - flat.amin(1)))[:, None, None, None]
    draw = look.generator()
    total = torch.zeros_like(pixels)
    together = max(1, MOST // count)
    for start in range(0, passes, together):
        now = min(together, passes - start)
        drawn = torch.stack([torch.randn(shape, generator=draw) for _ in range(now)]).to(pixels)
        noisy = (pixels + strength * drawn[:, None]).flatten(0, 1)
        gradient, _ = look.gradient(look.normalised(noisy), which=[*range(count)] * now)
        total += gradient.view(now, count, *shape).sum(0)
    return Maps("size", STEP, pixels=strongest(total / passes))
