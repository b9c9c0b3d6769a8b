"""From a picture to a network's input: the evaluation view, and the normalisation."""

from __future__ import annotations

import functools
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..contracts import View
from ..values import Preprocessing

SLENDER = 8
IGNORED = 255
"""In masks of classes: what neither teaches nor counts."""
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


def whole_view(preprocessing: Preprocessing) -> View:
    """(picture, truth) -> the whole picture in `size` x `size`: its longer side made `size`, what is left over at
    the right or below filled with the colour that is 0 once normalised. Boxes and masks in the truth go along; masks
    of classes are `IGNORED` there, masks of objects False.

    `place_in` says where on that square a picture lies.
    """
    view: View = v2.Compose([Whole(preprocessing)])
    return view


def is_whole(view: View) -> bool:
    """Whether it is a `whole_view`."""
    return any(isinstance(one, Whole) for one in getattr(view, "transforms", ()))


def as_it_is(image: Any, truth: Any) -> tuple[Any, Any]:
    """The view of pictures whose scale is part of the task."""
    return image, truth


def place_in(side: int, width: int, height: int) -> tuple[int, int]:
    """Width and height that a picture of these sides has in `whole_view`'s square; it lies at the top left."""
    longer = max(width, height)
    return max(1, round(side * width / longer)), max(1, round(side * height / longer))


class Whole(v2.Transform):  # type: ignore[misc]
    """The whole picture in a square; see `whole_view`."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.side = preprocessing.size
        self.fill = [round(255 * value) for value in preprocessing.mean]
        self.interpolation = INTERPOLATION[preprocessing.interpolation]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        return {"to": place_in(self.side, *image.size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        width, height = params["to"]
        return padded(resized(inpt, width, height, self.interpolation), self.side, self.side, self.fill)


def resized(inpt: Any, width: int, height: int, interpolation: v2.InterpolationMode) -> Any:
    """A picture, mask or boxes at other sides; masks by their nearest pixel, whose centre it is."""
    if isinstance(inpt, tv_tensors.Mask):
        if inpt.shape[-2:] == (height, width):
            return inpt
        if not len(inpt):  # a picture without objects
            return tv_tensors.Mask(inpt.new_zeros((*inpt.shape[:-2], height, width)))
        flat = inpt.reshape(1, -1, *inpt.shape[-2:]).to(torch.uint8)  # an index or a bit
        near = torch.nn.functional.interpolate(flat, (height, width), mode="nearest-exact")
        return tv_tensors.Mask(near.reshape(*inpt.shape[:-2], height, width).to(inpt.dtype))
    return F.resize(inpt, [height, width], interpolation=interpolation)


def padded(inpt: Any, width: int, height: int, fill: list[int], left: int = 0, top: int = 0) -> Any:
    """A picture, mask or boxes on a canvas of these sides, at this place; what is beyond its borders is cut off."""
    if isinstance(inpt, Image.Image):
        if inpt.size == (width, height) and not (left or top):
            return inpt
        bands = len(inpt.getbands())
        colour = (*fill, *[0] * bands)[:bands]  # what transparency is not told of is transparent
        canvas = Image.new(inpt.mode, (width, height), colour if bands > 1 else colour[0])
        canvas.paste(inpt, (left, top))
        return canvas
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        moved = inpt.as_subclass(Tensor) + torch.tensor([left, top, left, top])
        return F.clamp_bounding_boxes(tv_tensors.wrap(moved, like=inpt, canvas_size=(height, width)))
    if isinstance(inpt, tv_tensors.Mask):
        empty = 0 if inpt.dtype == torch.bool else IGNORED
        return tv_tensors.Mask(_laid(inpt, width, height, left, top, torch.full((), empty, dtype=inpt.dtype)))
    if isinstance(inpt, tv_tensors.Image):
        bare = torch.tensor((*fill, *[0] * len(inpt))[: len(inpt)], dtype=inpt.dtype)[:, None, None]
        return tv_tensors.Image(_laid(inpt, width, height, left, top, bare))
    return inpt


def _laid(values: Tensor, width: int, height: int, left: int, top: int, empty: Tensor) -> Tensor:
    """`...HW` on a canvas of `empty` values."""
    canvas = empty.expand(*values.shape[:-2], height, width).clone()
    tall, wide = values.shape[-2:]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + wide), min(height, top + tall)
    if x1 > x0 and y1 > y0:
        canvas[..., y0:y1, x0:x1] = values[..., y0 - top : y1 - top, x0 - left : x1 - left]
    return canvas


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
