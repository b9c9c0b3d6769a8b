"""Any mode of Pillow becomes 8-bit grey, RGB or RGBA; nothing is clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_BITS_PER_SAMPLE = 258  # a TIFF tag
_GREY = ("1", "L", "LA", "La")


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """The picture in mode L (1), RGB (3) or RGBA (4); laid over white where no alpha is kept."""
    mode = _MODES[channels]
    if image.mode == mode and "transparency" not in image.info:
        return image if type(image) is Image.Image else image.copy()
    image = eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels == 4:
            return image
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    if image.mode == "P" and mode == "L":
        image = image.convert("RGB")
    image = image.convert(mode)
    image.info.pop("transparency", None)
    return image


def eight_bit(image: Image.Image) -> Image.Image:
    """Deep and unusual modes become L or RGB; the rest is returned as it is.

    16 bits are scaled by 255 / 65535 (12-bit TIFFs by 255 / 4095), so that equal values in two
    pictures stay equal. Modes I and F do not say their range; the least usual one that holds the
    picture's values is taken: 0..65535, signed 16 bit or 31 bit for I; 0..1, 0..255, 0..65535 or
    else the values' own for F.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        low, high = _range(image, values)
        if image.mode == "F":
            values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
        scaled = (values - low) * (255.0 / (high - low))
        return Image.fromarray(np.clip(scaled + 0.5, 0, 255).astype(np.uint8))
    if image.mode == "LAB":
        turn = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        turned = ImageCms.applyTransform(image, turn)
        assert turned is not None
        return turned
    if image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        return image.convert("RGB")
    if image.mode in ("La", "RGBa", "PA"):
        return image.convert("RGBA" if image.mode != "La" else "LA")
    return image


def _range(image: Image.Image, values: NDArray[np.float64]) -> tuple[float, float]:
    """The lowest and highest value that this kind of picture can have."""
    if image.mode.startswith("I;16"):
        bits: Any = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))
        return 0.0, float(2 ** bits[0] - 1 if bits[0] in (10, 12, 14) else 65535)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if image.mode == "F":
        for top in (1.0, 255.0, 65535.0):
            if low >= 0 and high <= top:
                return 0.0, top
        return low, high if high > low else low + 1
    if low < 0:
        return (-32768.0, 32767.0) if low >= -32768 and high <= 32767 else (-(2.0**31), 2.0**31 - 1)
    return 0.0, 65535.0 if high <= 65535 else 2.0**31 - 1


def note_depth(image: Image.Image, notes: set[str]) -> None:
    """Adds `16-bit` or `float` where the picture is deeper than 8 bit."""
    if image.mode.startswith("I"):
        notes.add("16-bit")
    if image.mode == "F":
        notes.add("float")


def is_see_through(image: Image.Image) -> bool:
    """Whether some pixel is not fully opaque."""
    if not image.has_transparency_data or image.mode.startswith("I"):
        return False
    low, _ = image.convert("RGBA").getchannel("A").getextrema()
    return low < 255  # type: ignore[operator]


def is_grey(image: Image.Image) -> bool:
    """Whether no pixel has colour: by the mode, else by the middle row of pixels, else by all of them."""
    if image.mode in _GREY or image.mode.startswith("I") or image.mode == "F":
        return True
    rgb = image if image.mode == "RGB" else with_channels(image, 3)
    if rgb.width * rgb.height > 10_000:
        row = rgb.crop((0, rgb.height // 2, rgb.width, rgb.height // 2 + 1)).tobytes()
        if not row[0::3] == row[1::3] == row[2::3]:
            return False
    data = rgb.tobytes()
    return data[0::3] == data[1::3] == data[2::3]
