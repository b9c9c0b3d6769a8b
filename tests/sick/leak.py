"""A third of the validation pictures are training pictures."""

from __future__ import annotations

import dataclasses

from foveal.doctor.case import Case
from sick._data import case_of, shown, with_pixels
from staging import COUNTS, digits


def staged() -> Case:
    items, pixels = list(digits().items), shown().copy()
    for n in range(COUNTS["val"] // 3):
        at = COUNTS["train"] + n
        pixels[at] = pixels[n]
        items[at] = dataclasses.replace(items[at], truth=items[n].truth)
    return case_of(with_pixels(pixels, items))
