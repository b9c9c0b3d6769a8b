"""Four pictures on one canvas, each jittered: objects in surroundings that they never had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torchvision import tv_tensors

from ..contracts import Pair, View
from ..data import objects
from ..data.views import INTERPOLATION, padded, resized
from ..values import Facts, Preprocessing
from . import jitter

SOURCE = "Bochkovskiy et al. 2020, YOLOv4, section 3.3"
TASKS = ("detect", "instances")
SHARE = 0.5
"""Of the pictures that become a mosaic; the others stay as they are, as in evaluation."""
CENTRES = (0.3, 0.7)


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    return jitter.build(preprocessing, facts, flip=flip, scratch=scratch, magnitude=magnitude)


def among(preprocessing: Preprocessing) -> Mosaic:
    return Mosaic(preprocessing)


@dataclass(frozen=True)
class Mosaic:
    """Half of a batch's pictures become mosaics of themselves and three others of the batch: all four at half their
    size, side by side, round a centre that is drawn; what lies beyond the canvas is cut off."""

    preprocessing: Preprocessing

    def __call__(self, pairs: list[Pair]) -> list[Pair]:
        return [self.laid(pairs, n) if float(torch.rand(())) < SHARE else pairs[n] for n in range(len(pairs))]

    def laid(self, pairs: list[Pair], own: int) -> Pair:
        """The mosaic of picture `own` and three drawn with replacement."""
        side = self.preprocessing.size
        order = [own, *torch.randint(len(pairs), (3,)).tolist()]
        low, high = CENTRES
        x, y = (round(side * (low + (high - low) * draw)) for draw in torch.rand(2).tolist())
        half = side // 2
        corners = ((x - half, y - half), (x, y - half), (x - half, y), (x, y))
        fill = [round(255 * value) for value in self.preprocessing.mean]
        canvas: Image.Image | None = None
        truths = []
        for number, (left, top) in zip(order, corners, strict=True):
            image, truth = pairs[number]
            small = resized(image, half, half, INTERPOLATION[self.preprocessing.interpolation])
            canvas = padded(small, side, side, fill, left, top) if canvas is None else canvas
            canvas.paste(small, (left, top))
            truths.append(objects.visible(self.moved(truth, half, side, left, top)))
        assert canvas is not None
        return canvas, objects.joined(truths)

    def moved(self, truth: Any, half: int, side: int, left: int, top: int) -> dict[str, Any]:
        """The objects of one of the four where it lies."""
        found = dict(truth)
        for name in ("boxes", "masks"):
            if name in found:
                small = resized(found[name], half, half, INTERPOLATION["bilinear"])
                found[name] = padded(small, side, side, [0], left, top)
        assert isinstance(found["boxes"], tv_tensors.BoundingBoxes)
        return found
