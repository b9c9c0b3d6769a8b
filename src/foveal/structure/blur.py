"""Pictures out of focus."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOST, SOFT = 1 / 16, 5 / 224
"""Spread of a blur as a share of the picture's side: so much that shapes are lost and colours are left; and what
insertion begins with (Petsiuk, Das & Saenko 2018, RISE)."""


def blurred(images: Tensor, share: float, least: float = 0.0) -> Tensor:
    """Pictures `BCHW` blurred by a Gaussian.

    Args:
        share: its standard deviation as a share of each side.
        least: the same in pixels, at least.
    """
    for dim in (2, 3):
        side = images.shape[dim]
        spread = max(least, share * side)
        reach = min(round(3 * spread), side - 1)
        places = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
        kernel = torch.exp(-(places**2) / (2 * spread**2))
        window = (kernel / kernel.sum()).view(1, 1, *((-1, 1) if dim == 2 else (1, -1)))
        padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        wide = F.pad(images, padding, "reflect")
        images = F.conv2d(wide.flatten(0, 1)[:, None], window).view_as(images)
    return images
