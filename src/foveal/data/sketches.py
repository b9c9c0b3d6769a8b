"""A small copy of every picture and what can be measured on it: enough to find twins and odd pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import PictureError
from ..values import Dataset, Item
from .decoding import open_image
from .looks import Known

Pixels = NDArray[np.uint8]
SIDE = 32
"""Pixels of the small copies' sides: the whole picture, squeezed."""
WORKING = 96
"""Shorter side in pixels at which pictures are measured; smaller ones are measured as they are."""
_AT_ONCE = 64
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Sketches:
    """Small copies `N, 32, 32, 3` of the pictures that could be read, and a number a picture for each measure."""

    items: tuple[Item, ...]
    small: Pixels
    measures: dict[str, NDArray[np.float64]]
    """`width`, `height` in pixels, `bytes` of the file; `bright` and `dim`, the 99th and 5th percentile of the
    brightness (0 to 1); `contrast`, its standard deviation; `entropy` of 32 grey levels in bits; `sharp`, the finest
    detail as a share of the contrast; `colour`, the mean difference between channels (0 to 1)."""

    def __len__(self) -> int:
        return len(self.items)


def sketch(
    dataset: Dataset,
    items: Sequence[Item] | None = None,
    progress: Callable[[int, int], None] | None = None,
    data_home: str | None = None,
) -> Sketches:
    """Sketches of these items (default: all of the data set). Pictures that cannot be read are left out."""
    wanted = list(dataset.items if items is None else items)
    known = Known(dataset.root, data_home)
    pieces = [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)]

    def work(piece: Sequence[Item]) -> list[tuple[Item, Pixels, dict[str, float]]]:
        made = []
        for item in piece:
            try:
                look = known.look(item)
                image = open_image(dataset.root, item, 3, WORKING)
            except PictureError:
                continue
            told = {"width": look.width, "height": look.height, "bytes": look.bytes}
            made.append((item, small_of(image), {**told, **measured(image)}))
        return made

    rows: list[tuple[Item, Pixels, dict[str, float]]] = []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, max(1, len(pieces)))) as pool:
        for done in pool.map(work, pieces):
            rows += done
            if progress is not None:
                progress(len(rows), len(wanted))
    small = np.stack([row[1] for row in rows]) if rows else np.empty((0, SIDE, SIDE, 3), np.uint8)
    names = rows[0][2] if rows else {}
    return Sketches(
        tuple(row[0] for row in rows),
        small,
        {name: np.array([row[2][name] for row in rows], float) for name in names},
    )


def small_of(image: Image.Image) -> Pixels:
    """The whole picture squeezed into 32 x 32 pixels, each the mean of what it covers."""
    if image.size == (SIDE, SIDE):
        return np.asarray(image)
    large = min(image.size) >= SIDE
    return np.asarray(
        image.resize((SIDE, SIDE), Image.Resampling.BOX if large else Image.Resampling.BILINEAR)
    )


def measured(image: Image.Image) -> dict[str, float]:
    """The measures of one RGB picture (`Sketches.measures`), on a copy of at most 96 pixels a side."""
    if min(image.size) > WORKING:
        scale = WORKING / min(image.size)
        wide, high = (max(1, min(4 * WORKING, round(side * scale))) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.BOX)
    rgb = np.asarray(image, np.float32)
    grey = rgb @ _GREY
    levels = np.bincount((grey.ravel() / 8).astype(np.int64).clip(0, 31), minlength=32)
    share = levels[levels > 0] / grey.size
    ranked = np.sort(grey, None)
    return {
        "bright": float(ranked[int(0.99 * (grey.size - 1))]) / 255,
        "dim": float(ranked[int(0.05 * (grey.size - 1))]) / 255,
        "contrast": float(grey.std()) / 255,
        "entropy": float(-(share * np.log2(share)).sum()),
        "sharp": _sharp(grey),
        "colour": float(np.ptp(rgb, axis=2).mean()) / 255,
    }


def _sharp(grey: NDArray[np.float32]) -> float:
    """Detail of one pixel's size as a share of all contrast: a blur takes the first away."""
    if min(grey.shape) < 8:
        return 1.0
    inner = grey[1:-1, 1:-1]
    whole = float(inner.std())
    return float((inner - _smooth(grey)).std()) / whole if whole > 0.5 else 1.0


def _smooth(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of three by three pixels, without the border."""
    rows = grey[:-2] + grey[1:-1] + grey[2:]
    made: NDArray[np.float32] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return made
