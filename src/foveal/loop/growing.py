"""Progressive sizes: training pictures that begin small, and cheap, and end at the size that counts."""

from __future__ import annotations

from dataclasses import replace

from torch.nn import functional as F

from ..values import Batch

SOURCE = (
    "Howard 2018, fast.ai on DAWNBench; Tan & Le 2021, EfficientNetV2, section 4; the times are MosaicML "
    "Composer's: small for the first half, full size for the last fifth"
)
SMALL_UNTIL, WHOLE_FROM = 0.5, 0.8
STEP = 4
"""Sides are rounded to so many pixels, so that few kernels have to be made."""
LEAST = 8


def side_at(progress: float, share: float, side: int) -> int:
    """The side of training pictures at a stage's progress 0..1, from `share` of the whole side on."""
    grown = min(1.0, max(0.0, (progress - SMALL_UNTIL) / (WHOLE_FROM - SMALL_UNTIL)))
    if grown == 1.0 or share == 1.0:
        return side
    wanted = side * (share + (1 - share) * grown)
    return min(side, max(LEAST, round(wanted / STEP) * STEP))


def grown(batch: Batch, progress: float, share: float) -> Batch:
    """The batch at the side that belongs to this progress, reduced by antialiased bilinear interpolation.

    For truths that do not lie on the picture. `progress` counts from a stage's beginning.
    """
    side = side_at(progress, share, batch.images.shape[-1])
    if side == batch.images.shape[-1]:
        return batch
    return replace(batch, images=F.interpolate(batch.images, (side, side), mode="bilinear", antialias=True))
