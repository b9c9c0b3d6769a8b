"""Random resized crops, of Pillow pictures with all that lies on them, and fast ones of bare 8-bit tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..data.cache import lies_on_picture

ATTEMPTS = 10
SHAPES = (3 / 4, 4 / 3)
_KERNELS = {
    v2.InterpolationMode.BILINEAR: torch.ops.aten._upsample_bilinear2d_aa,
    v2.InterpolationMode.BICUBIC: torch.ops.aten._upsample_bicubic2d_aa,
}


class RandomCrop(v2.Transform):  # type: ignore[misc]
    """A part of `scale` of the area and of shape 3:4 to 4:3, brought to `size`, antialiased.

    As torchvision's RandomResizedCrop, with its draws made in one call. Boxes and masks go along.
    """

    def __init__(self, size: int, scale: tuple[float, float], interpolation: v2.InterpolationMode) -> None:
        super().__init__()
        self.size, self.scale, self.interpolation = size, scale, interpolation

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        return dict(zip(("top", "left", "height", "width"), self.box(image.height, image.width), strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resized_crop(inpt, **params, size=[self.size] * 2, interpolation=self.interpolation)

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of the part, drawn from torch's generator."""
        least, most = (math.log(shape) for shape in SHAPES)
        draws = torch.rand(2 * ATTEMPTS + 2).tolist()
        for attempt in range(ATTEMPTS):
            area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * draws[2 * attempt])
            shape = math.exp(least + (most - least) * draws[2 * attempt + 1])
            w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < w <= width and 0 < h <= height:
                break
        else:  # the middle, as near to an allowed shape as the picture lets it be
            w, h = (min(width, round(height * SHAPES[1])), min(height, round(width / SHAPES[0])))
            return (height - h) // 2, (width - w) // 2, h, w
        return int(draws[-2] * (height - h + 1)), int(draws[-1] * (width - w + 1)), h, w

    def of(self, image: Tensor) -> Tensor:
        """The part of an 8-bit `CHW` picture, its bytes channels last as the picture's are."""
        top, left, height, width = self.box(*image.shape[-2:])
        part = image[None, :, top : top + height, left : left + width]
        if len(image) == 4:  # Pillow weighs colours by their alpha; the kernel would show what is hidden
            pillow = Image.fromarray(part[0].permute(1, 2, 0).contiguous().numpy())
            seen: Tensor = F.pil_to_tensor(
                F.resize(pillow, [self.size] * 2, interpolation=self.interpolation)
            )
            return seen
        made = torch.empty((1, self.size, self.size, len(image)), dtype=torch.uint8).permute(0, 3, 1, 2)
        _KERNELS[self.interpolation].out(part, [self.size] * 2, False, None, None, out=made)
        return made[0]


class _Mirror(v2.Transform):  # type: ignore[misc]
    """The mirror image, with all that lies on it; nothing is drawn."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.horizontal_flip(inpt)


_MIRROR = _Mirror()


@dataclass(frozen=True)
class CropAndFlip:
    """(picture, truth) cropped and perhaps mirrored; `tensors` says that bare 8-bit `CHW` pictures are taken,
    too, and varied with the same draws: at three times the speed, where nothing in the truth lies on them."""

    crop: RandomCrop
    flip: bool
    tensors: bool = True

    def __call__(self, image: Any, truth: Any) -> tuple[Any, Any]:
        mirror = self.flip and float(torch.rand(())) < 0.5
        if isinstance(image, Tensor):
            if not lies_on_picture(truth):
                made = self.crop.of(image)
                return (made.flip(-1) if mirror else made), truth
            image = F.to_pil_image(image)
        pair = self.crop(image, truth)
        return _MIRROR(*pair) if mirror else pair  # type: ignore[no-any-return]
