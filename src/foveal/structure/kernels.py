"""Kernels with a name, kernels as they are typed, and small pictures to try them on.

The named ones are those of every textbook of image processing (Gonzalez & Woods, Digital Image Processing,
chapter 3), continued to kernels of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, nearest

Array: TypeAlias = NDArray[np.float64]
TYPED = '"0 -1 0, -1 5 -1, 0 -1 0"'


def edge(shape: Sequence[int]) -> Array:
    """A cell less its surroundings: nothing where all is even (a Laplacian)."""
    kernel = np.full(shape, -1.0)
    kernel[middle(shape)] = prod(shape) - 1
    return kernel


def blur(shape: Sequence[int]) -> Array:
    """The mean of all that the window covers."""
    return np.full(shape, 1 / prod(shape))


def sharpen(shape: Sequence[int]) -> Array:
    """The picture and its edges: a cell's difference to the cells in its row and column is added to it."""
    kernel = np.zeros(shape)
    centre = middle(shape)
    for axis in range(len(shape)):
        along: list[int | slice] = list(centre)
        along[axis] = slice(None)
        kernel[tuple(along)] = -1
    kernel[centre] = 0
    kernel[centre] = 1 - kernel.sum()
    return kernel


def emboss(shape: Sequence[int]) -> Array:
    """What is brighter to the lower right than to the upper left, laid over the picture."""
    centre = middle(shape)
    kernel = np.zeros(shape)
    for index, at in zip(np.indices(shape), centre, strict=True):
        kernel += index - at
    kernel[centre] = 1
    return kernel


def ones(shape: Sequence[int]) -> Array:
    """The sum of all that the window covers."""
    return np.ones(shape)


NAMED: dict[str, Callable[[Sequence[int]], Array]] = {
    "edge": edge, "blur": blur, "sharpen": sharpen, "emboss": emboss, "ones": ones,
}  # fmt: skip


def middle(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple((side - 1) // 2 for side in shape)


def typed(text: str, dims: int) -> Array:
    """A kernel from its rows, a comma or semicolon between them, and numbers or fractions in each.

    Raises:
        OptionError: it is neither that nor a name, or rows differ in length.
    """
    ways = f"A name ({', '.join(NAMED)}), or rows of numbers with commas between the rows: {TYPED}."
    rows = [row.split() for row in text.replace(";", ",").strip().strip(",").split(",")]
    if dims == 1:
        rows = [[number for row in rows for number in row]]
    try:
        if not any(rows):
            raise ValueError("no numbers")
        numbers = [[float(Fraction(number)) for number in row] for row in rows]
    except (ValueError, ZeroDivisionError, OverflowError):
        near = nearest(text.strip(), NAMED)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"Give --kernel-values {TYPED} or a name."
        raise OptionError(f"--kernel-values was given as {text!r}.", ways, meant) from None
    lengths = [len(row) for row in numbers]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise OptionError(
            f"The kernel's rows have {', '.join(map(str, lengths))} numbers.",
            ways,
            "Give every row as many numbers.",
        )
    return np.array(numbers[0] if dims == 1 else numbers)


def shape_picture(shape: Sequence[int]) -> Array:
    """A bright square on a dark ground, or over one axis a bright stretch: something that has edges."""
    picture = np.full(shape, 1.0)
    picture[tuple(slice(side // 4, side - side // 4) for side in shape)] = 7
    return picture


def varied_picture(shape: Sequence[int]) -> Array:
    """Digits in no order that is seen at once: each window has another largest."""
    rows, columns = np.indices((*[1] * (2 - len(shape)), *shape))
    picture: Array = (7 * rows + 3 * columns + rows * columns) % 10 * 1.0
    return picture.reshape(shape)


def from_file(path: str, shape: Sequence[int]) -> Array:
    """A picture's grey levels, 0 to 255, shrunk to `shape`; over one axis, the row in its middle.

    Raises:
        PictureError: it cannot be read.
    """
    from PIL import Image

    from ..data.decoding import open_path

    image = open_path(path, 1)
    if len(shape) == 1:
        image = image.crop((0, image.height // 2, image.width, image.height // 2 + 1))
    small = image.resize((shape[-1], shape[0] if len(shape) == 2 else 1), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).reshape(shape)


def shape_within(path: str, longest: int, dims: int) -> tuple[int, ...]:
    """A picture's sides, shrunk in proportion so that the longer has `longest` cells.

    Raises:
        PictureError: it cannot be read.
    """
    from ..data.decoding import open_path

    image = open_path(path, 1)
    share = min(1.0, longest / max(image.size))
    sides = [max(1, round(side * share)) for side in (image.height, image.width)]
    return tuple(sides[-dims:]) if dims == 2 else (min(longest, image.width),)
