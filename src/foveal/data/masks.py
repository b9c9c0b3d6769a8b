"""Masks of classes: as readers tell them, and as the class indices that a view moves along with the picture.

A reader tells {"mask": path relative to the root, "legend": {...}}: what each value of its pixels means, a value
written as "7" (an index or a shade of grey) or "#ff8000" (a colour), and its label, or None for what neither teaches
nor counts. Values that the legend lacks do not count either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from ..errors import PictureError
from .views import IGNORED

Legend = Mapping[str, str | None]


def moving(
    truth: Mapping[str, Any], labels: Sequence[str], size: tuple[int, int], root: str
) -> tv_tensors.Mask:
    """The class index of every pixel, uint8 `HW`, on a picture of `size` (width, height); `IGNORED` where the legend
    says so or says nothing, and for labels that are not among `labels`.

    Raises:
        PictureError: the mask cannot be read, or has another size than its picture.
    """
    path = Path(root, str(truth["mask"]))
    pixels = open_mask(path)
    if pixels.shape[:2] != size[::-1]:
        raise PictureError(
            "mask-size",
            f"The mask {path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, its picture {size[0]} x {size[1]}.",
            "A mask of the same size as its picture.",
            "Correct the mask, or leave the picture out with --exclude.",
        )
    return tv_tensors.Mask(torch.from_numpy(indices(pixels, truth["legend"], labels)))


def indices(pixels: NDArray[Any], legend: Legend, labels: Sequence[str]) -> NDArray[np.uint8]:
    """Class indices `HW` of a mask's values `HW` (indices, greys) or `HW3` (colours)."""
    found = np.full(pixels.shape[:2], IGNORED, np.uint8)
    place = {label: n for n, label in enumerate(labels)}
    coded = packed(pixels)
    for value, label in legend.items():
        if label in place:
            found[coded == code_of(value)] = place[label]
    return found


def packed(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """One number a pixel: its index or grey as it is, a colour beyond all of these."""
    wide = pixels.astype(np.int64)
    if wide.ndim == 2:
        return wide
    return (1 << 24) + (wide[..., 0] << 16) + (wide[..., 1] << 8) + wide[..., 2]


def code_of(value: str) -> int:
    """A legend's value as `packed` has it."""
    return (1 << 24) + int(value[1:], 16) if value.startswith("#") else int(value)


def value_of(code: int) -> str:
    """What `packed` made of a pixel, as a legend writes it."""
    return f"#{code - (1 << 24):06x}" if code >= 1 << 24 else str(code)


def open_mask(path: Path) -> NDArray[Any]:
    """A mask's own values: indices of a palette or greys `HW` (16-bit ones as they are), colours `HW3`; transparency
    is left out, and colours that are grey everywhere are greys.

    Raises:
        PictureError: it is not there, or no picture.
    """
    try:
        with Image.open(path) as image:
            if image.mode in ("1", "L", "P", "I", "I;16"):
                values = np.asarray(image.convert("L") if image.mode == "1" else image)
                return values
            colours = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(
            "unreadable",
            f"The mask {path} cannot be read: {error}.",
            "A PNG (or another lossless picture) whose pixels' values say what is where.",
            "Correct the file, or leave its picture out with --exclude.",
        ) from error
    grey = (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()
    return colours[..., 0] if grey else colours
