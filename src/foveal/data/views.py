"""From a picture to a network's input: the evaluation view, and the normalisation."""

from __future__ import annotations

import functools
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..contracts import View
from ..values import Preprocessing

SLENDER = 8
INTERPOLATION = {
    "bilinear": v2.InterpolationMode.BILINEAR,
    "bicubic": v2.InterpolationMode.BICUBIC,
}


def evaluation_view(preprocessing: Preprocessing) -> View:
    """(picture, truth) -> both at `size`: shorter side to `size / crop`, then the middle.

    On Pillow pictures the resize is Pillow's own, antialiased, so that inputs equal those of the
    scripts the weights were published with. Boxes and masks in the truth go along.
    """
    p = preprocessing
    shorter = v2.Resize(int(p.size / p.crop), interpolation=INTERPOLATION[p.interpolation])
    view: View = v2.Compose([MiddleOfSlender(), shorter, v2.CenterCrop(p.size)])
    return view


class MiddleOfSlender(v2.Transform):  # type: ignore[misc]
    """The middle of pictures more than `SLENDER` times as long as wide: the ends would be cut off
    later anyway, and a strip of 1 x 50,000 pixels would fill the memory when its width is enlarged."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        most = SLENDER * min(image.size)
        return {"to": [min(image.height, most), min(image.width, most)] if max(image.size) > most else None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if params["to"] is None else F.center_crop(inpt, params["to"])


def to_input(image: Image.Image, view: View) -> Tensor:
    """One picture without a truth, as a view shows it to the network, uint8 `CHW`."""
    viewed, _ = view(image, None)
    return to_uint8(viewed)


def to_uint8(image: Image.Image) -> Tensor:
    """A picture as uint8 `CHW`."""
    tensor: Tensor = F.pil_to_tensor(image)
    return tensor


def normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 `BCHW` to float `BCHW`: (value / 255 - mean) / std, on the images' device."""
    mean, std = (_constant(values, images.device) for values in (preprocessing.mean, preprocessing.std))
    return images.float().div_(255).sub_(mean).div_(std)


@functools.lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Once a device: copying them there for every batch would wait for the GPU each time."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)
