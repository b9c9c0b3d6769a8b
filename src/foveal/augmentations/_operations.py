"""The operations that the named policies draw from, done alike to a picture and to what lies on it.

Ranges and order are torchvision's, which are the papers'. Beyond torchvision's policies: boxes, masks and
keypoints move with the picture; grey pictures and those with an alpha channel are varied, too; what
comes in from outside has the colour of the picture's own rim.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

PLACED = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)
MOVING = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
SIGNED = (*MOVING, "Brightness", "Color", "Contrast", "Sharpness")
_SMOOTH = v2.InterpolationMode.BILINEAR

Space = Mapping[str, tuple[float, float] | None]
"""Operation -> its magnitude at the weakest and the strongest level; None where it has no strength."""


class Operation(NamedTuple):
    """One operation as drawn."""

    name: str
    magnitude: float


def space(
    *, shear: float, translate: float, rotate: float, enhance: float, posterize: tuple[int, int]
) -> dict[str, tuple[float, float] | None]:
    """The usual operations; `translate` in pixels, `rotate` in degrees, `posterize` in bits kept."""
    return {
        "ShearX": (0.0, shear),
        "ShearY": (0.0, shear),
        "TranslateX": (0.0, translate),
        "TranslateY": (0.0, translate),
        "Rotate": (0.0, rotate),
        "Brightness": (0.0, enhance),
        "Color": (0.0, enhance),
        "Contrast": (0.0, enhance),
        "Sharpness": (0.0, enhance),
        "Posterize": posterize,
        "Solarize": (1.0, 0.0),
        "AutoContrast": None,
        "Equalize": None,
    }


class Operations(v2.Transform):  # type: ignore[misc]
    """`count` operations of `choice`, one after another, at `level` of `bins` (None: at any level)."""

    def __init__(self, choice: Space, count: int, bins: int, level: int | None) -> None:
        super().__init__()
        self.choice, self.count, self.bins, self.level = choice, count, bins, level

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"chain": [drawn(self.choice, self.bins, self.level) for _ in range(self.count)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for operation in params["chain"]:
            inpt = done(inpt, operation)
        return inpt


class Shift(v2.Transform):  # type: ignore[misc]
    """Shifts by up to `by` pixels each way, as a crop of the picture with a border of its rim's colour.

    Draws as torchvision's RandomCrop with that padding does.
    """

    def __init__(self, size: int, by: int) -> None:
        super().__init__()
        self.size, self.by = size, by

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        top, left = (int(torch.randint(0, 2 * self.by + 1, ())) for _ in range(2))
        return {"top": top, "left": left}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        top, left = params["top"], params["left"]
        if isinstance(inpt, Image.Image):  # the same as below, three times as fast
            made = Image.new(inpt.mode, (self.size, self.size), tuple(rim(inpt)))
            made.paste(inpt, (self.by - left, self.by - top))
            return made
        fill = None if isinstance(inpt, PLACED) else rim(inpt)
        return F.crop(F.pad(inpt, [self.by], fill=fill), top, left, self.size, self.size)


def drawn(choice: Space, bins: int, level: int | None = None, highest: int | None = None) -> Operation:
    """One of these operations, each as likely, at this level or any below `highest` (default: `bins`)."""
    name = list(choice)[int(torch.randint(len(choice), ()))]
    ends = choice[name]
    if ends is None:
        return Operation(name, 0.0)
    at = int(torch.randint(highest or bins, ())) if level is None else level
    magnitude = float(torch.linspace(*ends, bins)[at])
    return Operation(name, -magnitude if name in SIGNED and torch.rand(()) <= 0.5 else magnitude)


def done(inpt: Any, operation: Operation) -> Any:
    """A Pillow picture, tv_tensors image, boxes, mask or keypoints after the operation."""
    if operation.name == "Identity":
        return inpt
    if operation.name in MOVING:
        return _moved(inpt, operation)
    if isinstance(inpt, PLACED):
        return inpt
    if isinstance(inpt, torch.Tensor):  # a picture in the truth, varied as the picture itself
        image = _coloured(F.to_pil_image(inpt), operation)
        return tv_tensors.wrap(F.pil_to_tensor(image), like=inpt)
    return _coloured(inpt, operation)


def _moved(inpt: Any, operation: Operation) -> Any:
    name, magnitude = operation
    fill = None if isinstance(inpt, PLACED) else rim(inpt)
    if name == "Rotate":
        return F.rotate(inpt, angle=magnitude, interpolation=_SMOOTH, fill=fill)
    sideways = name.endswith("X")
    if name.startswith("Translate"):  # by whole pixels: nothing to interpolate
        by = [int(magnitude), 0] if sideways else [0, int(magnitude)]
        return F.affine(inpt, angle=0.0, translate=by, scale=1.0, shear=[0.0, 0.0], fill=fill)
    angle = math.degrees(math.atan(magnitude))
    return F.affine(
        inpt,
        angle=0.0,
        translate=[0, 0],
        scale=1.0,
        shear=[angle, 0.0] if sideways else [0.0, angle],
        interpolation=_SMOOTH,
        fill=fill,
        center=[0, 0],
    )


def rim(image: Any) -> list[int]:
    """A value a channel for what lies outside: the median of the picture's outermost pixels.

    Black round a digit, white round a scan, nothing round a cut-out. Black round everything
    (torchvision's) or mean grey would be a mark that no picture bears in evaluation.
    """
    pixels = np.asarray(image) if isinstance(image, Image.Image) else image.permute(1, 2, 0).numpy()
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    values: list[int] = np.sort(edge, axis=0)[len(edge) // 2].tolist()
    return values


def _coloured(image: Image.Image, operation: Operation) -> Image.Image:
    """The picture in other colours; its alpha channel stays."""
    if image.mode == "RGBA":
        made = _coloured(image.convert("RGB"), operation)
        made.putalpha(image.getchannel("A"))
        return made
    name, magnitude = operation
    made = image
    match name:
        case "Brightness":
            made = F.adjust_brightness(image, 1.0 + magnitude)
        case "Color":
            made = F.adjust_saturation(image, 1.0 + magnitude)
        case "Contrast":
            made = F.adjust_contrast(image, 1.0 + magnitude)
        case "Sharpness":
            made = F.adjust_sharpness(image, 1.0 + magnitude)
        case "Posterize":
            made = F.posterize(image, round(magnitude))
        case "Solarize":
            made = F.solarize(image, 255.0 * magnitude)
        case "AutoContrast":
            made = F.autocontrast(image)
        case "Equalize":
            made = F.equalize(image)
    return made
