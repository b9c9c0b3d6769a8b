"""Patches of pictures at their own scale, mirrored and turned by quarters: nothing is resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..contracts import View
from ..data.views import IGNORED
from ..values import Facts, Preprocessing

SOURCE = "Timofte et al. 2016, Seven Ways to Improve Example-Based Single Image Super Resolution, section 3.1"


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """A random patch of `size` x `size` pixels, mirrored and turned where `flip` is; `magnitude` changes nothing."""
    view: View = Patches(preprocessing.size, flip)
    return view


class Patches(v2.Transform):  # type: ignore[misc]
    """The same patch of all that lies on the picture. Pictures smaller than it are continued by their mirror images.

    Of a small picture and a larger target (a tensor picture of a whole multiple of its sides), the target's patch
    has `size` pixels and the picture's as many fewer.
    """

    def __init__(self, size: int, turns: bool) -> None:
        super().__init__()
        self.size, self.turns = size, turns

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        wide = max((x.shape[-1] for x in flat_inputs if isinstance(x, tv_tensors.Image)), default=image.width)
        factor = max(1, wide // image.width)
        side = self.size // factor
        draws = torch.rand(4).tolist()
        left, top = (
            int(draw * max(1, whole - side + 1)) for draw, whole in zip(draws, image.size, strict=False)
        )
        turn = (int(draws[2] * 4), draws[3] < 0.5) if self.turns else (0, False)
        return {"side": side, "width": image.width, "at": (left, top), "turn": turn}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, Image.Image | tv_tensors.TVTensor):
            return inpt
        width = F.get_size(inpt)[1]
        times = max(1, width // params["width"])
        side, (left, top) = params["side"] * times, (times * at for at in params["at"])
        turns, mirrored = params["turn"]
        patch = F.crop(_continued(inpt, side), top, left, side, side)
        if isinstance(patch, tv_tensors.BoundingBoxes):
            patch = F.clamp_bounding_boxes(patch)
        patch = F.horizontal_flip(patch) if mirrored else patch
        for _ in range(turns):
            patch = _turned(patch)
        return patch


def _turned(patch: Any) -> Any:
    """A square patch turned by a quarter, against the clock; torch's rotation would resample it."""
    if isinstance(patch, Image.Image):
        return patch.transpose(Image.Transpose.ROTATE_90)
    if isinstance(patch, tv_tensors.BoundingBoxes):
        side = patch.canvas_size[0]
        x0, y0, x1, y1 = patch.as_subclass(Tensor).unbind(-1)
        return tv_tensors.wrap(torch.stack([y0, side - x1, y1, side - x0], -1), like=patch)
    return tv_tensors.wrap(torch.rot90(patch.as_subclass(Tensor), 1, (-2, -1)), like=patch)


def _continued(inpt: Any, side: int) -> Any:
    """What is smaller than a patch, with mirror images at the right and below; masks say nothing there."""
    height, width = F.get_size(inpt)
    beyond, below = max(0, side - width), max(0, side - height)
    if not (beyond or below):
        return inpt
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        return F.pad(inpt, [0, 0, beyond, below])
    if isinstance(inpt, tv_tensors.Mask):
        return F.pad(inpt, [0, 0, beyond, below], fill=0 if inpt.dtype == torch.bool else IGNORED)
    if isinstance(inpt, Image.Image):
        grid = np.asarray(inpt)
        edges = [(0, below), (0, beyond), (0, 0)][: grid.ndim]
        return Image.fromarray(np.pad(grid, edges, mode="symmetric"))
    grid = np.pad(inpt.numpy(), [(0, 0)] * (inpt.ndim - 2) + [(0, below), (0, beyond)], mode="symmetric")
    return tv_tensors.wrap(torch.from_numpy(grid), like=inpt)
