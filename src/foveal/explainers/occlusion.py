"""Occlusion: the logits that are lost when a patch of the picture is covered."""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch

from ..contracts import Maps
from ..errors import UnknownNameError
from ..structure.blur import LOST, blurred
from ..structure.look import MOST, Look

SOURCE = "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2"
CANNOT = (
    "It covers one patch at a time: of two objects that would each do, it sees neither. Covered pictures are unlike "
    "those the network has learned from."
)
LAYER = False
COVERS = ("grey", "blurred")
SHARE = 7
"""Patches are this part of the picture's shorter side, and overlap by half."""


def coarse(look: Look) -> Maps:
    """The same by a quarter of the passes: patches side by side, each pixel with what its own one loses."""
    return explain(look, overlap=False)


def explain(look: Look, cover: Literal["grey", "blurred"] = "grey", overlap: bool = True) -> Maps:
    """At each pixel the logits lost by a patch over it, the mean of the four that cover it; negative where the
    score rises. What a patch cut by the picture's edge loses counts as the same loss on each of its pixels, so
    that for a linear network the pixels add up, over the area of a patch, to what the whole picture loses.

    Args:
        cover: what patches show: the training pictures' mean colour, or the picture blurred.
        overlap: whether patches begin at every half of one, so that four cover each pixel, or side by side.

    Raises:
        UnknownNameError: another cover.
    """
    if cover not in COVERS:
        raise UnknownNameError("cover", cover, COVERS)
    images = look.images
    count, height, width = len(images), *images.shape[2:]
    shown = torch.zeros_like(images) if cover == "grey" else blurred(images, LOST)
    stride = max(1, round(min(height, width) / SHARE / 2))
    side = 2 * stride
    first, step = (-stride, stride) if overlap else (0, side)
    total = images.new_zeros(count, height, width)
    boxes = [
        (slice(max(0, y), min(height, y + side)), slice(max(0, x), min(width, x + side)))
        for y, x in product(range(first, height, step), range(first, width, step))
    ]
    for start in range(0, len(boxes), MOST):
        chunk = boxes[start : start + MOST]
        covered = images.repeat(len(chunk), 1, 1, 1)
        for n, box in enumerate(chunk):
            covered[n * count : (n + 1) * count, :, *box] = shown[:, :, *box]
        scores = look.score(covered, [*range(count)] * len(chunk)).view(-1, count)
        for box, lost in zip(chunk, look.scores - scores, strict=True):
            area = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
            total[:, *box] += (lost * side**2 / area * (step / side) ** 2)[:, None, None]
    return Maps("both", f"logits lost by a patch of {side}x{side} pixels", pixels=total)
