"""The picture larger or smaller and somewhere on the canvas, with all that lies on it."""

from __future__ import annotations

import math
from typing import Any

import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..data.views import INTERPOLATION, padded, place_in, resized
from ..values import Preprocessing

TRIES = 10


class Jitter(v2.Transform):  # type: ignore[misc]
    """The whole picture at `scale` times the size at which it just fits the canvas of `size` x `size` pixels (drawn
    evenly on a log scale), cut off where it is larger, and filled up with the mean colour where it is smaller.

    Where there are boxes, one of them is drawn and its centre stays on the canvas.
    """

    def __init__(self, preprocessing: Preprocessing, scale: tuple[float, float]) -> None:
        super().__init__()
        self.side, self.scale = preprocessing.size, scale
        self.fill = [round(255 * value) for value in preprocessing.mean]
        self.interpolation = INTERPOLATION[preprocessing.interpolation]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        draws = torch.rand(4).tolist()
        low, high = map(math.log, self.scale)
        factor = math.exp(low + (high - low) * draws[0])
        fits = place_in(self.side, *image.size)
        width, height = (max(1, round(side * factor)) for side in fits)
        centre = _centre(flat_inputs, draws[3])
        across = (None, None) if centre is None else (centre[0] * width, centre[1] * height)
        left = _offset(width, self.side, draws[1], across[0])
        top = _offset(height, self.side, draws[2], across[1])
        return {"to": (width, height), "at": (left, top)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        (width, height), (left, top) = params["to"], params["at"]
        scaled = resized(inpt, width, height, self.interpolation)
        return padded(scaled, self.side, self.side, self.fill, left, top)


def _centre(values: list[Any], draw: float) -> tuple[float, float] | None:
    """The centre of one of the boxes, as shares of the picture's sides."""
    boxes = next((x for x in values if isinstance(x, tv_tensors.BoundingBoxes) and len(x)), None)
    if boxes is None:
        return None
    height, width = boxes.canvas_size
    x0, y0, x1, y1 = boxes[min(int(draw * len(boxes)), len(boxes) - 1)].tolist()
    return min(max((x0 + x1) / 2 / width, 0.0), 1.0), min(max((y0 + y1) / 2 / height, 0.0), 1.0)


def _offset(length: int, side: int, draw: float, keep: float | None) -> int:
    """Where the picture begins on the canvas; with pixel `keep` of it on the canvas."""
    low, high = sorted((0, side - length))
    if keep is not None:
        low, high = max(low, math.ceil(-keep)), min(high, math.floor(side - keep))
    return low + round((high - low) * draw) if high > low else low


class Colour(v2.ColorJitter):  # type: ignore[misc]
    """Brightness, contrast and saturation up or down by a fifth, hue by a fiftieth of the circle."""

    def __init__(self) -> None:
        super().__init__(0.2, 0.2, 0.2, 0.02)
