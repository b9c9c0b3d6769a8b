"""Some of a picture's pixels, marked by a second picture of the same size: what is white there counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import OptionError
from .decoding import open_path
from .seen import Seen

WHITE = 128
"""From this shade of grey on a pixel counts."""
LONGEST = 512
"""Sides of what is kept for a network that sees less than that: longer ones are averaged."""


@dataclass(frozen=True)
class Marked:
    """How much each pixel counts, 0 to 255, `shares` row by row; `name` tells where it comes from."""

    name: str
    size: tuple[int, int]
    """Width and height."""
    shares: bytes = field(repr=False)

    @classmethod
    def file(cls, path: str | Path) -> Marked:
        """By a picture's file.

        Raises:
            PictureError: it cannot be read.
            OptionError: nothing in it is white.
        """
        return cls.of(np.asarray(open_path(path, 1)), Path(path).name)

    @classmethod
    def of(cls, pixels: NDArray[Any], name: str = "a mask") -> Marked:
        """By shades of grey, uint8 `HW`, or by truths, bool `HW`.

        Raises:
            OptionError: nothing is marked.
        """
        counts = pixels if pixels.dtype == bool else pixels >= WHITE
        if not counts.any():
            brightest = (
                "" if pixels.dtype == bool or not pixels.size else f"; the brightest is {pixels.max()}"
            )
            raise OptionError(
                f"In the mask {name} no pixel is white{brightest}.",
                f"A picture whose pixels are white (from {WHITE} of 255 on) where the answer counts.",
                "Draw the place in white on black.",
            )
        height, width = counts.shape
        return cls(name, (width, height), (counts * np.uint8(255)).astype(np.uint8).tobytes())

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The same as an array, uint8 `HW`."""
        return np.frombuffer(self.shares, np.uint8).reshape(self.size[::-1])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What encloses all that counts: x0, y0, x1, y1, from edge to edge."""
        rows, columns = (np.flatnonzero(self.pixels.any(axis)) for axis in (1, 0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)

    def shown(self, seen: Seen, path: str) -> Marked:
        """The part of it that the network sees of the picture `path`, and no more pixels than are needed.

        Raises:
            OptionError: the picture has another size, or the network sees nothing of the place.
        """
        if self.size != (seen.width, seen.height):
            raise OptionError(
                f"The mask {self.name} is {self.size[0]} x {self.size[1]} pixels, and {path} {seen.width} x "
                f"{seen.height}.",
                "A mask of the same size as its picture.",
                "Explain pictures of other sizes one by one, each with its own mask.",
            )
        x0, y0, x1, y1 = seen.box
        share = min(1.0, LONGEST / max(x1 - x0, y1 - y0))
        size = max(1, round((x1 - x0) * share)), max(1, round((y1 - y0) * share))
        left, top = int(np.ceil(max(0.0, -x0))), int(np.ceil(max(0.0, -y0)))
        right, bottom = (
            int(np.ceil(max(edge, side))) for edge, side in zip((x1, y1), self.size, strict=True)
        )
        wide = Image.new("L", (left + right, top + bottom))  # beyond the picture nothing counts
        wide.paste(Image.fromarray(self.pixels), (left, top))
        part = wide.resize(size, Image.Resampling.BOX, (x0 + left, y0 + top, x1 + left, y1 + top))
        shares = np.asarray(part)
        if not shares.any():
            raise OptionError(
                f"Of what the mask {self.name} marks in {path} the network sees nothing.",
                f"Places with x from {max(0.0, x0):g} to {min(seen.width, x1):g} and y from {max(0.0, y0):g} to "
                f"{min(seen.height, y1):g}, in the picture's pixels.",
                "Mark another place.",
            )
        return Marked(self.name, size, shares.tobytes())
