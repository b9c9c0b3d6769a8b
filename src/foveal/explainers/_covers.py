"""What pictures are covered with, and how many passes are made at once."""

from __future__ import annotations

from math import ceil

from torch import Tensor
from torchvision.transforms.v2 import functional as F

BLUR = 16
"""The side of the picture over the standard deviation of the blur."""


def blurred(images: Tensor) -> Tensor:
    """Pictures `BCHW` blurred so much that shapes are lost and colours are left."""
    sigma = min(images.shape[2:]) / BLUR
    found: Tensor = F.gaussian_blur(images, [2 * ceil(2 * sigma) + 1] * 2, [sigma] * 2)
    return found
