"""Noise that can only be told because each validation picture was trained on."""

from __future__ import annotations

import dataclasses

import numpy as np

from foveal.doctor.case import Case
from sick._data import case_of, shown, with_pixels
from staging import COUNTS, digits


def staged() -> Case:
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, shown().shape, dtype=np.uint8)
    items = list(digits().items)
    for n in range(COUNTS["val"]):
        at = COUNTS["train"] + n
        pixels[at] = pixels[n]
        items[at] = dataclasses.replace(items[at], truth=items[n].truth)
    return case_of(with_pixels(pixels, items), epochs=60, lr=0.1, smoothing=0.0)
