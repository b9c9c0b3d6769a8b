"""COCO's run lengths of a mask, read: columns one after the other, by turns outside and inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = "Lin et al. 2014, Microsoft COCO; common/maskApi.c (rleFrString) of its programming interface"


def decoded(runs: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The pixels `HW` of {"size": [height, width], "counts": ...}, compressed or not.

    Raises:
        ValueError: the runs are not of a picture of that size.
    """
    height, width = runs["size"]
    counts = runs["counts"]
    lengths = counts if isinstance(counts, list) else _lengths(counts)
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise ValueError(f"run lengths of {sum(lengths)} pixels in all, for a picture of {width} x {height}")
    inside = np.arange(len(lengths)) % 2 == 1
    flat: NDArray[np.bool_] = np.repeat(inside, lengths).reshape(width, height)
    return np.ascontiguousarray(flat.T)


def _lengths(text: str | bytes) -> Sequence[int]:
    """Numbers of 5 bits a character, the last of each with bit 5 unset and its sign in bit 4; from the fourth on each
    is the difference to the last but one."""
    found: list[int] = []
    number = shift = 0
    for code in text.encode() if isinstance(text, str) else text:
        digit = code - 48
        number |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            if digit & 16:
                number -= 1 << shift
            found.append(number + (found[-2] if len(found) > 2 else 0))
            number = shift = 0
    return found
