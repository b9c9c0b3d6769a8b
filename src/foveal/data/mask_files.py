"""Files of masks: what the values of their pixels are, as numbers and as a legend writes them. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import PictureError

BACKGROUND = "background"
"""The class of what no object covers."""
COLOUR = 1 << 24
"""Codes from here on are colours, those below indices and greys."""


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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(
            "unreadable",
            f"The mask {path} cannot be read: {error}.",
            "A PNG (or another lossless picture) whose pixels' values say what is where.",
            "Correct the file, or leave its picture out with --exclude.",
        ) from error
    grey = (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()
    return colours[..., 0] if grey else colours


def packed(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """One number a pixel: its index or grey as it is, a colour beyond all of these."""
    wide = pixels.astype(np.int64)
    if wide.ndim == 2:
        return wide
    return COLOUR + (wide[..., 0] << 16) + (wide[..., 1] << 8) + wide[..., 2]


def code_of(value: str) -> int:
    """A legend's value as `packed` has it."""
    return COLOUR + int(value[1:], 16) if value.startswith("#") else int(value)


def value_of(code: int) -> str:
    """What `packed` made of a pixel, as a legend writes it."""
    return f"#{code - COLOUR:06x}" if code >= COLOUR else str(code)


def counted(pixels: NDArray[Any]) -> dict[int, int]:
    """How many pixels there are of each code."""
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        often = np.bincount(pixels.reshape(-1), minlength=256)
        return {int(code): int(often[code]) for code in np.flatnonzero(often)}
    codes, counts = np.unique(packed(pixels), return_counts=True)
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))
